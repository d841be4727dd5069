//! Methods that are fitted to the whole training set, through `fit` and step by step.

use std::sync::Arc;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsAccumulator};
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{
    Cca, CcaConfig, CpmNet, CpmNetConfig, DccaConfig, DccaeConfig, Joint, JointConfig, JointHead,
    Moment, WholePass, WholeSet, WholeSetHead,
};
use burn_mla::checkpoint::CheckpointStore;
use burn_mla::dataset::InMemory;
use burn_mla::evaluation::evaluate_subsets;
use burn_mla::loader::TrainingData;
use burn_mla::method::{MultimodalMethod, WeightAverageConfig};
use burn_mla::modality::{MissingRate, Presence};
use burn_mla::prelude::*;

use crate::common::*;

const N: usize = 44;
const WIDTHS: [usize; 2] = [D_FEATURE; 2];

type Model<H> = WholeSet<(MlpEncoder, MlpEncoder), H>;

fn joint<H: JointHead>(head: H, device: &Device) -> Joint<(MlpEncoder, MlpEncoder), H> {
    let encoders = set_parameters(mlps(device), 1).freeze();
    JointConfig::new().init(encoders, head).unwrap()
}

fn whole_set<H: WholeSetHead>(head: H, device: &Device) -> Model<H> {
    WholeSet::new(joint(head, device))
}

fn cca(device: &Device) -> Cca {
    let config = CcaConfig::new(WIDTHS.to_vec(), N_CLASSES).with_c(1.0);
    config.init(device).unwrap()
}

fn dcca() -> DccaConfig {
    let config = DccaConfig::new(WIDTHS.to_vec(), N_CLASSES).with_c(1.0);
    config.with_hidden(vec![8])
}

fn cpm_net(device: &Device) -> CpmNet {
    let config = CpmNetConfig::new(WIDTHS.to_vec(), N_CLASSES, N).with_d_latent(4);
    config.init(device).unwrap()
}

/// Samples of which a share of the inputs is missing.
fn data(n: usize, seed: u64, rate: f64) -> InMemory<MlpInputs> {
    let (labels, a, b) = samples(n, seed);
    let device = Device::flex();
    let inputs = (matrix(a, D_A, &device), matrix(b, D_B, &device));
    let data = InMemory::paired(inputs, labels).unwrap();
    let presence = MissingRate::new(rate, 3).unwrap().presence("train", n, 2);
    data.with_presence(&presence.unwrap()).unwrap()
}

fn train(rate: f64, device: &Device) -> TrainingData<MlpInputs> {
    data(N, 1, rate).shuffled(16, 5, device).unwrap()
}

fn valid(seed: u64, device: &Device) -> Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>> {
    data(40, seed, 0.3).in_order(16, device).unwrap()
}

fn quiet(n_epochs: usize) -> FitConfig {
    FitConfig::new(n_epochs)
        .with_progress(false)
        .with_optimizer(AdamConfig::new().init())
        .with_learning_rate(0.02)
}

fn learns<M: MultimodalMethod<Inputs = MlpInputs>>(method: M, n_epochs: usize, device: &Device) {
    let config = quiet(n_epochs);
    let fitted = fit(method, train(0.2, device), valid(2, device), &config).unwrap();
    let device = device.clone().without_autodiff();
    let found = evaluate_subsets(&fitted.model, &*valid(4, &device)).unwrap();
    let accuracy = found.subset(&[0, 1]).unwrap().confusion.accuracy();
    assert!(accuracy > 0.5, "{accuracy}");
    assert!(fitted.calibration.unwrap().fused.is_some());
}

#[test]
fn every_method_learns_and_is_evaluated_on_subsets() {
    for device in devices() {
        let device = device.autodiff();
        device.seed(1);
        learns(whole_set(cca(&device), &device), 1, &device);
        let head = dcca().init(&device).unwrap();
        learns(whole_set(head, &device), 3, &device);
        let head = DccaeConfig::new(dcca()).init(&device).unwrap();
        learns(whole_set(head, &device), 3, &device);
        learns(whole_set(cpm_net(&device), &device), 20, &device);
    }
}

