//! Each option of a configuration, by a value computed apart from it: by hand, or in f64 on the host.

mod encoder;
mod evaluation;
mod fusion;
mod head;
mod loader;
mod metric;
mod mla;
mod projector;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};

use crate::common::values;
use crate::joint::logsumexp;

fn softmax(logits: &[f64]) -> Vec<f64> {
    let total = logsumexp(logits);
    logits.iter().map(|z| (z - total).exp()).collect()
}

/// Eq. 7 of one sample, in nats.
fn entropy(logits: &[f64]) -> f64 {
    let terms = softmax(logits).into_iter().map(|p| p * p.ln());
    -terms.sum::<f64>()
}

fn divided(logits: &[f64], by: f64) -> Vec<f64> {
    logits.iter().map(|z| z / by).collect()
}

/// Sets all matrices and kernels to 1 and the entries of all vectors to `vectors`.
fn sums<M: Module>(module: M, vectors: f64) -> M {
    struct Sums(f64);
    impl ModuleMapper for Sums {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let entry = if D > 1 { 1.0 } else { self.0 };
            param.map(|old| {
                let new = old.without_autodiff().zeros_like() + entry;
                new.autodiff().require_grad()
            })
        }
    }
    module.map(&mut Sums(vectors))
}

/// Number of rows in tests of dropout.
const ROWS: usize = 4000;

/// Ones, `[ROWS, 1]`.
fn ones(device: &Device) -> Tensor<2> {
    Tensor::ones([ROWS, 1], device)
}

/// Checks that dropout with probability `p` was applied once to ones. The bound is five standard
/// deviations of the share that is dropped.
fn assert_dropped(x: Tensor<2>, p: f64) {
    let x = values(x);
    let kept = 1.0 / (1.0 - p);
    let is_kept = |x: &&f32| (f64::from(**x) - kept).abs() < 1e-5;
    let n_dropped = x.iter().filter(|&&x| x == 0.0).count();
    let n_kept = x.iter().filter(is_kept).count();
    assert_eq!(n_dropped + n_kept, x.len(), "every entry is 0 or {kept}");
    let share = n_dropped as f64 / x.len() as f64;
    let bound = 5.0 * (p * (1.0 - p) / x.len() as f64).sqrt();
    assert!((share - p).abs() <= bound, "{share} dropped instead of {p}");
}
