//! Eq. 5 with a leak: protection fades.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{MlaError, Result, at_least_one, positive};
use crate::module::Buffer;
use crate::projector::OrthogonalProjector;
use crate::projector::pending::PendingRows;
use crate::projector::rls::fold;
use crate::projector::rls::recursion::Kept;

/// Configuration of a [`LeakyRlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
/// | `leak` | 0.01 | share of the protection that each update forgets | (0, 1) |
/// | `fold_every` | 32 | updates, `d_input / 4` at most, that one product folds into the matrix | >= 1 |
#[derive(Config, Debug, PartialEq)]
pub struct LeakyRlsProjectorConfig {
    /// Regulariser of the denominator; small protects more.
    #[config(default = 0.1)]
    pub alpha: f64,
    /// Share of the protection that each update forgets.
    #[config(default = 0.01)]
    pub leak: f64,
    /// Number of updates, `d_input / 4` at most, that one product folds into the matrix.
    #[config(default = 32)]
    pub fold_every: usize,
}

/// Eq. 5 with a leak: the head never stops learning.
///
/// ```text
/// k  = P r
/// P <- P - k k^T / (alpha + r^T k)
/// P <- (1 - leak) P + leak I
/// ```
///
/// `P` of Eq. 5 only shrinks, and at some point no gradient passes. Here `leak I <= P <= I`. The
/// rule protects the directions of features of about the last `1 / leak` updates. After `n`
/// updates without a direction, `(1 - leak)^n` of its protection is left.
///
/// The state is the protection `N = I - P`. An update forgets a share of it and adds
/// `k k^T / (alpha + r^T k)`. `N` is a sum of squares; therefore `P` neither exceeds `I` nor
/// becomes indefinite by rounding, for any features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeakyRlsProjector {
    alpha: f64,
    leak: f64,
    fold_every: usize,
}

/// The protection `N` of a [`LeakyRlsProjector`]: `P = I - N`.
#[derive(Module, Debug)]
pub struct LeakyRlsState {
    /// `N = (1 - leak)^n (base + rows^T rows)` after `n` updates since the last fold.
    base: Buffer<2>,
    rows: PendingRows,
}

impl LeakyRlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside the ranges above.
    pub fn init(&self) -> Result<LeakyRlsProjector> {
        if !(self.leak > 0.0 && self.leak < 1.0) {
            return Err(MlaError::HyperParameter {
                name: "leak",
                requirement: "in (0, 1)",
                value: self.leak,
            });
        }
        Ok(LeakyRlsProjector {
            alpha: positive("alpha", self.alpha)?,
            leak: self.leak,
            fold_every: at_least_one("fold_every", self.fold_every)?,
        })
    }
}

/// The default configuration: `alpha = 0.1`, `leak = 0.01`.
impl Default for LeakyRlsProjector {
    fn default() -> Self {
        let LeakyRlsProjectorConfig {
            alpha,
            leak,
            fold_every,
        } = LeakyRlsProjectorConfig::new();
        Self {
            alpha,
            leak,
            fold_every,
        }
    }
}

/// Rows are divided by the scale of `N`, and are folded in before it falls below this.
const SMALLEST_SCALE: f64 = 1e-3;

impl LeakyRlsProjector {
    /// The factor of `N` when `n_rows` are folded in.
    fn scale(&self, n_rows: usize) -> f64 {
        (1.0 - self.leak).powi(n_rows as i32)
    }

    fn kept(&self, rows: &PendingRows) -> Kept {
        let scale = self.scale(rows.len());
        Kept::Protected { scale }
    }
}

impl OrthogonalProjector for LeakyRlsProjector {
    type State = LeakyRlsState;

    fn init(&self, d_input: usize, _: usize, device: &Device) -> Result<LeakyRlsState> {
        at_least_one("d_input", d_input)?;
        Ok(LeakyRlsState {
            base: Buffer::new(Tensor::zeros([d_input, d_input], (device, DType::F32))),
            rows: PendingRows::of_corrections(self.fold_every, d_input, device),
        })
    }

    /// # Panics
    ///
    /// If `feature` is not `[d_input]`.
    fn update(&self, feature: Tensor<1>, _: usize, state: LeakyRlsState) -> LeakyRlsState {
        let r = feature.unsqueeze_dim::<2>(1);
        let LeakyRlsState { mut base, mut rows } = state;
        rows = self.kept(&rows).push_update(&base, rows, r, self.alpha);
        let scale = self.scale(rows.len());
        if rows.is_full() || scale < SMALLEST_SCALE {
            base = base.replace(|n| fold::add(n, rows.rows(), rows.rows()) * scale);
            rows = rows.clear();
        }
        LeakyRlsState { base, rows }
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _: usize, state: &LeakyRlsState) -> Tensor<2> {
        let kept = self.kept(&state.rows);
        kept.apply(&state.base, &state.rows, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projector::laws::{assert_a_zero_feature_protects_nothing, assert_projector_laws};

    fn rule(leak: f64, fold_every: usize) -> LeakyRlsProjector {
        let config = LeakyRlsProjectorConfig::new().with_leak(leak);
        config.with_fold_every(fold_every).init().unwrap()
    }

    #[test]
    fn the_default_is_the_default_configuration() {
        let configured = LeakyRlsProjectorConfig::new().init().unwrap();
        assert_eq!(LeakyRlsProjector::default(), configured);
    }

    #[test]
    fn the_leak_must_lie_between_0_and_1() {
        for leak in [0.0, 1.0, -0.1, f64::NAN] {
            let config = LeakyRlsProjectorConfig::new().with_leak(leak);
            assert!(config.init().is_err(), "{leak}");
        }
    }

    #[test]
    fn obeys_the_laws_of_projectors_at_every_fold() {
        for leak in [1e-3, 0.01, 0.5, 0.999] {
            for fold_every in [1, 7, 32, 100] {
                assert_projector_laws(&rule(leak, fold_every));
                assert_a_zero_feature_protects_nothing(&rule(leak, fold_every));
            }
        }
    }
}