/// All inputs, and one of each sample.
#[test]
fn every_rate_is_trained() {
    let device = Device::flex().autodiff();
    for rate in [0.0, 0.999] {
        let method = whole_set(cca(&device), &device);
        fit(method, train(rate, &device), valid(2, &device), &quiet(1)).unwrap();
        let method = whole_set(dcca().init(&device).unwrap(), &device);
        fit(method, train(rate, &device), valid(2, &device), &quiet(1)).unwrap();
        let method = whole_set(cpm_net(&device), &device);
        fit(method, train(rate, &device), valid(2, &device), &quiet(1)).unwrap();
    }
}

fn pass(n: usize, device: &Device) -> WholePass<MlpInputs> {
    let batch = batch(n, 3, device).with_samples((0..n).collect());
    WholePass::new(vec![batch], Moment::AfterBatches).unwrap()
}

#[test]
fn a_step_changes_nothing_and_a_fit_cannot_be_summed() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = whole_set(cca(&device), &device);
        let before = state(&model);
        let output = model.try_fit(&pass(20, &device)).unwrap();
        assert_eq!(state(&model), before);

        let mut sum = GradientsAccumulator::new();
        for _ in 0..2 {
            let output = model.try_fit(&pass(20, &device)).unwrap();
            sum.accumulate(&model, output.grads);
        }
        let mut optimizer = AdamConfig::new().init();
        let error = model.try_optimize(&mut optimizer, 0.1, sum.grads());
        assert_eq!(error, Err(MlaError::FitAccumulated));
        assert_eq!(state(&model), before);

        model
            .try_optimize(&mut optimizer, 0.1, output.grads)
            .unwrap();
        assert_ne!(state(&model), before);
        assert_eq!(model.joint.n_steps(), 1);
        // The record has everything that predictions need.
        let record = model.clone().into_record();
        let loaded = whole_set(cca(&device), &device).load_record(record);
        let logits = |model: &Model<Cca>| {
            let inner = device.clone().inner();
            values(model.valid().predict(batch(9, 4, &inner)).unwrap().fused)
        };
        assert_eq!(logits(&loaded), logits(&model));
    }
}

#[test]
fn a_batch_after_a_fit_cannot_be_summed_with_it() {
    let device = Device::flex().autodiff();
    let model = whole_set(dcca().init(&device).unwrap(), &device);
    let batches = vec![batch(20, 3, &device)];
    let before = WholePass::new(batches, Moment::BeforeBatches).unwrap();
    let mut model = model;
    let mut optimizer = AdamConfig::new().init();
    let fit = model.try_fit(&before).unwrap();
    model.try_optimize(&mut optimizer, 0.1, fit.grads).unwrap();
    let mut sum = GradientsAccumulator::new();
    sum.accumulate(&model, model.try_step(batch(20, 3, &device)).unwrap().grads);
    sum.accumulate(&model, model.try_fit(&before).unwrap().grads);
    let error = model.try_optimize(&mut optimizer, 0.1, sum.grads());
    assert_eq!(error, Err(MlaError::FitAccumulated));
    let step = model.try_step(batch(20, 3, &device)).unwrap();
    model.try_optimize(&mut optimizer, 0.1, step.grads).unwrap();
    assert_eq!(model.joint.n_steps(), 2);
}

#[test]
fn a_joint_model_alone_refuses_to_train_them() {
    let device = Device::flex().autodiff();
    let error = joint(cca(&device), &device).try_step(batch(9, 3, &device));
    assert_eq!(
        error.err().unwrap(),
        MlaError::NeedsWholeSet { head: "Cca" }
    );
    let error = joint(cpm_net(&device), &device).try_step(batch(9, 3, &device));
    assert_eq!(
        error.err().unwrap(),
        MlaError::NeedsWholeSet { head: "CpmNet" }
    );
    let head = dcca().init(&device).unwrap();
    let error = joint(head, &device).try_step(batch(9, 3, &device));
    assert_eq!(
        error.err().unwrap(),
        MlaError::NeedsWholeSet { head: "Dcca" }
    );
}

/// What is fitted belongs to the weights of the fit, not to their averages.
#[test]
fn weights_are_not_averaged() {
    fn refused<H: WholeSetHead>(head: H, device: &Device) {
        let model = WeightAverageConfig::new().init(whole_set(head, device));
        assert_eq!(model.err().unwrap(), MlaError::NotAverageable);
    }
    let device = Device::flex().autodiff();
    refused(cca(&device), &device);
    refused(dcca().init(&device).unwrap(), &device);
    refused(cpm_net(&device), &device);
}

