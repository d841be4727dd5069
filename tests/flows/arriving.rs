//! A modality that arrives after the training of the others.

use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Precomputed;
use burn_mla::fusion::MeanFusion;
use burn_mla::head::AdapterConfig;
use burn_mla::loss::{CrossEntropyConfig, TrainingLoss};
use burn_mla::mla::{FeatureMean, ProjectionConfig};
use burn_mla::modality::OneOf3;
use burn_mla::prelude::*;
use burn_mla::projector::{LeakyRlsProjector, SubspaceProjectorConfig};
use rstest::rstest;

use crate::common::*;

const D_C: usize = 7;

fn third(device: &Device) -> MlpEncoder {
    let encoder = MlpEncoderConfig::new(D_C, D_FEATURE).with_hidden(vec![5]);
    encoder.init(device).unwrap()
}

fn third_turn(seed: u64, device: &Device) -> Turn<OneOf3<Tensor<2>, Tensor<2>, Tensor<2>>> {
    let input = Numbers::new(seed).tensor([8, D_C], device);
    Turn::new(
        OneOf3::C(input),
        Targets::new((0..8).map(|i| i % N_CLASSES), device),
    )
}

type Vectors = Option<ModalityInput<Tensor<2>>>;

/// A batch whose samples lack the third modality.
fn without_third(device: &Device) -> MultimodalBatch<(Vectors, Vectors, Vectors)> {
    let MultimodalBatch {
        inputs, targets, ..
    } = batch(6, 40, device);
    MultimodalBatch::new((inputs.0, inputs.1, None), targets)
}

fn check<P: OrthogonalProjector>(rule: P, mean: FeatureMean, device: &Device) {
    let device = device.clone().autodiff();
    let projection = ProjectionConfig::new().with_mean(mean);
    let model = mlp_mla(MlaConfig::new().with_projection(projection), rule, &device);
    let mut optimizer = AdamWConfig::new().init();
    let model = train(model, 6, &mut optimizer, &device);
    let fusion = model.fusion.clone().with_calibration(&[2.0, 0.5]).unwrap();
    let model = model.with_fusion(fusion).unwrap();
    let plain = device.clone().inner();
    let before = model.valid().predict(batch(6, 40, &plain)).unwrap();
    let encoders = state(&model.encoders);
    let head = state(&model.head);

    let (new, fusion) = (third(&device), model.fusion.with_modality());
    let mut model = model.with_modality(|(a, b)| (a, b, new), fusion).unwrap();
    assert_eq!(values(model.fusion.calibration()), [2.0, 0.5, 1.0]);
    assert_eq!(model.projection().n_steps(), 6);
    let after = model.valid().predict(without_third(&plain)).unwrap();
    assert_eq!(values(after.fused), values(before.fused));
    for modality in 0..2 {
        let logits = after.modalities.modality(modality);
        assert_eq!(values(logits), values(before.modalities.modality(modality)));
    }

    // Its turns train its encoder and the head alone.
    for seed in 0..3 {
        let output = model.try_step(third_turn(seed, &device)).unwrap();
        model
            .try_optimize(&mut optimizer, 0.05, output.grads)
            .unwrap();
    }
    let now = state(&model.encoders);
    assert_eq!(now[..encoders.len()], encoders);
    assert_ne!(state(&model.head), head);
    assert_eq!(model.projection().n_steps(), 9);
    let all = model.valid();
    let MultimodalBatch {
        inputs, targets, ..
    } = without_third(&plain);
    let c = ModalityInput::all(Numbers::new(3).tensor([6, D_C], &plain));
    let whole = MultimodalBatch::new((inputs.0, inputs.1, Some(c)), targets);
    assert_eq!(all.predict(whole).unwrap().weights.dims(), [6, 3]);

    // A record holds what was added.
    let record = model.clone().into_record();
    let loaded = model.clone().try_load_record(record).unwrap();
    assert_eq!(state(&loaded), state(&model));
}

#[test]
fn old_modalities_keep_their_predictions_and_encoders() {
    for device in devices() {
        for mean in [FeatureMean::Batch, FeatureMean::Running] {
            check(rls(0.1), mean, &device);
            check(LeakyRlsProjector::default(), mean, &device);
            let rule = SubspaceProjectorConfig::new().with_refresh_every(1);
            check(rule.init().unwrap(), mean, &device);
        }
    }
}

