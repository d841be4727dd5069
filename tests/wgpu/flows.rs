//! Training, saving and missing modalities, each against flex.

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{ConcatConfig, JointConfig, JointHead, OgmConfig, QmfConfig};
use burn_mla::fusion::MeanFusion;
use burn_mla::mla::{FeatureSource, ProjectionConfig, ProjectionTarget};
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;

use crate::common::*;

fn assert_same_state(got: &[(String, Vec<f32>)], expected: &[(String, Vec<f32>)], within: f64) {
    assert_eq!(got.len(), expected.len());
    for ((path, got), (_, expected)) in got.iter().zip(expected) {
        let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
        close(got, &expected, within, path);
    }
}

/// A state with `P` in place of its square root, which is triangular on a CPU only.
fn with_p(state: Vec<(String, Vec<f32>)>, p: Tensor<2>) -> Vec<(String, Vec<f32>)> {
    let others = state.into_iter();
    let others = others.filter(|(path, _)| !path.contains("square_root"));
    others.chain([("P".to_string(), values(p))]).collect()
}

/// Twenty steps, both readings of what is projected: the same weights, `P` and mean features.
#[test]
#[ignore = "needs a wgpu adapter"]
fn twenty_steps_end_where_flex_ends() {
    let wgpu = device();
    for target in [ProjectionTarget::Gradient, ProjectionTarget::Update] {
        let [got, expected] = [wgpu.clone(), Device::flex()].map(|device| {
            let device = device.autodiff();
            let projection = ProjectionConfig::new()
                .with_target(target)
                .with_source(FeatureSource::Previous)
                .with_protect_bias(true);
            let config = MlaConfig::new().with_projection(projection);
            let model = mlp_mla(config, rls(0.1), &device);
            let model = train(model, 20, &mut sgd(), &device);
            with_p(state(&model), model.projection().state(0).matrix())
        });
        assert_same_state(&got, &expected, 1e-4);
    }
}

/// Many classes and few samples: the gradient is projected by its factors.
#[test]
#[ignore = "needs a wgpu adapter"]
fn a_wide_head_ends_where_flex_ends() {
    let wgpu = device();
    let [got, expected] = [wgpu, Device::flex()].map(|device| {
        let device = device.autodiff();
        let head = LinearHeadConfig::new(D_FEATURE, 40).init(&device).unwrap();
        let mut model = Mla::new(
            set_parameters(mlps(&device), 1),
            set_parameters(head, 2),
            rls(0.1),
            MeanFusion,
        )
        .unwrap();
        let mut optimizer = sgd();
        for t in 0..6 {
            let output = model.try_step(turn(t % 2, 2, t as u64, &device)).unwrap();
            model
                .try_optimize(&mut optimizer, 0.05, output.grads)
                .unwrap();
        }
        with_p(state(&model), model.projection().state(0).matrix())
    });
    assert_same_state(&got, &expected, 1e-4);
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn a_loaded_model_goes_on_as_the_saved_one() {
    let device = device();
    let device = device.autodiff();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let model = train(model, 3, &mut sgd(), &device);
    let bytes = model.clone().into_record().into_bytes().unwrap();
    let record = ModuleRecord::from_bytes(bytes).unwrap();
    let loaded = mlp_mla(MlaConfig::new(), rls(0.1), &device)
        .try_load_record(record)
        .unwrap();
    assert_eq!(loaded.projection().n_steps(), 3);
    assert_eq!(state(&loaded), state(&model));
    let further = |model| state(&train(model, 2, &mut sgd(), &device));
    assert_same_state(&further(loaded), &further(model), 1e-6);
}

/// Sample 0 lacks A, sample 2 lacks B.
#[test]
#[ignore = "needs a wgpu adapter"]
fn missing_modalities_are_left_out_as_on_flex() {
    let wgpu = device();
    let [got, expected] = [wgpu, Device::flex()].map(|device| {
        let plain = device.clone();
        let device = device.autodiff();
        let mut model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let mut optimizer = sgd();
        let incomplete = |device: &Device| {
            let (labels, a, b) = samples(4, 3);
            let present = |values: Vec<f32>, d: usize, rows: [usize; 3]| {
                let kept = rows.iter().flat_map(|&row| values[row * d..][..d].to_vec());
                let input = matrix(kept.collect(), d, device);
                ModalityInput::rows(input, rows.to_vec())
            };
            let inputs = (present(a, D_A, [1, 2, 3]), present(b, D_B, [0, 1, 3]));
            MultimodalBatch::new(inputs, Targets::new(labels, device))
        };
        for modality in [0, 1, 0, 1] {
            let turn = incomplete(&device)
                .into_turns()
                .unwrap()
                .swap_remove(modality);
            let turn: Turn<OneOf2<_, _>> = turn.expect("the modality is present");
            assert_eq!(turn.targets.len(), 3);
            let output = model.try_step(turn).unwrap();
            model
                .try_optimize(&mut optimizer, 0.05, output.grads)
                .unwrap();
        }
        let prediction = model.valid().predict(incomplete(&plain)).unwrap();
        let weights = values(prediction.weights);
        assert_eq!(
            (weights[0], weights[5]),
            (0.0, 0.0),
            "missing, so no weight"
        );
        let state = with_p(state(&model), model.projection().state(0).matrix());
        (state, values(prediction.fused))
    });
    assert_same_state(&got.0, &expected.0, 1e-4);
    let expected: Vec<f64> = expected.1.iter().map(|&x| f64::from(x)).collect();
    close(&got.1, &expected, 1e-4, "fused logits");
}

/// Joint training with a missing modality: what QMF remembers, and modulated gradients.
#[test]
#[ignore = "needs a wgpu adapter"]
fn joint_training_ends_where_flex_ends() {
    let wgpu = device();
    let widths = vec![D_FEATURE; 2];
    let qmf = QmfConfig::new(widths.clone(), N_CLASSES, 8);
    assert_joint_as_on_flex(&wgpu, &JointConfig::new(), |device| {
        qmf.init(device).unwrap()
    });
    let ogm = OgmConfig::new(0.5).with_generalization(false);
    let config = JointConfig::new().with_modulation(Some(ogm));
    let concat = ConcatConfig::new(widths, N_CLASSES);
    assert_joint_as_on_flex(&wgpu, &config, |device| concat.init(device).unwrap());
}

fn assert_joint_as_on_flex<H: JointHead>(
    wgpu: &Device,
    config: &JointConfig,
    head: impl Fn(&Device) -> H,
) {
    let [got, expected] = [wgpu.clone(), Device::flex()].map(|device| {
        let device = device.autodiff();
        let encoders = set_parameters(mlps(&device), 1);
        let head = set_parameters(head(&device), 2);
        let mut model = config.init(encoders, head).unwrap();
        let mut optimizer = sgd();
        for t in 0..4 {
            let mut batch = batch(8, t % 2, &device).with_samples((0..8).collect());
            if t == 1 {
                let (labels, a, _) = samples(8, t);
                let first = ModalityInput::all(matrix(a, D_A, &device));
                let targets = Targets::new(labels, &device);
                batch = MultimodalBatch::new((Some(first), None), targets)
                    .with_samples((0..8).collect());
            }
            let output = model.try_step(batch).unwrap();
            model
                .try_optimize(&mut optimizer, 0.05, output.grads)
                .unwrap();
        }
        state(&model)
    });
    assert_same_state(&got, &expected, 1e-4);
}
