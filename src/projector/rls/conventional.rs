//! Eq. 5 of the paper, in its printed form or by its square root.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{Result, at_least_one, positive};
use crate::module::Buffer;
use crate::module::Counter;
use crate::numeric::eye;
use crate::projector::OrthogonalProjector;
use crate::projector::conditioning::{Conditioning, IllConditionedPolicy};
use crate::projector::pending::PendingRows;
use crate::projector::rls::fold;
use crate::projector::rls::recursion::Kept;
use crate::projector::rls::square_root;
use crate::projector::rls::square_root::SquareRoot;

/// The form in which an [`RlsProjector`] stores `P`. Both compute the same matrix.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum RlsForm {
    /// `P` itself, as Eq. 5 is printed: the fastest. In f32 it can lose positive definiteness when
    /// `kappa = |r|^2 / alpha` exceeds about 1e6.
    Conventional,
    /// Its square root: `P = S S^T` (Potter; see Bierman, "Factorization Methods for Discrete
    /// Sequential Estimation", 1977). `P` cannot become indefinite, and rounding is not amplified
    /// by `kappa`. Updates and projections cost about twice as much.
    ///
    /// ```text
    /// S_0 = I
    /// f   = S^T r
    /// d   = alpha + f^T f
    /// S  <- S - (S f) f^T / (d + sqrt(alpha d))
    /// ```
    SquareRoot,
}

/// Configuration of an [`RlsProjector`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `alpha` | 0.1 | regularises the denominator; small protects more | (0, inf) |
/// | `form` | [`Conventional`](RlsForm::Conventional) | how `P` is stored | |
/// | `ill_conditioned` | [`SwitchToSquareRoot`](IllConditionedPolicy::SwitchToSquareRoot) | policy at `kappa_limit` | |
/// | `kappa_limit` | 1e6 | the `kappa` at which a feature endangers the conventional form in f32 | (0, inf) |
/// | `fold_every` | 32 | updates, `d_input / 4` at most, that one product folds into the matrix | >= 1 |
#[derive(Config, Debug, PartialEq)]
pub struct RlsProjectorConfig {
    /// Regulariser of the denominator; small protects more.
    #[config(default = 0.1)]
    pub alpha: f64,
    /// How `P` is stored.
    #[config(default = "RlsForm::Conventional")]
    pub form: RlsForm,
    /// Policy at `kappa_limit`.
    #[config(default = "IllConditionedPolicy::SwitchToSquareRoot")]
    pub ill_conditioned: IllConditionedPolicy,
    /// The `kappa = |r|^2 / alpha` at which a feature endangers the conventional form in f32.
    #[config(default = 1e6)]
    pub kappa_limit: f64,
    /// Number of updates, `d_input / 4` at most, that one product folds into the matrix.
    #[config(default = 32)]
    pub fold_every: usize,
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
/// # Cost
///
/// The last corrections are stored as columns: `P = P_base - sum v v^T` with
/// `v = k / sqrt(alpha + r^T k)`. An update reads `P_base` once and costs another `O(s)` per
/// column. Every `fold_every` updates one product folds the columns in. A CPU never allocates an
/// `s x s` temporary, a GPU only for a fold.
///
/// # Numbers
///
/// In f32 the recursion amplifies rounding by up to `kappa = |r|^2 / alpha`. A model checks it
/// and, at `kappa_limit`, [switches to the square root or refuses the step](IllConditionedPolicy).
/// If you call [`update`](OrthogonalProjector::update) directly, check it with
/// [`conditioning`](OrthogonalProjector::conditioning), or use [`RlsForm::SquareRoot`].
#[derive(Debug, Clone, PartialEq)]
pub struct RlsProjector {
    config: RlsProjectorConfig,
}

/// The matrix `P` of an [`RlsProjector`].
#[derive(Module, Debug)]
pub struct RlsState {
    /// `P_base`, or `S_base` of the square-root form.
    base: Buffer<2>,
    /// Columns `v` of corrections; of the square-root form their left factors.
    left: PendingRows,
    /// Right factors of the square-root form's corrections.
    right: PendingRows,
    /// One of the forms below.
    form: Counter,
}

/// `P`, started from `I` and therefore symmetric.
const CONVENTIONAL: u64 = 0;
/// A square root of `P`.
const SQUARE_ROOT: u64 = 1;
/// `P` as given by the caller, which may be slightly asymmetric.
const HANDED_IN: u64 = 2;

impl RlsProjectorConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](crate::MlaError::HyperParameter) unless `alpha` and
    /// `kappa_limit` are finite and positive and `fold_every` is at least 1.
    pub fn init(&self) -> Result<RlsProjector> {
        positive("alpha", self.alpha)?;
        positive("kappa_limit", self.kappa_limit)?;
        at_least_one("fold_every", self.fold_every)?;
        Ok(RlsProjector {
            config: self.clone(),
        })
    }
}

impl RlsProjector {
    /// The configuration.
    pub fn config(&self) -> &RlsProjectorConfig {
        &self.config
    }

    /// Creates a state from the matrix `p`, `[d_input, d_input]`, symmetric and positive definite.
    /// Projections multiply by it without making it symmetric.
    ///
    /// # Errors
    ///
    /// [`MlaError::NotPositive`](crate::MlaError::NotPositive) in square-root form when `p` has no
    /// square root.
    ///
    /// # Panics
    ///
    /// If `p` is not square.
    pub fn state(&self, p: Tensor<2>) -> Result<RlsState> {
        let state = self.holding(p, HANDED_IN);
        match self.config.form {
            RlsForm::Conventional => Ok(state),
            RlsForm::SquareRoot => state.into_square_root(),
        }
    }

