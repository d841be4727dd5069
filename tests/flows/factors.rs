//! The gradient of a wide head is projected by its factors: the same step, cheaper.

use burn::module::Module;
use burn::optim::GradientsAccumulator;
use burn::tensor::{Device, Tensor};
use burn_mla::fusion::MeanFusion;
use burn_mla::head::{HeadOutput, ProtectedLayer};
use burn_mla::mla::ProjectionConfig;
use burn_mla::prelude::*;
use burn_mla::projector::IdentityProjector;

use crate::common::*;

const WIDE: usize = 40;

/// A linear head that does not say that its layer gives the logits.
#[derive(Module, Debug)]
struct Plain {
    head: LinearHead,
}

impl SharedHead for Plain {
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        self.head.forward(features)
    }

    fn protected(&self) -> Vec<ProtectedLayer> {
        vec![ProtectedLayer::linear(self.head.linear())]
    }

    fn d_feature(&self) -> usize {
        self.head.d_feature()
    }

    fn n_classes(&self) -> usize {
        self.head.n_classes()
    }
}

fn head(device: &Device) -> LinearHead {
    let head = LinearHeadConfig::new(D_FEATURE, WIDE).init(device);
    set_parameters(head.unwrap(), 2)
}

/// Six steps of two samples each, or of twice one sample.
fn trained<H: SharedHead>(
    head: H,
    rule: impl OrthogonalProjector,
    protect_bias: bool,
    accumulate: bool,
    device: &Device,
) -> Vec<(String, Vec<f32>)> {
    let projection = ProjectionConfig::new().with_protect_bias(protect_bias);
    let mut model = MlaConfig::new()
        .with_label_smoothing(Some(0.1))
        .with_projection(projection)
        .init(set_parameters(mlps(device), 1), head, rule, MeanFusion)
        .unwrap();
    let mut optimizer = sgd();
    for t in 0..6u64 {
        let modality = t as usize % 2;
        let grads = if accumulate {
            let mut accumulator = GradientsAccumulator::new();
            for part in 0..2 {
                let output = model.try_step(turn(modality, 2, 10 * t + part, device));
                accumulator.accumulate(&model, output.unwrap().grads);
            }
            accumulator.grads()
        } else {
            let output = model.try_step(turn(modality, 2, t, device)).unwrap();
            output.grads
        };
        model.try_optimize(&mut optimizer, 0.05, grads).unwrap();
    }
    let mut all = state(&model.encoders);
    all.extend(state(&model.head));
    all
}

fn assert_close(got: &[(String, Vec<f32>)], expected: &[(String, Vec<f32>)]) {
    assert_eq!(got.len(), expected.len());
    for ((path, got), (_, expected)) in got.iter().zip(expected) {
        let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
        close(got, &expected, 1e-5, path);
    }
}

#[test]
fn factors_give_the_same_step_as_the_gradient() {
    assert!(rls(0.1).prefers_factors(2, D_FEATURE, WIDE));
    for device in devices() {
        let device = device.autodiff();
        for protect_bias in [false, true] {
            let by_factors = trained(head(&device), rls(0.1), protect_bias, false, &device);
            let plain = Plain {
                head: head(&device),
            };
            let dense = trained(plain, rls(0.1), protect_bias, false, &device);
            assert_close(&by_factors, &dense);
        }
    }
}

/// Factors of a part are not factors of the whole: they must not be used after accumulation.
#[test]
fn accumulated_gradients_are_projected_as_they_are() {
    for device in devices() {
        let device = device.autodiff();
        let accumulated = trained(head(&device), rls(0.1), false, true, &device);
        let plain = Plain {
            head: head(&device),
        };
        let dense = trained(plain, rls(0.1), false, true, &device);
        assert_close(&accumulated, &dense);
    }
}

/// A rule that does nothing stays plain training, to the last bit.
#[test]
fn the_identity_takes_no_factors() {
    for device in devices() {
        let device = device.autodiff();
        let ours = trained(head(&device), IdentityProjector, false, false, &device);
        let plain = Plain {
            head: head(&device),
        };
        assert_eq!(
            ours.iter().map(|(_, values)| values).collect::<Vec<_>>(),
            trained(plain, IdentityProjector, false, false, &device)
                .iter()
                .map(|(_, values)| values)
                .collect::<Vec<_>>()
        );
    }
}
