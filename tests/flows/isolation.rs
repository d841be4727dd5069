//! A step on one modality leaves everything of every other encoder as it is.

use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamWConfig, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_mla::fusion::MeanFusion;
use burn_mla::mla::{encoder_group, head_group};
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;
use rstest::rstest;

use crate::common::*;

/// A convolution with batch normalization and an MLP: all state that an encoder can have.
fn model(device: &Device) -> Mla<Pair, LinearHead, RlsProjector, MeanFusion> {
    Mla::new(pair(device), linear_head(device), rls(0.1), MeanFusion).unwrap()
}

fn turn(modality: usize, seed: u64, device: &Device) -> Turn<OneOf2<Tensor<4>, Tensor<2>>> {
    let mut numbers = Numbers::new(seed);
    let input = match modality {
        0 => OneOf2::A(numbers.tensor([6, 1, 4, 4], device)),
        _ => OneOf2::B(numbers.tensor([6, D_B], device)),
    };
    Turn::new(input, Targets::new([0, 1, 2, 0, 1, 2], device))
}

fn momentum_and_decay() -> ModuleOptimizer {
    sgd()
}

fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().with_weight_decay(0.1).init()
}

type Model = Mla<Pair, LinearHead, RlsProjector, MeanFusion>;

fn step(model: &mut Model, optimizer: &mut ModuleOptimizer, modality: usize, seed: u64) {
    let device = model.head.linear().weight.device();
    let output = model.try_step(turn(modality, seed, &device)).unwrap();
    model.try_optimize(optimizer, 0.05, output.grads).unwrap();
}

fn part(model: &Model, path: &str) -> Vec<Vec<f32>> {
    let state = state(model);
    let part = state.into_iter().filter(|(p, _)| p.starts_with(path));
    let part: Vec<Vec<f32>> = part.map(|(_, values)| values).collect();
    assert!(!part.is_empty(), "{path}");
    part
}

#[rstest]
#[case::sgd(momentum_and_decay)]
#[case::adamw(adamw)]
fn parameters_and_statistics_of_the_other_encoder_stay(#[case] optimizer: fn() -> ModuleOptimizer) {
    for device in devices() {
        let mut model = model(&device.autodiff());
        let mut optimizer = optimizer();
        // Momentum of both encoders is on before anything is compared.
        for t in 0..4 {
            step(&mut model, &mut optimizer, t % 2, t as u64);
        }
        for (modality, mine, other) in [
            (0, "encoders.0", "encoders.1"),
            (1, "encoders.1", "encoders.0"),
        ] {
            let (mine_before, other_before) = (part(&model, mine), part(&model, other));
            for seed in 10..13 {
                step(&mut model, &mut optimizer, modality, seed);
            }
            assert_eq!(part(&model, other), other_before);
            let moved = part(&model, mine).into_iter().zip(mine_before);
            assert!(
                moved.into_iter().all(|(new, old)| new != old),
                "every parameter and statistic of the modality itself moves"
            );
        }
    }
}

/// Steps on one modality in between do not show in what the other's optimizer does next.
#[rstest]
#[case::sgd(momentum_and_decay)]
#[case::adamw(adamw)]
fn optimizer_state_of_the_other_encoder_stays(
    #[case] optimizer: fn() -> ModuleOptimizer,
    #[values((0, "encoders.0"), (1, "encoders.1"))] resting: (usize, &str),
) {
    let (resting, path) = resting;
    for device in devices() {
        let mut first = model(&device.autodiff());
        // A head that trains would let modality 0 show in modality 1's gradients.
        first.head = first.head.freeze();
        let run = |interruptions: u64| {
            let (mut model, mut optimizer) = (first.clone(), optimizer());
            // Clones of a model share batch-norm statistics: take a copy of one's own.
            model = model.valid().train();
            for t in 0..4 {
                step(&mut model, &mut optimizer, t % 2, t as u64);
            }
            for seed in 0..interruptions {
                step(&mut model, &mut optimizer, 1 - resting, 20 + seed);
            }
            step(&mut model, &mut optimizer, resting, 50);
            part(&model, path)
        };
        assert_eq!(run(0), run(3));
    }
}

/// An encoder may have parts of its own called `head` or `encoders`.
#[test]
fn groups_go_by_the_model_and_not_by_names_within_encoders() {
    let id = burn::module::ParamId::new();
    let head = |path| head_group().matches(&id, Some(path));
    let encoder_1 = |path| encoder_group(1).matches(&id, Some(path));
    assert!(head("head.linear.weight") && encoder_1("encoders.1.output.weight"));
    for path in [
        "encoders.0.head.weight",
        "encoders.10.head.bias",
        "encoders.0.encoders.1.bias",
    ] {
        assert!(!head(path) && !encoder_1(path), "{path}");
    }
}

/// Each modality can have its own optimizer and learning rate, and the head its own.
#[test]
fn groups_give_each_part_its_own_rate() {
    for device in devices() {
        let mut model = model(&device.autodiff());
        let device = model.head.linear().weight.device();
        let mut optimizer =
            AdamWConfig::new()
                .init()
                .with_group(encoder_group(1), SgdConfig::new().build(), None);
        let mut rates = ModuleLrScheduler::new(ConstantLr::new(0.01))
            .with_group(encoder_group(1), ConstantLr::new(0.0))
            .with_group(head_group(), ConstantLr::new(0.0));
        let before = ["encoders.0", "encoders.1", "head"].map(|path| part(&model, path));
        for t in 0..4 {
            let output = model.try_step(turn(t % 2, t as u64, &device)).unwrap();
            model
                .try_optimize(&mut optimizer, rates.step(), output.grads)
                .unwrap();
        }
        let after = ["encoders.0", "encoders.1", "head"].map(|path| part(&model, path));
        assert_ne!(after[0], before[0], "the default rate");
        assert_eq!(after[1], before[1], "encoder 1's rate of 0");
        assert_eq!(after[2], before[2], "the head's rate of 0");
    }
}
