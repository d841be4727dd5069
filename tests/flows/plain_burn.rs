//! With the identity projector and one modality, training is plain Burn training.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn_mla::fusion::MeanFusion;
use burn_mla::modality::Indexed;
use burn_mla::prelude::*;
use burn_mla::projector::IdentityProjector;
use rstest::rstest;

use crate::common::*;

#[derive(Module, Debug)]
struct Plain {
    encoder: MlpEncoder,
    head: LinearHead,
}

fn adamw() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

#[rstest]
#[case::sgd(sgd)]
#[case::adamw(adamw)]
fn one_modality_without_projection_is_plain_burn(#[case] optimizer: fn() -> ModuleOptimizer) {
    for device in devices() {
        let device = device.autodiff();
        let encoder = set_parameters(mlps(&device).0, 1);
        let head = set_parameters(linear_head(&device), 2);
        let mut plain = Plain {
            encoder: encoder.clone(),
            head: head.clone(),
        };
        let mut model = Mla::new(vec![encoder], head, IdentityProjector, MeanFusion).unwrap();
        let (mut plain_optimizer, mut optimizer) = (optimizer(), optimizer());

        for step in 0..20 {
            let (labels, inputs, _) = samples(8, step);
            let input = matrix(inputs, D_A, &device);
            let targets = Targets::new(labels, &device);

            let logits = plain
                .head
                .forward(plain.encoder.encode(input.clone()))
                .logits;
            let loss = CrossEntropyLossConfig::new()
                .init(&device)
                .forward(logits, targets.tensor());
            let gradients = GradientsParams::from_grads(loss.backward(), &plain);
            plain = plain_optimizer.step(0.05, plain, gradients);

            let turn = Turn::new(Indexed { modality: 0, input }, targets);
            let output = model.try_step(turn).unwrap();
            assert_eq!(
                values(output.item.loss),
                values(loss),
                "loss of step {step}"
            );
            model
                .try_optimize(&mut optimizer, 0.05, output.grads)
                .unwrap();
        }
        let plain: Vec<Vec<f32>> = state(&plain)
            .into_iter()
            .map(|(_, values)| values)
            .collect();
        let mla: Vec<Vec<f32>> = state(&model)
            .into_iter()
            .filter(|(path, _)| path.starts_with("encoders") || path.starts_with("head"))
            .map(|(_, values)| values)
            .collect();
        assert_eq!(mla, plain);
    }
}
