//! Running statistics of batch normalization: copies have their own, records hold the latest, and
//! updates travel with the gradients of their step.

use burn::module::{Module, RunningState};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::GradientsAccumulator;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{ConcatConfig, Joint, JointConfig};
use burn_mla::encoder::CnnEncoder;
use burn_mla::fusion::MeanFusion;
use burn_mla::modality::Indexed;
use burn_mla::prelude::*;

use crate::common::*;

/// A layer that normalizes twice with the same statistics.
#[derive(Module, Debug)]
struct Twice {
    norm: BatchNorm,
    output: Linear,
}

impl Encoder for Twice {
    type Input = Tensor<2>;

    fn encode(&self, input: Tensor<2>) -> Tensor<2> {
        let once = self.norm.forward(input);
        self.output.forward(self.norm.forward(once + 2.0))
    }

    fn d_feature(&self) -> usize {
        self.output.weight.lazy_shape()[1]
    }
}

impl Twice {
    fn init(device: &Device) -> Self {
        Self {
            norm: BatchNormConfig::new(D_A).init(device),
            output: LinearConfig::new(D_A, D_FEATURE).init(device),
        }
    }

    fn mean(&self) -> Vec<f32> {
        // `value` alone leaves pending updates out.
        self.valid()
            .norm
            .running_mean
            .value()
            .into_data()
            .iter()
            .collect()
    }
}

type TwiceMla = Mla<Vec<Twice>, LinearHead, RlsProjector, MeanFusion>;

fn twice_mla(device: &Device) -> TwiceMla {
    let encoders = vec![Twice::init(device), Twice::init(device)];
    Mla::new(encoders, linear_head(device), rls(0.1), MeanFusion).unwrap()
}

fn input(seed: u64, device: &Device) -> Tensor<2> {
    rows_of(4, seed, device)
}

fn rows_of(n: usize, seed: u64, device: &Device) -> Tensor<2> {
    Numbers::new(seed).tensor([n, D_A], device) * 3.0 + 1.0
}

fn turn_of(modality: usize, input: Tensor<2>) -> Turn<Indexed<Tensor<2>>> {
    let targets = Targets::new((0..input.dims()[0]).map(|row| row % 3), &input.device());
    Turn::new(Indexed { modality, input }, targets)
}

fn step(model: &mut TwiceMla, seed: u64, device: &Device) {
    let output = model.try_step(turn_of(0, input(seed, device))).unwrap();
    model.try_optimize(&mut sgd(), 0.0, output.grads).unwrap();
}

/// Model and batch of a joint model with batch normalization.
type ImageJoint = Joint<(CnnEncoder, MlpEncoder), burn_mla::baseline::Concat>;

fn image_joint(device: &Device) -> ImageJoint {
    let head = ConcatConfig::new(vec![D_FEATURE; 2], N_CLASSES)
        .init(device)
        .unwrap();
    let mut model = JointConfig::new().init(pair(device), head).unwrap();
    model.encoders = set_parameters(model.encoders, 1);
    model.head = set_parameters(model.head, 2);
    model
}

fn images(seed: u64, device: &Device) -> MultimodalBatch<ImageInputs> {
    let mut numbers = Numbers::new(seed);
    let inputs = (
        numbers.tensor::<4>([3, 1, 4, 4], device),
        numbers.tensor::<2>([3, D_B], device),
    );
    MultimodalBatch::paired(inputs, Targets::new([0, 1, 2], device))
}

type ImageInputs = <(Tensor<4>, Tensor<2>) as burn_mla::modality::PairedInputs>::Inputs;

fn joint_step(model: &mut ImageJoint, seed: u64, device: &Device) {
    let output = model.try_step(images(seed, device)).unwrap();
    model.try_optimize(&mut sgd(), 0.05, output.grads).unwrap();
}

fn fused(model: &ImageJoint, device: &Device) -> Vec<f32> {
    values(
        model
            .valid()
            .predict(images(50, &device.clone().inner()))
            .unwrap()
            .fused,
    )
}

/// Momentum 0.1: `0.9 * old + 0.1 * mean of the batch`, computed here.
#[test]
fn a_step_changes_nothing_and_its_update_that_of_burn() {
    for device in devices() {
        let device = device.autodiff();
        let norm = |model: &TwiceMla| model.encoders[0].mean();
        let mut model = twice_mla(&device);
        let output = model.try_step(turn_of(0, input(1, &device))).unwrap();
        assert_eq!(norm(&model), [0.0; D_A], "a step alone");
        model.try_optimize(&mut sgd(), 0.0, output.grads).unwrap();
        // The second pass through the norm sees features of mean 2.
        let first: Vec<f32> = values(input(1, &device).mean_dim(0));
        let expected: Vec<f64> = first
            .iter()
            .map(|&mean| 0.9 * 0.1 * f64::from(mean) + 0.1 * 2.0)
            .collect();
        close(&norm(&model), &expected, 1e-5, "after the update");
        assert_eq!(model.encoders[1].mean(), [0.0; D_A], "the other encoder");
        // As Burn's layer alone.
        let alone = Twice::init(&device);
        let _ = alone.encode(input(1, &device));
        assert_eq!(norm(&model), alone.mean());
    }
}

#[test]
fn a_refused_step_leaves_the_statistics_of_a_norm_that_runs_twice() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = twice_mla(&device);
        step(&mut model, 1, &device);
        let before = state(&model);
        for _ in 0..2 {
            let bad = turn_of(0, input(2, &device) * f32::NAN);
            assert!(model.try_step(bad).is_err());
            let mut bad = turn_of(0, input(3, &device));
            bad.targets = Targets::new([0, 1], &device);
            assert!(model.try_step(bad).is_err());
        }
        assert_eq!(state(&model), before);

        let mut joint = image_joint(&device);
        joint_step(&mut joint, 1, &device);
        let before = state(&joint);
        let mut bad = images(2, &device);
        let text = bad.inputs.1.take().unwrap();
        bad.inputs.1 = Some(ModalityInput::all(text.input * f32::NAN));
        assert!(joint.try_step(bad).is_err());
        assert_eq!(state(&joint), before);
    }
}

