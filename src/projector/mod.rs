//! Orthogonal projectors, which protect what other modalities have learned (Eq. 3-5).

mod gains;
mod identity;
mod pending;
mod rls;
mod subspace;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};

use crate::error::Result;

pub use gains::Gains;
pub use identity::IdentityProjector;
pub use rls::{
    LeakyRlsProjector, LeakyRlsProjectorConfig, RlsProjector, RlsProjectorConfig,
    TraceRescaledRlsProjector, TraceRescaledRlsProjectorConfig,
};
pub use subspace::{SubspaceProjector, SubspaceProjectorConfig, SubspaceRank};

/// The recommended rule: it protects the directions of recent features, the head never stops
/// learning, and f32 is safe for all features. `docs/projectors.md` has the comparison; the
/// paper's own rule is [`RlsProjector`].
pub type DefaultProjector = LeakyRlsProjector;

/// A rule that projects the gradient of a layer of the shared head.
///
/// The rule itself is configuration. Its knowledge of features is explicit state, one per
/// protected layer, which is saved with the model.
///
/// # Laws
///
/// With `P` the matrix such that `project(G) = P G`:
/// - after [`init`](Self::init), projection returns its input, bit for bit;
/// - `P` is symmetric and `0 < P <= I` (`0 <= P` for rules that remove directions altogether;
///   [`TraceRescaledRlsProjector`] gives up the upper bound);
/// - an update with a zero feature adds no protection: no gain `v^T P v` falls, unless a rule
///   applies features with a delay, as [`SubspaceProjector`] does;
/// - [`project_rows`](Self::project_rows) of `X` is the transpose of `P X^T`, up to rounding.
///
/// All tensors are off the autodiff tape, and in f32 whatever the model runs in.
///
/// # Implementing your own
///
/// ```
/// use burn::module::Module;
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::Result;
/// use burn_mla::module::Buffer;
/// use burn_mla::projector::OrthogonalProjector;
///
/// /// Removes the direction of the last feature only: `P = I - r r^T / |r|^2`.
/// #[derive(Debug, Clone)]
/// struct LastDirection;
///
/// #[derive(Module, Debug)]
/// struct Direction {
///     unit: Buffer<1>,
/// }
///
/// impl OrthogonalProjector for LastDirection {
///     type State = Direction;
///
///     fn init(&self, d_input: usize, _n_modalities: usize, device: &Device) -> Result<Direction> {
///         let unit = Buffer::new(Tensor::zeros([d_input], device));
///         Ok(Direction { unit })
///     }
///
///     fn update(&self, feature: Tensor<1>, _modality: usize, mut state: Direction) -> Direction {
///         let norm = feature.clone().square().sum().sqrt().clamp_min(1e-12);
///         state.unit.set(feature / norm);
///         state
///     }
///
///     fn project(&self, gradient: Tensor<2>, _modality: usize, state: &Direction) -> Tensor<2> {
///         let unit = state.unit.get().unsqueeze_dim::<2>(1);
///         let along = unit.clone().transpose().matmul(gradient.clone());
///         gradient - unit.matmul(along)
///     }
/// }
///
/// let device = Device::flex();
/// let state = LastDirection.init(2, 2, &device)?;
/// let state = LastDirection.update(Tensor::from_floats([3.0, 0.0], &device), 0, state);
/// let gradient = Tensor::from_floats([[1.0], [1.0]], &device);
/// let projected: Vec<f32> = LastDirection
///     .project(gradient, 1, &state)
///     .into_data()
///     .try_to_vec()
///     .unwrap();
/// assert_eq!(projected, [0.0, 1.0]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
pub trait OrthogonalProjector: std::fmt::Debug + Clone + Send + Sync + 'static {
    /// Knowledge of the features so far.
    type State: Module + ModuleDisplay + Sync;

    /// The state before any feature. Projection with it changes nothing.
    ///
    /// `d_input` is the width of the protected layer's input.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a configuration that does not fit.
    fn init(&self, d_input: usize, n_modalities: usize, device: &Device) -> Result<Self::State>;

    /// Updates the state by the mean feature `r` of a step of `modality` (Eq. 4), `[d_input]`.
    fn update(&self, feature: Tensor<1>, modality: usize, state: Self::State) -> Self::State;

    /// Projects a gradient of `modality`, `[d_input, d_output]`. Linear in the gradient.
    fn project(&self, gradient: Tensor<2>, modality: usize, state: &Self::State) -> Tensor<2>;

    /// Projects vectors of `modality` that are given as rows, `[n, d_input]`, such as the factor `H` of a gradient
    /// `H^T D`. The default transposes them for [`project`](Self::project). Override it if the rule multiplies rows
    /// faster.
    fn project_rows(&self, rows: Tensor<2>, modality: usize, state: &Self::State) -> Tensor<2> {
        self.project(rows.transpose(), modality, state).transpose()
    }

    /// The state for one more modality, which protects the features so far from its gradients. A rule with
    /// state per modality overrides it; the default changes nothing.
    fn with_modality(&self, state: Self::State) -> Self::State {
        state
    }

    /// Checks that the numbers in a loaded state agree with each other. The default accepts every
    /// state.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a state that no update can have made.
    fn check(&self, state: &Self::State) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Whether projection of a gradient by its factors pays. A gradient `G = H^T D` has inputs `H`,
    /// `[n_samples, d_input]`, and errors `D`, `[n_samples, d_output]`. Its projection `(P H^T) D`
    /// costs less than `P G` for few samples and many outputs.
    ///
    /// The default uses factors if they save a fifth of the multiplications by a dense `P`.
    fn prefers_factors(&self, n_samples: usize, d_input: usize, d_output: usize) -> bool {
        5 * n_samples * (d_input + d_output) <= 4 * d_input * d_output
    }
}

#[cfg(test)]
pub(crate) mod laws;
