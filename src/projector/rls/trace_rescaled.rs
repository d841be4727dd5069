//! Eq. 5 with a constant trace.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{Result, at_least_one, positive};
use crate::module::Buffer;
use crate::numeric::eye;
use crate::numeric::{Numbers, dot, is_host};
use crate::projector::OrthogonalProjector;
use crate::projector::pending::PendingRows;
use crate::projector::rls::square_root;
use crate::projector::rls::square_root::SquareRoot;

/// Configuration of a [`TraceRescaledRlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
/// | `fold_every` | 32 | updates, `d_input / 4` at most, that one product folds into the matrix | >= 1 |
#[derive(Config, Debug, PartialEq)]
pub struct TraceRescaledRlsProjectorConfig {
    /// Regulariser of the denominator; small protects more.
    #[config(default = 0.1)]
    pub alpha: f64,
    /// Number of updates, `d_input / 4` at most, that one product folds into the matrix.
    #[config(default = 32)]
    pub fold_every: usize,
}

/// Eq. 5 with the constant trace of the identity: the head never stops learning.
///
/// ```text
/// k  = P r
/// P <- P - k k^T / (alpha + r^T k)
/// P <- P s / trace(P)
/// ```
///
/// The gain that the directions of features lose is distributed over all directions in proportion
/// to their gains. The mean gain stays 1 and the relative protection is that of Eq. 5. In exchange
/// `P` exceeds `I`, up to `s` times: gradients along directions without features are amplified,
/// and the learning rate has to suit that. Gains along such directions grow without bound. The
/// state is therefore the square root of `P`, which is safe in f32. An update costs about twice
/// that of [`RlsProjector`](crate::projector::RlsProjector).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceRescaledRlsProjector {
    alpha: f64,
    fold_every: usize,
}

/// The matrix of a [`TraceRescaledRlsProjector`]: `P = (s / trace(S S^T)) S S^T`.
#[derive(Module, Debug)]
pub struct TraceRescaledRlsState {
    /// `S = base - left^T right`.
    base: Buffer<2>,
    left: PendingRows,
    right: PendingRows,
    /// `trace(S S^T)`, `[1, 1]`.
    trace: Buffer<2>,
}

impl TraceRescaledRlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside the
    /// ranges above.
    pub fn init(&self) -> Result<TraceRescaledRlsProjector> {
        Ok(TraceRescaledRlsProjector {
            alpha: positive("alpha", self.alpha)?,
            fold_every: at_least_one("fold_every", self.fold_every)?,
        })
    }
}

impl TraceRescaledRlsState {
    /// `s / trace(S S^T)`, `[1, 1]`.
    fn scale(&self) -> Tensor<2> {
        self.trace.get().recip() * self.base.dims()[0] as f64
    }

    fn factor(&self) -> SquareRoot<'_> {
        SquareRoot {
            base: &self.base,
            left: &self.left,
            right: &self.right,
        }
    }
}

impl OrthogonalProjector for TraceRescaledRlsProjector {
    type State = TraceRescaledRlsState;

    fn init(&self, d_input: usize, _: usize, device: &Device) -> Result<TraceRescaledRlsState> {
        at_least_one("d_input", d_input)?;
        let trace = Tensor::full([1, 1], d_input as f32, (device, DType::F32));
        let rows = || PendingRows::of_corrections(self.fold_every, d_input, device);
        Ok(TraceRescaledRlsState {
            base: Buffer::new(eye(d_input, device)),
            left: rows(),
            right: rows(),
            trace: Buffer::new(trace),
        })
    }

    /// # Panics
    ///
    /// If `feature` is not `[d_input]`.
    fn update(
        &self,
        feature: Tensor<1>,
        _: usize,
        state: TraceRescaledRlsState,
    ) -> TraceRescaledRlsState {
        let s = state.base.dims()[0];
        let r = feature.unsqueeze_dim::<2>(0);
        let correction = state
            .factor()
            .correction(r * state.scale().sqrt(), self.alpha);
        let TraceRescaledRlsState {
            mut base,
            mut left,
            mut right,
            mut trace,
        } = state;
        let lost = correction.squared_gain / correction.denominator;
        trace = trace.replace(|trace| trace - lost);
        (left, right) = (left.push(correction.left), right.push(correction.right));
        if left.is_full() {
            (base, left, right) = square_root::fold_in(base, left, right);
            // Rescaling at each fold keeps rounding errors from adding up.
            base = base.replace(with_trace_of_identity);
            trace = trace.replace(|trace| trace.full_like(s as f32));
        }
        TraceRescaledRlsState {
            base,
            left,
            right,
            trace,
        }
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _: usize, state: &TraceRescaledRlsState) -> Tensor<2> {
        state.factor().project(gradient) * state.scale()
    }
}

/// `base`, `[s, s]`, scaled to `trace(base base^T) = s`.
fn with_trace_of_identity(base: Tensor<2>) -> Tensor<2> {
    let (device, [s, _]) = (base.device(), base.dims());
    if !is_host(&device) {
        let norm = base.clone().square().sum().sqrt().reshape([1, 1]);
        return base * (norm.recip() * (s as f64).sqrt());
    }
    let mut base = Numbers::of(base);
    let rows = base.get().chunks_exact(s);
    let trace: f64 = rows.map(|row| f64::from(dot(row, row))).sum();
    let factor = (s as f64 / trace).sqrt() as f32;
    base.get_mut().iter_mut().for_each(|x| *x *= factor);
    base.into_tensor(&device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_trace_and_the_relative_protection_of_eq_5() {
        for device in crate::test_devices() {
            for fold_every in [1, 3, 50] {
                let rule = TraceRescaledRlsProjectorConfig::new()
                    .with_fold_every(fold_every)
                    .init()
                    .unwrap();
                let mut state = rule.init(4, 2, &device).unwrap();
                let gradient = Tensor::<2>::ones([4, 3], &device);
                let same = rule.project(gradient.clone(), 0, &state);
                same.into_data().assert_eq(&gradient.into_data(), true);

                let feature = Tensor::<1>::from_floats([1.0, 0.5, 0.0, 0.0], &device);
                for _ in 0..20 {
                    state = rule.update(feature.clone(), 0, state);
                    let p = rule.project(Tensor::eye(4, &device), 0, &state);
                    let p: Vec<f32> = p.into_data().iter().collect();
                    let trace: f32 = (0..4).map(|i| p[5 * i]).sum();
                    assert!((trace - 4.0).abs() < 1e-4, "trace {trace}");
                    assert!((p[1] - p[4]).abs() < 1e-6);
                    assert!(p[10] > 1.0, "a direction without features gains");
                }
                let along = rule.project(feature.unsqueeze_dim::<2>(1), 0, &state);
                let along = along.abs().max().into_scalar::<f32>();
                assert!(along < 0.02, "{along} passes along a feature seen 20 times");
            }
        }
    }
}
