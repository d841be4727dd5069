use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{Result, at_least_one, positive};
use crate::projector::{Buffer, OrthogonalProjector};

/// Configuration of a [`SquareRootRlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
#[derive(Config, Debug, PartialEq)]
pub struct SquareRootRlsProjectorConfig {
    /// Regulariser of the denominator; small protects more.
    #[config(default = 0.1)]
    pub alpha: f64,
}

/// Eq. 5 in square-root form (Potter; see Bierman, "Factorization Methods for Discrete
/// Sequential Estimation", 1977): the same matrix `P = S S^T` as
/// [`RlsProjector`](crate::projector::RlsProjector), kept by its factor.
///
/// ```text
/// S_0 = I
/// f   = S^T r
/// d   = alpha + f^T f
/// S  <- S - (S f) f^T / (d + sqrt(alpha d))
/// ```
///
/// `P` cannot become indefinite, and rounding is not amplified by `|r|^2 / alpha`: prefer it for
/// a small `alpha` or features of a large norm. Updates cost the same order, projections twice
/// as much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquareRootRlsProjector {
    alpha: f64,
}

/// The factor `S` of `P = S S^T` of a [`SquareRootRlsProjector`].
#[derive(Module, Debug)]
pub struct SquareRootState {
    factor: Buffer<2>,
}

impl SquareRootRlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) unless `alpha` is finite
    /// and positive.
    pub fn init(&self) -> Result<SquareRootRlsProjector> {
        let alpha = positive("alpha", self.alpha)?;
        Ok(SquareRootRlsProjector { alpha })
    }
}

impl SquareRootState {
    /// The matrix `P = S S^T`, `[d_input, d_input]`.
    pub fn matrix(&self) -> Tensor<2> {
        let factor = self.factor.get();
        factor.clone().matmul(factor.transpose())
    }
}

impl OrthogonalProjector for SquareRootRlsProjector {
    type State = SquareRootState;

    fn init(&self, d_input: usize, _: usize, device: &Device) -> Result<SquareRootState> {
        at_least_one("d_input", d_input)?;
        Ok(SquareRootState {
            factor: Buffer::new(Tensor::<2>::eye(d_input, device).cast(DType::F32)),
        })
    }

    /// # Panics
    ///
    /// If `feature` is not `[d_input]`.
    fn update(&self, feature: Tensor<1>, _: usize, mut state: SquareRootState) -> SquareRootState {
        let s = state.factor.get();
        let f = s.clone().transpose().matmul(feature.unsqueeze_dim::<2>(1));
        let d = f.clone().transpose().matmul(f.clone()) + self.alpha;
        let scale = d.clone() + (d * self.alpha).sqrt();
        let sf = s.clone().matmul(f.clone());
        state.factor.set(s - sf * (f.transpose() / scale));
        state
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _: usize, state: &SquareRootState) -> Tensor<2> {
        let factor = state.factor.get();
        factor.clone().matmul(factor.transpose().matmul(gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projector::laws::assert_projector_laws;

    #[test]
    fn alpha_must_be_positive() {
        for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let config = SquareRootRlsProjectorConfig::new().with_alpha(alpha);
            assert!(config.init().is_err());
        }
    }

    #[test]
    fn obeys_the_laws_of_projectors() {
        for alpha in [1e-4, 0.01, 1.0, 10.0] {
            let config = SquareRootRlsProjectorConfig::new().with_alpha(alpha);
            assert_projector_laws(&config.init().unwrap());
        }
    }
}
