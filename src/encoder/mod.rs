//! Encoders `h_m`, one per modality, all with the same feature width.

mod cnn;
mod frozen;
mod mlp;
mod placed;
mod precomputed;
mod scaled;
mod set;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use crate::error::Result;

pub use cnn::{CnnEncoder, CnnEncoderConfig};
pub use frozen::{Frozen, FrozenInput};
pub use mlp::{MlpEncoder, MlpEncoderConfig};
#[cfg(feature = "train")]
pub(crate) use placed::{HiddenOutput, run_hidden};
pub(crate) use placed::{encode, run_placed};
pub use precomputed::Precomputed;
pub use scaled::{Scaled, Scaling};
pub use set::Encoders;

/// The encoder of one modality, which maps its input to features.
///
/// `Input` is any type that the modality needs: a tensor, a pair of token ids and padding mask, or a
/// struct. Its rows are the samples that have the modality.
///
/// # Implementing your own
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
/// use burn::tensor::{Device, Int, Tensor, activation::relu};
/// use burn_mla::encoder::Encoder;
/// use burn_mla::{MlaError, Result};
///
/// /// A layer on the mean embedding of the tokens of a text, without padding.
/// #[derive(Module, Debug)]
/// struct BagOfTokens {
///     embedding: Embedding,
///     output: Linear,
/// }
///
/// /// Token ids and a mask that is 0 for padding, both `[batch, length]`.
/// #[derive(Debug, Clone)]
/// struct Tokens {
///     ids: Tensor<2, Int>,
///     real: Tensor<2>,
/// }
///
/// impl Encoder for BagOfTokens {
///     type Input = Tokens;
///
///     fn check(&self, tokens: &Tokens) -> Result<()> {
///         let (ids, real) = (tokens.ids.dims(), tokens.real.dims());
///         if ids == real {
///             return Ok(());
///         }
///         Err(MlaError::input_shape(real, format!("{ids:?}, that of the token ids")))
///     }
///
///     fn encode(&self, tokens: Tokens) -> Tensor<2> {
///         let real = tokens.real.unsqueeze_dim::<3>(2);
///         let sum = (self.embedding.forward(tokens.ids) * real.clone()).sum_dim(1);
///         let mean = sum / real.sum_dim(1).clamp_min(1.0);
///         relu(self.output.forward(mean.squeeze_dim::<2>(1)))
///     }
///
///     fn d_feature(&self) -> usize {
///         self.output.weight.lazy_shape()[1]
///     }
/// }
///
/// let device = Device::flex();
/// let encoder = BagOfTokens {
///     embedding: EmbeddingConfig::new(1000, 16).init(&device),
///     output: LinearConfig::new(16, 64).init(&device),
/// };
/// let features = encoder.encode(Tokens {
///     ids: Tensor::from_ints([[1, 2, 3], [4, 0, 0]], &device),
///     real: Tensor::from_floats([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]], &device),
/// });
/// assert_eq!(features.dims(), [2, encoder.d_feature()]);
/// ```
pub trait Encoder: Module + ModuleDisplay + Sync {
    /// The input of the encoder.
    type Input: Send + 'static;

    /// Checks that [`encode`](Self::encode) accepts an input. Models call it before each
    /// `encode` and add the modality to the error. The default accepts any input.
    ///
    /// # Errors
    ///
    /// [`MlaError::InputShape`](crate::MlaError::InputShape), by
    /// [`MlaError::input_shape`](crate::MlaError::input_shape), or any other error.
    fn check(&self, input: &Self::Input) -> Result<()> {
        let _ = input;
        Ok(())
    }

    /// Computes the features of the samples of `input`. Steps and predictions of models on flex call it on
    /// a thread of a pool.
    ///
    /// # Shapes
    ///
    /// Output: `[batch, d_feature]`, one row per sample of the input.
    ///
    /// # Panics
    ///
    /// An implementation may panic for an input that [`check`](Self::check) refuses.
    fn encode(&self, input: Self::Input) -> Tensor<2>;

    /// Width of the features, the same for all encoders that share a head.
    fn d_feature(&self) -> usize;
}
