//! A batch in parts, on one device or on several, makes the update of the whole batch.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn::train::metric::LossMetric;
use burn::train::{ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining};
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjector;

use crate::averages::part_of;
use crate::common::*;

/// As many samples as fill a few batches of 8, each known by its number.
const N: usize = 32;

#[derive(Clone)]
struct Samples;

impl Batcher<usize, MultimodalBatch<MlpInputs>> for Samples {
    fn batch(&self, items: Vec<usize>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let (labels, a, b) = samples(N, 4);
        let rows = |all: &[f32], d: usize| -> Vec<f32> {
            let row = |&item: &usize| all[item * d..(item + 1) * d].to_vec();
            items.iter().flat_map(row).collect()
        };
        let inputs = (
            matrix(rows(&a, D_A), D_A, device),
            matrix(rows(&b, D_B), D_B, device),
        );
        let labels = items.iter().map(|&item| labels[item]);
        MultimodalBatch::paired(inputs, Targets::new(labels, device))
    }
}

fn loader(
    items: Vec<usize>,
    batch_size: usize,
    device: &Device,
) -> Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>> {
    DataLoaderBuilder::new(Samples)
        .batch_size(batch_size)
        .set_device(device.clone())
        .build(InMemDataset::new(items))
}

type Model = MlpMla<LeakyRlsProjector>;

/// Two epochs of Burn's loop.
fn launch(items: Vec<usize>, batch_size: usize, strategy: ExecutionStrategy) -> Model {
    let device = strategy.main_device().clone();
    let folder = tempfile::tempdir().unwrap();
    let train = loader(items, batch_size, &device);
    let train = AlternatingLoader::paired(train, 2, RoundRobin).unwrap();
    let valid = loader((0..4).collect(), 4, &device.clone().inner());
    let model = mlp_mla(MlaConfig::new(), LeakyRlsProjector::default(), &device);
    let result = SupervisedTraining::new(folder.path(), Arc::new(train), valid)
        .with_training_strategy(strategy.into())
        .with_application_logger(None)
        .metrics((LossMetric::new(),))
        .num_epochs(2)
        .launch(Learner::new(model, sgd(), 0.05));
    assert!(result.error.is_none(), "{:?}", result.error);
    result.model
}

fn assert_close(got: &Model, expected: &Model, what: &str) {
    for ((path, got), (_, expected)) in state(got).iter().zip(&state(expected)) {
        let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
        close(got, &expected, 1e-4, &format!("{what}, {path}"));
    }
}

/// Two devices of half a batch each end where one device with the whole batch ends, projector
/// included.
#[test]
fn two_devices_train_like_one() {
    // The first and the last of the backends: the same one without the feature `ndarray`.
    let [flex, other] = [0, devices().len() - 1].map(|i| devices()[i].clone().autodiff());
    // Each device gets one half of the data; the whole batches are made of the same samples.
    let halves: Vec<usize> = (0..N).collect();
    let whole: Vec<usize> = (0..N / 2)
        .step_by(4)
        .flat_map(|at| [at..at + 4, N / 2 + at..N / 2 + at + 4])
        .flatten()
        .collect();
    let one = launch(whole, 8, ExecutionStrategy::single(flex.clone()));
    assert_eq!(one.projection().n_steps(), 16);
    let features_seen = state(one.projection().state(0));
    let mut numbers = features_seen.iter().flat_map(|(_, of)| of);
    assert!(numbers.any(|x| x.abs() > 1e-3));
    use MultiDeviceOptim::{OptimMainDevice, OptimSharded};
    for (devices, optim) in [
        (vec![flex.clone(), other.clone()], OptimMainDevice),
        (vec![flex.clone(), flex.clone()], OptimMainDevice),
        (vec![flex, other], OptimSharded),
    ] {
        let what = format!("{devices:?}, {optim:?}");
        let two = launch(halves.clone(), 4, ExecutionStrategy::multi(devices, optim));
        assert_eq!(two.projection().n_steps(), 16, "{what}");
        assert_close(&two, &one, &what);
    }
}

/// Also parts of unequal sizes.
#[test]
fn accumulated_parts_make_the_update_of_the_whole_batch() {
    for device in devices() {
        let device = device.autodiff();
        let mut whole = mlp_mla(MlaConfig::new(), LeakyRlsProjector::default(), &device);
        let mut parts = whole.clone();
        let (mut a, mut b) = (sgd(), sgd());
        for t in 0..6u64 {
            let full = turn(t as usize % 2, 9, t, &device);
            let mut accumulator = GradientsAccumulator::new();
            for rows in [0..5, 5..6, 6..9] {
                let part = part_of(&full, rows);
                accumulator.accumulate(&parts, parts.try_step(part).unwrap().grads);
            }
            parts
                .try_optimize(&mut b, 0.05, accumulator.grads())
                .unwrap();
            let output = whole.try_step(full).unwrap();
            whole.try_optimize(&mut a, 0.05, output.grads).unwrap();
        }
        assert_close(&parts, &whole, "three parts");
    }
}

/// The mean over devices, which Burn's `ddp` makes, is their sum in another scale.
#[test]
fn gradients_of_any_scale_make_the_same_update() {
    struct Scale<'a> {
        gradients: &'a mut GradientsParams,
        scaled: GradientsParams,
    }
    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.scaled.register(param.id, gradient * 0.25);
            }
        }
    }
    for device in devices() {
        let device = device.autodiff();
        let config = MlaConfig::new().with_class_weights(Some(vec![1.0, 4.0, 0.5]));
        let mut whole = mlp_mla(config, LeakyRlsProjector::default(), &device);
        let mut scaled = whole.clone();
        let (mut a, mut b) = (sgd(), sgd());
        for t in 0..4u64 {
            let turn = turn(t as usize % 2, 9, t, &device);
            let mut gradients = scaled.try_step(turn.clone()).unwrap().grads;
            let mut scale = Scale {
                gradients: &mut gradients,
                scaled: GradientsParams::new(),
            };
            scaled.visit(&mut scale);
            scaled.try_optimize(&mut b, 0.05, scale.scaled).unwrap();
            let gradients = whole.try_step(turn).unwrap().grads;
            whole.try_optimize(&mut a, 0.05, gradients).unwrap();
        }
        assert_close(&scaled, &whole, "a quarter");
    }
}

/// CPU backends cannot reduce over devices.
#[test]
#[should_panic(expected = "Distributed operations are not supported")]
fn burns_distributed_strategy_refuses_cpu_devices() {
    use burn::tensor::distributed::{DistributedConfig, ReduceOperation};
    let config = DistributedConfig {
        all_reduce_op: ReduceOperation::Mean,
    };
    let devices = vec![Device::flex().autodiff(); 2];
    launch((0..8).collect(), 4, ExecutionStrategy::ddp(devices, config));
}