    fn holding(&self, matrix: Tensor<2>, form: u64) -> RlsState {
        let [rows, columns] = matrix.dims();
        assert_eq!(rows, columns, "P must be square, got {rows}x{columns}");
        let matrix = matrix.without_autodiff().cast(DType::F32);
        let device = matrix.device();
        RlsState {
            base: Buffer::new(matrix),
            left: PendingRows::of_corrections(self.config.fold_every, rows, &device),
            right: PendingRows::of_corrections(self.config.fold_every, rows, &device),
            form: Counter::new(form, &device),
        }
    }

    fn update_conventional(&self, r: Tensor<2>, state: RlsState) -> RlsState {
        let kept = state.kept();
        let RlsState {
            mut base, mut left, ..
        } = state;
        left = kept.push_update(&base, left, r, self.config.alpha);
        if left.is_full() {
            base = base.replace(|p| fold::subtract(p, left.rows(), left.rows()));
            left = left.clear();
        }
        RlsState {
            base,
            left,
            ..state
        }
    }
}

impl RlsState {
    /// The matrix `P`, `[d_input, d_input]`.
    pub fn matrix(&self) -> Tensor<2> {
        if self.is_square_root() {
            return self.factor().matrix();
        }
        if self.left.is_empty() {
            self.base.get()
        } else {
            fold::subtract(self.base.get(), self.left.rows(), self.left.rows())
        }
    }

    /// Whether the state is the square root of `P`.
    pub fn is_square_root(&self) -> bool {
        self.form.get() == SQUARE_ROOT
    }

    fn kept(&self) -> Kept {
        Kept::Passing {
            symmetric: self.form.get() == CONVENTIONAL,
        }
    }

    fn factor(&self) -> SquareRoot<'_> {
        SquareRoot {
            base: &self.base,
            left: &self.left,
            right: &self.right,
        }
    }

    fn into_square_root(self) -> Result<Self> {
        let factor = square_root::of(self.matrix())?;
        let mut form = self.form;
        form.set(SQUARE_ROOT);
        Ok(Self {
            base: self.base.replace(|_| factor),
            left: self.left.clear(),
            right: self.right.clear(),
            form,
        })
    }
}

impl OrthogonalProjector for RlsProjector {
    type State = RlsState;

    fn init(&self, d_input: usize, _n_modalities: usize, device: &Device) -> Result<RlsState> {
        at_least_one("d_input", d_input)?;
        // The identity is its own square root.
        let form = match self.config.form {
            RlsForm::Conventional => CONVENTIONAL,
            RlsForm::SquareRoot => SQUARE_ROOT,
        };
        Ok(self.holding(eye(d_input, device), form))
    }

    /// # Panics
    ///
    /// If `feature` is not `[d_input]`.
    fn update(&self, feature: Tensor<1>, _modality: usize, state: RlsState) -> RlsState {
        if !state.is_square_root() {
            return self.update_conventional(feature.unsqueeze_dim(1), state);
        }
        let r = feature.unsqueeze_dim(0);
        let correction = state.factor().correction(r, self.config.alpha);
        let RlsState {
            mut base,
            mut left,
            mut right,
            form,
        } = state;
        (left, right) = (left.push(correction.left), right.push(correction.right));
        if left.is_full() {
            (base, left, right) = square_root::fold_in(base, left, right);
        }
        RlsState {
            base,
            left,
            right,
            form,
        }
    }

    /// # Panics
    ///
    /// If `gradient` is not `[d_input, _]`.
    fn project(&self, gradient: Tensor<2>, _modality: usize, state: &RlsState) -> Tensor<2> {
        if state.is_square_root() {
            return state.factor().project(gradient);
        }
        state.kept().apply(&state.base, &state.left, gradient)
    }

    fn conditioning(&self, squared_norm: f64, state: &RlsState) -> Option<Conditioning> {
        if state.is_square_root() {
            return None;
        }
        Some(Conditioning {
            kappa: squared_norm / self.config.alpha,
            limit: self.config.kappa_limit,
            remedy: self.config.ill_conditioned,
        })
    }

    fn stabilize(&self, state: RlsState) -> Result<RlsState> {
        if state.is_square_root() {
            Ok(state)
        } else {
            state.into_square_root()
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

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

    /// However many the columns: a transposed product would not tell on a symmetric matrix.
    #[test]
    fn a_matrix_handed_in_is_multiplied_as_it_stands() {
        for device in crate::test_devices() {
            let random = |shape: [usize; 2]| {
                Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device)
            };
            let projector = RlsProjectorConfig::new().init().unwrap();
            let p = random([9, 9]);
            let state = projector.state(p.clone()).unwrap();
            let near = |found: Tensor<2>, expected: Tensor<2>| {
                let error = (found - expected).abs().max().into_scalar::<f32>();
                assert!(error <= 1e-4, "off by {error}");
            };
            for n in [1, 2, 8, 9] {
                let gradient = random([9, n]);
                let expected = p.clone().matmul(gradient.clone());
                near(projector.project(gradient, 0, &state), expected);
            }
        }
    }

    #[test]
    fn obeys_the_laws_of_projectors_at_every_fold() {
        for form in [RlsForm::Conventional, RlsForm::SquareRoot] {
            for alpha in [0.01, 1.0, 10.0] {
                for fold_every in [1, 7, 32, 100] {
                    let projector = RlsProjectorConfig::new()
                        .with_alpha(alpha)
                        .with_form(form)
                        .with_fold_every(fold_every)
                        .init()
                        .unwrap();
                    assert_projector_laws(&projector);
                    assert_a_zero_feature_protects_nothing(&projector);
                }
            }
        }
    }
}
