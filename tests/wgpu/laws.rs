//! The laws of projectors for every rule, at a fold boundary and between.

use burn::tensor::Tensor;
use burn_mla::prelude::*;
use burn_mla::projector::{
    LeakyRlsProjectorConfig, SubspaceProjectorConfig, TraceRescaledRlsProjectorConfig,
};

use crate::common::{Numbers, device, values};

const D_INPUT: usize = 12;

fn check<P: OrthogonalProjector>(rule: burn_mla::Result<P>, at_most: f32) {
    let device = device();
    let rule = rule.unwrap();
    let mut numbers = Numbers::new(7);
    let mut state = rule.init(D_INPUT, 2, &device).unwrap();
    let gradient = numbers.tensor([D_INPUT, 3], &device);
    let untouched = rule.project(gradient.clone(), 0, &state);
    assert_eq!(values(untouched), values(gradient), "neutral at the start");

    for step in 0..8 {
        state = rule.update(numbers.tensor([D_INPUT], &device), step % 2, state);
        let p = values(rule.project(Tensor::eye(D_INPUT, &device), 0, &state));
        for _ in 0..10 {
            let v = numbers.vec(D_INPUT);
            let w = numbers.vec(D_INPUT);
            let form = |a: &[f32], b: &[f32]| -> f32 {
                (0..D_INPUT * D_INPUT)
                    .map(|at| a[at / D_INPUT] * p[at] * b[at % D_INPUT])
                    .sum()
            };
            let norm: f32 = v.iter().map(|x| x * x).sum();
            assert!((form(&v, &w) - form(&w, &v)).abs() < 1e-4, "not symmetric");
            assert!(form(&v, &v) >= -1e-5 * norm, "not positive");
            assert!(form(&v, &v) <= (at_most + 1e-5) * norm, "exceeds I");
        }
    }
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn rls() {
    check(RlsProjectorConfig::new().init(), 1.0);
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn leaky_rls() {
    check(LeakyRlsProjectorConfig::new().init(), 1.0);
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn trace_rescaled_rls() {
    check(
        TraceRescaledRlsProjectorConfig::new().init(),
        D_INPUT as f32,
    );
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn subspace() {
    let config = SubspaceProjectorConfig::new().with_refresh_every(2);
    check(config.init(), 1.0);
}
