//! Encoders `h_m`: one a modality, all of the same feature width.

mod cnn;
mod frozen;
mod mlp;
mod set;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

pub use cnn::{CnnEncoder, CnnEncoderConfig};
pub use frozen::{Frozen, FrozenInput};
pub use mlp::{MlpEncoder, MlpEncoderConfig};
pub use set::Encoders;
pub(crate) use set::check_rows;

/// Turns the input of one modality into features.
///
/// `Input` is whatever the modality needs: a tensor, a pair of token ids and padding mask, a
/// struct. Its rows are the samples that have the modality.
///
/// # Implementing your own
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
/// use burn::tensor::{Device, Int, Tensor, activation::relu};
/// use burn_mla::encoder::Encoder;
///
/// /// Mean of the embeddings of a text's real tokens, then a layer.
/// #[derive(Module, Debug)]
/// struct BagOfTokens {
///     embedding: Embedding,
///     output: Linear,
/// }
///
/// /// Token ids and which of them are real, both `[batch, length]`.
/// #[derive(Debug, Clone)]
/// struct Tokens {
///     ids: Tensor<2, Int>,
///     real: Tensor<2>,
/// }
///
/// impl Encoder for BagOfTokens {
///     type Input = Tokens;
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
pub trait Encoder: Module + ModuleDisplay {
    /// What the encoder takes.
    type Input: Send + 'static;

    /// Features of the samples of `input`.
    ///
    /// # Shapes
    ///
    /// Output: `[batch, d_feature]`, one row a sample of the input.
    ///
    /// # Panics
    ///
    /// An implementation may panic when the shape of `input` is not what it documents.
    fn encode(&self, input: Self::Input) -> Tensor<2>;

    /// Width of the features, the same for all encoders that share a head.
    fn d_feature(&self) -> usize;
}
