//! Eq. 5 with a constant trace.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::error::{Result, at_least_one, positive};
use crate::projector::OrthogonalProjector;
use crate::projector::rls::square_root::SquareRoot;

/// Configuration of a [`TraceRescaledRlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct TraceRescaledRlsProjectorConfig {
    /// Regulariser of the denominator; small protects more.
    #[config(default = 0.1)]
    pub alpha: f64,
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
/// state is a square root of `P`, which keeps it positive in f32.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceRescaledRlsProjector {
    alpha: f64,
}

/// The matrix of a [`TraceRescaledRlsProjector`].
#[derive(Module, Debug)]
pub struct TraceRescaledRlsState {
    square_root: SquareRoot,
}

impl TraceRescaledRlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) for a value outside the
    /// range above.
    pub fn init(&self) -> Result<TraceRescaledRlsProjector> {
        Ok(TraceRescaledRlsProjector {
            alpha: positive("alpha", self.alpha)?,
        })
    }
}

impl OrthogonalProjector for TraceRescaledRlsProjector {
    type State = TraceRescaledRlsState;

    fn init(&self, d_input: usize, _: usize, device: &Device) -> Result<TraceRescaledRlsState> {
        at_least_one("d_input", d_input)?;
        Ok(TraceRescaledRlsState {
            square_root: SquareRoot::identity(d_input, device),
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
        let [d_input] = feature.dims();
        let square_root = state.square_root.update(feature, self.alpha);
        TraceRescaledRlsState {
            square_root: square_root.with_trace(d_input as f64),
        }
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _: usize, state: &TraceRescaledRlsState) -> Tensor<2> {
        state.square_root.project(gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_trace_and_the_relative_protection_of_eq_5() {
        for device in crate::test_devices() {
            let rule = TraceRescaledRlsProjectorConfig::new().init().unwrap();
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
