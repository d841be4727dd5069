use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{Result, at_least_one, positive};
use crate::projector::{Buffer, OrthogonalProjector};

/// Configuration of an [`RlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
#[derive(Config, Debug, PartialEq)]
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
/// In f32 the recursion amplifies rounding by up to `kappa = |r|^2 / alpha`: `P` stays positive
/// definite for `kappa` up to about 1e6. For a smaller `alpha` or larger features take
/// [`SquareRootRlsProjector`](crate::projector::SquareRootRlsProjector).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RlsProjector {
    alpha: f64,
}

/// The matrix `P` of an [`RlsProjector`].
#[derive(Module, Debug)]
pub struct RlsState {
    p: Buffer<2>,
}

impl RlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) unless `alpha` is finite
    /// and positive.
    pub fn init(&self) -> Result<RlsProjector> {
        let alpha = positive("alpha", self.alpha)?;
        Ok(RlsProjector { alpha })
    }
}

impl RlsProjector {
    /// Regulariser of the denominator.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl RlsState {
    /// A state that holds the matrix `p`, `[d_input, d_input]`.
    ///
    /// # Panics
    ///
    /// If `p` is not square.
    pub fn new(p: Tensor<2>) -> Self {
        let [rows, columns] = p.dims();
        assert_eq!(rows, columns, "P must be square, got {rows}x{columns}");
        Self { p: Buffer::new(p) }
    }

    /// The matrix `P`, `[d_input, d_input]`.
    pub fn matrix(&self) -> Tensor<2> {
        self.p.get()
    }
}

impl OrthogonalProjector for RlsProjector {
    type State = RlsState;

    fn init(&self, d_input: usize, _n_modalities: usize, device: &Device) -> Result<RlsState> {
        at_least_one("d_input", d_input)?;
        Ok(RlsState::new(
            Tensor::<2>::eye(d_input, device).cast(DType::F32),
        ))
    }

    /// # Panics
    ///
    /// If `feature` is not `[d_input]`.
    fn update(&self, feature: Tensor<1>, _modality: usize, mut state: RlsState) -> RlsState {
        let p = state.matrix();
        let r = feature.unsqueeze_dim::<2>(1);
        let k = p.clone().matmul(r.clone());
        let denominator = r.transpose().matmul(k.clone()) + self.alpha;
        // Products in this order keep P symmetric to the last bit.
        let gain = k / denominator.clone();
        let correction = gain.clone() * gain.transpose() * denominator;
        state.p.set(p - correction);
        state
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _modality: usize, state: &RlsState) -> Tensor<2> {
        state.matrix().matmul(gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projector::laws::assert_projector_laws;

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
        for alpha in [0.01, 1.0, 10.0] {
            let projector = RlsProjectorConfig::new().with_alpha(alpha).init().unwrap();
            assert_projector_laws(&projector);
        }
    }
}