/// Errors of a fit stop the training and name the place in the data set.
#[test]
fn errors_name_the_modality_and_the_sample() {
    let device = Device::flex().autodiff();
    let absent = |rows: usize| {
        let mask = (0..2 * rows).map(|at| at % 2 == 0).collect();
        data(rows, 1, 0.0)
            .with_presence(&Presence::from_mask(mask, 2).unwrap())
            .unwrap()
    };
    let train = absent(N).shuffled(16, 5, &device).unwrap();
    let method = whole_set(cca(&device), &device);
    let error = fit(method, train, valid(2, &device), &quiet(1))
        .err()
        .unwrap();
    let expected = "modality 1 is absent in the whole data set";
    assert!(error.to_string().contains(expected), "{error}");
    // CPM-Net needs no sample of it.
    let train = absent(N).shuffled(16, 5, &device).unwrap();
    let method = whole_set(cpm_net(&device), &device);
    fit(method, train, valid(2, &device), &quiet(1)).unwrap();

    let small = data(5, 1, 0.0).shuffled(2, 5, &device).unwrap();
    let method = whole_set(dcca().init(&device).unwrap(), &device);
    let error = fit(method, small, valid(2, &device), &quiet(1))
        .err()
        .unwrap();
    let expected = "the largest batch has 2 samples, and at least 4 are needed";
    assert!(error.to_string().contains(expected), "{error}");

    let mut spoiled = batch(9, 3, &device).with_samples((30..39).collect());
    let text = Tensor::full([9, D_B], f32::NAN, &device);
    spoiled.inputs.1 = Some(burn_mla::modality::ModalityInput::all(text));
    let spoiled = WholePass::new(vec![spoiled], Moment::AfterBatches).unwrap();
    let error = whole_set(cca(&device), &device)
        .try_fit(&spoiled)
        .err()
        .unwrap();
    let expected =
        "non-finite feature of sample 0 of modality 1 (sample 0 of the batch, 30 of the data set)";
    assert_eq!(error.to_string(), expected);
}

/// A schedule ends with the training: each fit and each step is a turn.
#[test]
fn turns_are_fits_and_steps() {
    fn turns<H: WholeSetHead>(head: H, per_epoch: usize, device: &Device) {
        let folder = tempfile::tempdir().unwrap();
        let config = quiet(2)
            .with_directory(folder.path())
            .with_schedule(move |turns| {
                assert_eq!((turns.per_epoch, turns.total), (per_epoch, 2 * per_epoch));
                CosineAnnealingLrSchedulerConfig::new(0.02, turns.total).init()
            });
        let method = whole_set(head, device);
        fit(method, train(0.2, device), valid(2, device), &config).unwrap();
        let store = CheckpointStore::open(folder.path()).unwrap();
        let latest = store.latest().unwrap().unwrap();
        assert_eq!(latest.progress.turns, 2 * per_epoch as u64);
    }
    let device = Device::flex().autodiff();
    turns(cca(&device), 1, &device);
    // 44 samples are batches of 16, 16 and 12.
    turns(dcca().init(&device).unwrap(), 5, &device);
    turns(cpm_net(&device), 10, &device);
}

/// Predictions need no latent vector of a training sample, of which a checkpoint has all.
#[cfg(feature = "safetensors")]
#[test]
fn a_model_file_of_cpm_net_has_no_training_sample() {
    for device in devices() {
        let device = device.autodiff();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let config = quiet(2).with_calibration(false);
        let method = whole_set(cpm_net(&device), &device);
        let fitted = fit(method, train(0.2, &device), valid(2, &device), &config).unwrap();
        let joint = fitted.model.joint.valid();
        joint.save_safetensors(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("head.means") && !text.contains("head.latents"));

        // For another number of samples.
        let inner = device.clone().inner();
        let head = CpmNetConfig::new(WIDTHS.to_vec(), N_CLASSES, 1).with_d_latent(4);
        let empty = whole_set(head.init(&device).unwrap(), &device).joint;
        let loaded = empty.load_safetensors(&path).unwrap().valid();
        let fused = |joint: &Joint<_, _>| values(joint.predict(batch(9, 4, &inner)).unwrap().fused);
        assert_eq!(fused(&loaded), fused(&joint));
    }
}
