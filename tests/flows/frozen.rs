//! Frozen encoders: the rest trains, and their features can be reused.

use burn::module::Module;
use burn::tensor::Tensor;
use burn_mla::encoder::{Frozen, FrozenInput};
use burn_mla::fusion::MeanFusion;
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
        let model = Mla::new(encoders, linear_head(&device), rule, MeanFusion::new()).unwrap();
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
