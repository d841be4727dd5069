//! The model in Burn's own training loop.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, ClassReduction, LossMetric, RecallMetric};
use burn::train::{Interrupter, Learner, SupervisedTraining};
use burn_mla::MlaError;
use burn_mla::method::MultimodalMethod;
use burn_mla::prelude::*;

use crate::common::*;

#[derive(Clone)]
struct SampleBatcher;

impl Batcher<i64, MultimodalBatch<MlpInputs>> for SampleBatcher {
    fn batch(&self, labels: Vec<i64>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let (_, a, b) = samples(labels.len(), labels[0] as u64);
        let inputs = (matrix(a, D_A, device), matrix(b, D_B, device));
        MultimodalBatch::paired(inputs, Targets::from_labels(labels, device))
    }
}

fn loader(labels: Vec<i64>, device: &Device) -> Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>> {
    DataLoaderBuilder::new(SampleBatcher)
        .batch_size(4)
        .set_device(device.clone())
        .build(InMemDataset::new(labels))
}

type Model = MlpMla<RlsProjector>;

/// A metric that cannot cope with labels out of range.
fn recall() -> RecallMetric {
    RecallMetric::multiclass(1, ClassReduction::Macro)
}

/// Trains for two epochs; `labels` are the training split.
fn launch(labels: Vec<i64>, device: &Device) -> (Model, Model, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let training_device = device.clone().autodiff();
    let train = loader(labels, &training_device);
    let train = AlternatingLoader::paired(train, 2, RoundRobin).unwrap();
    let valid = loader((0..6).map(|i| i % 3).collect(), device);
    let interrupter = Interrupter::new();
    let model =
        mlp_mla(MlaConfig::new(), rls(0.1), &training_device).with_interrupter(interrupter.clone());
    let training = SupervisedTraining::new(folder.path(), Arc::new(train), valid)
        .with_training_strategy(burn::train::ExecutionStrategy::single(training_device).into())
        .with_application_logger(None)
        .with_interrupter(interrupter)
        .metrics((LossMetric::new(), AccuracyMetric::new(), recall()))
        .num_epochs(2);
    let result = training.launch(Learner::new(model.clone(), AdamWConfig::new().init(), 0.01));
    (
        model,
        result.model,
        result.error.map(|error| error.to_string()),
    )
}

#[test]
fn burns_loop_alternates_and_projects() {
    for device in devices() {
        let labels: Vec<i64> = (0..12).map(|i| i % 3).collect();
        let (initial, trained, error) = launch(labels.clone(), &device);
        assert_eq!(error, None);
        assert_eq!(trained.projection().n_steps(), 12);

        // The loop of one's own that does the same.
        let training_device = device.clone().autodiff();
        let turns = AlternatingLoader::paired(loader(labels, &training_device), 2, RoundRobin);
        let turns = turns.unwrap();
        let mut model = initial;
        let mut optimizer = AdamWConfig::new().init();
        for _epoch in 0..2 {
            for turn in turns.iter() {
                let output = model.try_step(turn.unwrap()).unwrap();
                model
                    .try_optimize(&mut optimizer, 0.01, output.grads)
                    .unwrap();
            }
        }
        assert_eq!(state(&trained), state(&model));
    }
}

#[test]
fn an_error_stops_burns_loop_with_its_name() {
    for device in devices() {
        let labels = vec![0, 1, 2, 0, 1, 2, 0, 7];
        let (_, stopped, error) = launch(labels, &device);
        let expected = MlaError::LabelOutOfRange {
            label: 7,
            sample: 3,
            n_classes: N_CLASSES,
        };
        assert!(error.unwrap().contains(&expected.to_string()));
        assert_eq!(stopped.fault(), Some(expected));
        assert_eq!(
            stopped.projection().n_steps(),
            2,
            "the good turns before it were taken"
        );
    }
}

#[test]
fn a_clone_with_its_own_interrupter_stops_only_its_training() {
    use burn::train::TrainStep;
    for device in devices() {
        let device = device.autodiff();
        let [mine, theirs] = [Interrupter::new(), Interrupter::new()];
        let base = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let model = base.clone().with_interrupter(mine.clone());
        let mut other = model.clone();
        other.interruption_mut().attach(&theirs);
        let mut bad = turn(0, 1, 0, &device);
        bad.targets = Targets::from_labels(vec![7], &device);
        // Burn's loop works on clones.
        TrainStep::step(&other.clone(), bad);
        assert!(theirs.error().is_some() && other.fault().is_some());
        assert!(mine.error().is_none() && model.fault().is_none());
        assert!(base.fault().is_none());
        let step = |model: &Model| TrainStep::step(model, turn(0, 4, 0, &device)).grads;
        let gradients = [step(&model), step(&other)];
        let [trained, stopped] = [model, other]
            .into_iter()
            .zip(gradients)
            .map(|(model, gradients)| TrainStep::optimize(model, &mut sgd(), 0.1.into(), gradients))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        assert_eq!(trained.projection().n_steps(), 1);
        assert_eq!(stopped.projection().n_steps(), 0);
    }
}

#[test]
#[should_panic(expected = "label 7 of sample 0 is out of range")]
fn without_an_interrupter_the_error_panics() {
    use burn::train::TrainStep;
    let device = Device::flex().autodiff();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let mut turn = turn(0, 1, 0, &device);
    turn.targets = Targets::from_labels(vec![7], &device);
    TrainStep::step(&model, turn);
}