#[test]
fn a_clone_does_not_change_with_the_original() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = twice_mla(&device);
        step(&mut model, 1, &device);
        let best = model.clone();
        let before = state(&best);
        assert_eq!(before, state(&model), "a clone is equal");
        step(&mut model, 2, &device);
        // A forward pass outside of a step updates the statistics, as in Burn.
        let input = Indexed {
            modality: 0,
            input: input(3, &device),
        };
        let _ = model.forward(input);
        assert_eq!(state(&best), before);
        assert_ne!(state(&model), before);

        let mut model = image_joint(&device);
        joint_step(&mut model, 1, &device);
        let best = model.clone();
        let before = (state(&best), fused(&best, &device));
        joint_step(&mut model, 2, &device);
        assert_eq!((state(&best), fused(&best, &device)), before);
    }
}

#[test]
fn a_clone_keeps_what_trains_and_what_is_frozen() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = twice_mla(&device);
        model.encoders[1] = model.encoders[1].clone().freeze();
        let copy = model.clone();
        for encoder in [0, 1] {
            let [old, new] = [&model, &copy].map(|model| &model.encoders[encoder]);
            assert_eq!(old.output.weight.id, new.output.weight.id);
            let trains = |twice: &Twice| {
                (
                    twice.output.weight.is_require_grad(),
                    twice.norm.training.is_enabled(),
                    twice.output.weight.val().is_autodiff(),
                )
            };
            assert_eq!(trains(new), trains(old));
            assert_eq!(trains(new), (encoder == 0, encoder == 0, true));
        }
        assert!(copy.valid().train().encoders[0].norm.training.is_enabled());
    }
}

#[test]
fn a_record_has_the_statistics_of_the_last_step_and_loads_them() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = image_joint(&device);
        joint_step(&mut model, 1, &device);
        let expected = fused(&model, &device);
        let best = model.clone().into_record().into_bytes().unwrap();
        let record = || ModuleRecord::from_bytes(best.clone()).unwrap();
        let fresh = image_joint(&device).try_load_record(record()).unwrap();
        assert_eq!(fused(&fresh, &device), expected, "into a new model");

        for seed in 2..5 {
            joint_step(&mut model, seed, &device);
        }
        let _ = model
            .encoders
            .0
            .encode(Numbers::new(9).tensor([3, 1, 4, 4], &device));
        assert_ne!(fused(&model, &device), expected);
        let latest = state(&model);
        let loaded = model.clone().try_load_record(record()).unwrap();
        assert_eq!(fused(&loaded, &device), expected, "into the trained model");
        assert_eq!(state(&model), latest, "the model that was cloned");
    }
}

/// Passes of one update start from the same statistics; the update takes the mean over the samples.
#[test]
fn accumulated_steps_average_their_statistics() {
    const SIZES: [usize; 3] = [2, 5, 3];
    for device in devices() {
        let device = device.autodiff();
        let mut model = twice_mla(&device);
        step(&mut model, 1, &device);
        let turn = |n| turn_of(0, rows_of(n, n as u64, &device));
        let alone = SIZES.map(|n| {
            let mut alone = model.clone();
            let output = alone.try_step(turn(n)).unwrap();
            alone.try_optimize(&mut sgd(), 0.0, output.grads).unwrap();
            alone.encoders[0].mean()
        });
        let weighed = |i: usize| {
            let sum = |(mean, n): (&Vec<f32>, usize)| f64::from(mean[i]) * n as f64;
            alone.iter().zip(SIZES).map(sum).sum::<f64>() / 10.0
        };
        let expected: Vec<f64> = (0..D_A).map(weighed).collect();
        let mut sum = GradientsAccumulator::new();
        for n in SIZES {
            // As on another device: the step runs on a copy, which is dropped.
            let copy = model.clone().fork(&device);
            sum.accumulate(&model, copy.try_step(turn(n)).unwrap().grads);
        }
        model.try_optimize(&mut sgd(), 0.0, sum.grads()).unwrap();
        close(&model.encoders[0].mean(), &expected, 1e-5, "three steps");
    }
}

/// The variance of a finite input can exceed the largest number, and would silence every later
/// evaluation.
#[test]
fn a_statistic_that_is_not_finite_is_refused() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = twice_mla(&device);
        step(&mut model, 1, &device);
        let before = state(&model);
        let output = model
            .try_step(turn_of(0, input(2, &device) * 1e25))
            .unwrap();
        let error = model
            .try_optimize(&mut sgd(), 0.1, output.grads)
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("encoders.0.norm.running_var for modality 0"),
            "{text}"
        );
        assert_eq!(state(&model), before);
    }
}

#[test]
fn a_model_on_another_device_leaves_the_statistics_of_the_first() {
    let all = devices();
    let (first, other) = (&all[0], &all[all.len() - 1]);
    let model = twice_mla(&first.clone().autodiff());
    let before = state(&model);
    let moved = model.clone().fork(&other.clone().autodiff());
    let value = |state: &RunningState<Tensor<1>>| state.value().device();
    assert_eq!(value(&model.encoders[0].norm.running_mean), *first);
    assert_eq!(value(&moved.encoders[0].norm.running_mean), *other);
    assert_eq!(state(&model), before);
    assert_eq!(state(&moved), before);
}
