//! Frozen encoders: the rest trains, and their features can be reused.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn_mla::encoder::{Frozen, FrozenInput};
use burn_mla::fusion::MeanFusion;
use burn_mla::mla::{ProjectionConfig, ProjectionTarget};
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;

use crate::common::*;

#[test]
fn weights_frozen_by_burn_stay_and_the_rest_trains() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let (a, b) = model.encoders;
        model.encoders = (a.freeze(), b);
        let before = state(&model);
        let after = state(&train(model, 6, &mut sgd(), &device));
        for ((path, old), (_, new)) in before.iter().zip(&after) {
            if path.starts_with("encoders.0") {
                assert_eq!(old, new, "{path}");
            } else if path.starts_with("encoders.1") || path.starts_with("head") {
                assert_ne!(old, new, "{path}");
            }
        }
    }
}

#[test]
fn cached_features_train_as_running_the_encoder_does() {
    for device in devices() {
        let device = device.autodiff();
        let (image, text) = pair(&device);
        let encoders = (Frozen::new(image), text);
        let rule = rls(0.1);
        let model = Mla::new(encoders, linear_head(&device), rule, MeanFusion).unwrap();
        let run = |cached: bool| {
            let (mut model, mut optimizer) = (model.clone(), sgd());
            for step in 0..4 {
                let pixels: Tensor<4> = Numbers::new(step).tensor([6, 1, 4, 4], &device);
                let input = match (step % 2, cached) {
                    (0, true) => {
                        OneOf2::A(FrozenInput::Features(model.encoders.0.features(pixels)))
                    }
                    (0, false) => OneOf2::A(FrozenInput::Raw(pixels)),
                    _ => OneOf2::B(Numbers::new(step).tensor([6, D_B], &device)),
                };
                let turn = Turn::new(input, Targets::new([0, 1, 2, 0, 1, 2], &device));
                let output = model.try_step(turn).unwrap();
                model
                    .try_optimize(&mut optimizer, 0.05, output.grads)
                    .unwrap();
            }
            state(&model)
        };
        let (cached, raw) = (run(true), run(false));
        assert_eq!(cached, raw);
        let before = state(&model);
        for ((path, old), (_, new)) in before.iter().zip(&raw) {
            if path.starts_with("encoders") || path.starts_with("head") {
                assert_eq!(path.starts_with("encoders.0"), old == new, "{path}");
            }
        }
    }
}

/// Freezes the parameters of a rank: 1 for biases, 2 for weights.
struct Freeze(usize);

impl ModuleMapper for Freeze {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D == self.0 {
            param.set_require_grad(false)
        } else {
            param
        }
    }
}

/// Weights or biases of the head, or all of it, with and without the encoders.
#[test]
fn a_head_with_a_frozen_part_trains_the_rest() {
    for device in devices() {
        let device = device.autodiff();
        let targets = [ProjectionTarget::Gradient, ProjectionTarget::Update];
        let options = targets.into_iter().flat_map(|t| [(t, false), (t, true)]);
        for (target, protect_bias) in options {
            for frozen in ["weight", "bias", "head", "all"] {
                let projection = ProjectionConfig::new()
                    .with_target(target)
                    .with_protect_bias(protect_bias);
                let config = MlaConfig::new().with_projection(projection);
                let mut model = mlp_mla(config, rls(0.1), &device);
                model.head = match frozen {
                    "weight" => model.head.map(&mut Freeze(2)),
                    "bias" => model.head.map(&mut Freeze(1)),
                    _ => model.head.freeze(),
                };
                if frozen == "all" {
                    let (a, b) = model.encoders;
                    model.encoders = (a.freeze(), b.freeze());
                }
                let before = state(&model);
                let after = state(&train(model, 4, &mut sgd(), &device));
                let case = format!("{target:?}, bias {protect_bias}, {frozen}");
                for ((path, old), (_, new)) in before.iter().zip(&after) {
                    let parameter = path.starts_with("encoders") || path.starts_with("head");
                    if !parameter {
                        continue;
                    }
                    let stays = match frozen {
                        "all" => true,
                        "head" => path.starts_with("head"),
                        part => path.starts_with("head") && path.ends_with(part),
                    };
                    assert_eq!(stays, old == new, "{path}: {case}");
                    assert!(new.iter().all(|x| x.is_finite()), "{path}: {case}");
                }
            }
        }
    }
}
