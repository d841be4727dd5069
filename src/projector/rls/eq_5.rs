//! Eq. 5 of the paper.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{Result, at_least_one, positive};
use crate::projector::OrthogonalProjector;
use crate::projector::rls::square_root::SquareRoot;

/// Configuration of an [`RlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
#[derive(Config, Debug, Copy, PartialEq)]
pub struct RlsProjectorConfig {
    /// Regulariser of the denominator; small protects more.
    #[config(default = 0.1)]
    pub alpha: f64,
}

/// Recursive-least-squares projector, Eq. 5 of the MLA paper.
///
/// ```text
/// P_0 = I
/// k   = P r
/// P  <- P - k k^T / (alpha + r^T k)
/// ```
///
/// After features `r_1 .. r_n` that is `P = (I + (1/alpha) sum r_i r_i^T)^-1`: symmetric,
/// `0 < P <= I`, with a trace that never grows. The denominator is a scalar.
///
/// # Numbers
///
/// In f32 the recursion as printed loses positive definiteness: along a direction that features
/// repeat, the exact gain `1 / (n kappa)`, `kappa = |r|^2 / alpha`, soon lies below what f32
/// resolves beside the identity, and a gain that rounding makes negative grows. The state is therefore
/// a square root of `P`, which is as fast and positive for all features. On a CPU it is a Cholesky
/// factor, and an update is one pass over half a matrix without a temporary of its size.
/// `docs/projectors.md` compares both with f64 in long runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RlsProjector {
    alpha: f64,
}

/// The matrix `P` of an [`RlsProjector`].
#[derive(Module, Debug)]
pub struct RlsState {
    square_root: SquareRoot,
}

impl RlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) unless `alpha` is finite and
    /// positive.
    pub fn init(&self) -> Result<RlsProjector> {
        let alpha = positive("alpha", self.alpha)?;
        Ok(RlsProjector { alpha })
    }
}

impl RlsProjector {
    /// The configuration.
    pub fn config(&self) -> RlsProjectorConfig {
        RlsProjectorConfig { alpha: self.alpha }
    }

    /// Creates a state from the symmetric part of the matrix `p`, `[d_input, d_input]`. It may have
    /// eigenvalues of 0, up to rounding.
    ///
    /// # Errors
    ///
    /// [`MlaError::NotPositive`](crate::MlaError::NotPositive),
    /// [`MlaError::DeviceRead`](crate::MlaError::DeviceRead).
    ///
    /// # Panics
    ///
    /// If `p` is not square.
    pub fn state(&self, p: Tensor<2>) -> Result<RlsState> {
        let [rows, columns] = p.dims();
        assert_eq!(rows, columns, "P must be square, got {rows}x{columns}");
        let p = p.without_autodiff().cast(DType::F32);
        let square_root = SquareRoot::of_matrix(p)?;
        Ok(RlsState { square_root })
    }
}

impl RlsState {
    /// The matrix `P`, `[d_input, d_input]`.
    pub fn matrix(&self) -> Tensor<2> {
        self.square_root.matrix()
    }

    /// Two matrices, `[d_input, d_input]`, whose sum `T` is a square root of `P = T^T T`. The second
    /// is what f32 rounds away of `T`. `|T v|^2` resolves gains that are rounding in
    /// [`matrix`](Self::matrix).
    pub fn square_root(&self) -> [Tensor<2>; 2] {
        self.square_root.root()
    }
}

impl OrthogonalProjector for RlsProjector {
    type State = RlsState;

    fn init(&self, d_input: usize, _n_modalities: usize, device: &Device) -> Result<RlsState> {
        at_least_one("d_input", d_input)?;
        let square_root = SquareRoot::identity(d_input, device);
        Ok(RlsState { square_root })
    }

    /// # Panics
    ///
    /// If `feature` is not `[d_input]`.
    fn update(&self, feature: Tensor<1>, _modality: usize, state: RlsState) -> RlsState {
        let square_root = state.square_root.update(feature, self.alpha);
        RlsState { square_root }
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _modality: usize, state: &RlsState) -> Tensor<2> {
        state.square_root.project(gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projector::laws::{assert_a_zero_feature_protects_nothing, assert_projector_laws};

    #[test]
    fn alpha_must_be_positive() {
        for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = RlsProjectorConfig::new()
                .with_alpha(alpha)
                .init()
                .unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("alpha must be finite and > 0")
            );
        }
    }

    #[test]
    fn obeys_the_laws_of_projectors() {
        for alpha in [1e-6, 0.01, 1.0, 10.0] {
            let projector = RlsProjectorConfig::new().with_alpha(alpha).init().unwrap();
            assert_projector_laws(&projector);
            assert_a_zero_feature_protects_nothing(&projector);
        }
    }
}