/// The rule that keeps directions per modality protects the old ones from the first turn on, even if none of
/// them was refreshed.
#[rstest]
#[case(1)]
#[case(32)]
fn the_subspace_rule_protects_from_a_new_modality_at_once(#[case] refresh_every: usize) {
    for device in devices() {
        let device = device.autodiff();
        let rule = SubspaceProjectorConfig::new().with_refresh_every(refresh_every);
        let model = mlp_mla(MlaConfig::new(), rule.init().unwrap(), &device);
        let model = train(model, 6, &mut sgd(), &device);
        let new = third(&device);
        let fusion = model.fusion.with_modality();
        let model = model.with_modality(|(a, b)| (a, b, new), fusion).unwrap();
        let projection = model.projection();
        // P of the new modality: its trace is the width without the removed directions.
        let identity = (0..D_FEATURE * D_FEATURE).map(|at| at % (D_FEATURE + 1) == 0);
        let identity = identity.map(|is_one| f32::from(u8::from(is_one))).collect();
        let identity = matrix(identity, D_FEATURE, &device.clone().inner());
        let state = projection.state(0);
        let kept = values(projection.rule().project(identity, 2, state));
        let trace: f32 = kept.iter().step_by(D_FEATURE + 1).sum();
        assert!(trace < D_FEATURE as f32 - 0.9, "{trace}");
    }
}

/// The loss of the new modality is smoothed by the common value.
#[test]
fn label_smoothing_of_a_new_modality_is_the_common_one() {
    for device in devices() {
        let device = device.autodiff();
        for common in [None, Some(0.4)] {
            let config = MlaConfig::new()
                .with_label_smoothing(common)
                .with_modality_label_smoothing(Some(vec![0.1, 0.7]));
            let model = mlp_mla(config, rls(0.1), &device);
            let (new, fusion) = (third(&device), model.fusion.with_modality());
            let model = model.with_modality(|(a, b)| (a, b, new), fusion).unwrap();
            let each = vec![0.1, 0.7, common.unwrap_or(0.0)];
            assert_eq!(model.config().modality_label_smoothing, Some(each));
            let item = model.try_step(third_turn(0, &device)).unwrap().item;
            let loss = CrossEntropyConfig::new().with_label_smoothing(common);
            let expected = loss.init().unwrap().loss(item.logits, &item.targets);
            assert_eq!(values(item.loss), values(expected.unwrap()));
        }
    }
}

#[test]
fn a_head_with_adapters_gets_one_more_and_a_vec_grows() {
    for device in devices() {
        let device = device.autodiff();
        let encoder = || third(&device);
        let head = AdapterConfig::new(2).with_rank(Some(2));
        let head = head.init(linear_head(&device), &device).unwrap();
        let model = Mla::new(vec![encoder(), encoder()], head, rls(0.1), MeanFusion).unwrap();
        let new = encoder();
        let grown = model.with_modality(
            |mut all| {
                all.push(new);
                all
            },
            MeanFusion,
        );
        let grown = grown.unwrap();
        let adapters = state(&grown.head);
        let of_new = adapters
            .iter()
            .filter(|(path, _)| path.starts_with("adapters.2."));
        assert_eq!(of_new.count(), 4);
    }
}

#[test]
fn other_encoders_and_other_numbers_are_refused() {
    let device = Device::flex();
    let model = || {
        let encoders = vec![third(&device), third(&device)];
        Mla::new(encoders, linear_head(&device), rls(0.1), MeanFusion).unwrap()
    };
    let with = |change: fn(Vec<MlpEncoder>, MlpEncoder) -> Vec<MlpEncoder>| {
        let new = third(&device);
        model().with_modality(|all| change(all, new), MeanFusion)
    };
    let error = with(|all, _| all).unwrap_err();
    assert!(matches!(
        error,
        MlaError::ModalityCount {
            expected: 3,
            got: 2,
            ..
        }
    ));
    let swapped = with(|mut all, new| {
        all.push(new);
        all.swap(0, 1);
        all
    });
    assert_eq!(swapped.unwrap_err(), MlaError::OtherEncoders);
    let first = with(|mut all, new| {
        all.insert(0, new);
        all
    });
    assert_eq!(first.unwrap_err(), MlaError::OtherEncoders);
    let model = model();
    let two = EntropyFusionConfig::new(2).init(&device).unwrap();
    let new = third(&device);
    let error = model.with_modality(
        |mut all| {
            all.push(new);
            all
        },
        two,
    );
    assert!(matches!(error.unwrap_err(), MlaError::ModalityCount { .. }));
}

/// Encoders without parameters differ by their width.
#[test]
fn another_encoder_without_parameters_is_refused() {
    let device = Device::flex();
    let encoder = || Precomputed::new(D_FEATURE).unwrap();
    let with = |first: usize| {
        let encoders = vec![encoder(), encoder()];
        let model = Mla::new(encoders, linear_head(&device), rls(0.1), MeanFusion).unwrap();
        model.with_modality(
            |mut all| {
                all[0] = Precomputed::new(first).unwrap();
                all.push(encoder());
                all
            },
            MeanFusion,
        )
    };
    assert!(with(D_FEATURE).is_ok());
    assert_eq!(with(D_FEATURE - 1).unwrap_err(), MlaError::OtherEncoders);
}
