use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{Result, at_least_one, positive};
use crate::projector::pending::PendingRows;
use crate::projector::product::product;
use crate::projector::{Buffer, OrthogonalProjector};

/// Configuration of a [`TraceRescaledRlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
/// | `fold_every` | 32 | updates kept apart, `d_input / 4` at most, until one product folds them into the matrix | >= 1 |
#[derive(Config, Debug, PartialEq)]
pub struct TraceRescaledRlsProjectorConfig {
    /// Regulariser of the denominator; small protects more.
    #[config(default = 0.1)]
    pub alpha: f64,
    /// Number of updates kept apart, `d_input / 4` at most, until one product folds them into the matrix.
    #[config(default = 32)]
    pub fold_every: usize,
}

/// Eq. 5 with a trace that stays that of the identity, so that the head never stops learning.
///
/// ```text
/// k  = P r
/// P <- P - k k^T / (alpha + r^T k)
/// P <- P s / trace(P)
/// ```
///
/// What the rule takes away from the directions of features it gives to all in proportion to
/// what they have: the mean gain stays 1, so that the relative protection of Eq. 5 is kept and
/// nothing is forgotten until a direction shows up in features again. In exchange `P` exceeds
/// `I`, up to `s` times: gradients along directions without features are amplified, and the
/// learning rate has to suit that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceRescaledRlsProjector {
    alpha: f64,
    fold_every: usize,
}

/// The matrix of a [`TraceRescaledRlsProjector`]: `P = (s / trace(Q)) Q`.
#[derive(Module, Debug)]
pub struct TraceRescaledRlsState {
    /// `Q = base - rows^T rows`.
    base: Buffer<2>,
    rows: PendingRows,
    /// `trace(Q)`, `[1, 1]`.
    trace: Buffer<2>,
}

impl TraceRescaledRlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside of the
    /// ranges above.
    pub fn init(&self) -> Result<TraceRescaledRlsProjector> {
        Ok(TraceRescaledRlsProjector {
            alpha: positive("alpha", self.alpha)?,
            fold_every: at_least_one("fold_every", self.fold_every)?,
        })
    }
}

impl TraceRescaledRlsState {
    /// `s / trace(Q)`, `[1, 1]`.
    fn scale(&self) -> Tensor<2> {
        self.trace.get().recip() * self.base.dims()[0] as f64
    }

    /// `Q x` for columns `x`.
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let along_base = product(self.base.get(), x.clone());
        if self.rows.is_empty() {
            return along_base;
        }
        let rows = self.rows.rows();
        along_base - product(rows.clone().transpose(), product(rows, x))
    }
}

/// The sum of the diagonal, `[1, 1]`.
fn trace(matrix: Tensor<2>) -> Tensor<2> {
    let [size, _] = matrix.dims();
    let diagonal = Tensor::eye(size, &matrix.device());
    (matrix * diagonal).sum().reshape([1, 1])
}

impl OrthogonalProjector for TraceRescaledRlsProjector {
    type State = TraceRescaledRlsState;

    fn init(&self, d_input: usize, _: usize, device: &Device) -> Result<TraceRescaledRlsState> {
        at_least_one("d_input", d_input)?;
        let trace = Tensor::full([1, 1], d_input as f32, (device, DType::F32));
        Ok(TraceRescaledRlsState {
            base: Buffer::new(Tensor::<2>::eye(d_input, device).cast(DType::F32)),
            rows: PendingRows::of_corrections(self.fold_every, d_input, device),
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
        let s = state.base.dims()[0] as f64;
        let r = feature.unsqueeze_dim::<2>(1);
        let scale = state.scale();
        let q = state.apply(r.clone());
        let d = product(r.transpose(), q.clone()) * scale.clone() + self.alpha;
        // (scale) v v^T is the correction of P: scale^2 q q^T / d.
        let v = q * (scale / d.clamp_min(self.alpha)).sqrt();
        let lost = v.clone().square().sum().reshape([1, 1]);
        let TraceRescaledRlsState {
            mut base,
            mut rows,
            trace: kept,
        } = state;
        let mut kept = kept.replace(|t| t - lost);
        rows = rows.push(v.transpose());
        if rows.is_full() {
            let pending = rows.rows();
            let correction = product(pending.clone().transpose(), pending);
            base = base.replace(|p| {
                let p = p - correction;
                let scale = trace(p.clone()).recip() * s;
                p * scale
            });
            rows = rows.clear();
            kept = kept.replace(|t| t.full_like(s as f32));
        }
        TraceRescaledRlsState {
            base,
            rows,
            trace: kept,
        }
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _: usize, state: &TraceRescaledRlsState) -> Tensor<2> {
        state.apply(gradient) * state.scale()
    }
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
