//! The text encoder of M3AE.

use std::path::PathBuf;

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Bool, Device, Tensor};
use burn_mla::Result;
use burn_mla::encoder::Encoder;
use burn_mla::modality::TokenBatch;
use burn_mla::module::draw_parameters;

use super::config::M3aeConfig;
use super::transformer::{M3aeTransformer, weight_file};
use crate::blocks::Blocks;
use crate::vit::{Arithmetic, hide_keys, normal, sin_cos};
use crate::weights::{WeightFile, WeightsError};

/// The M3AE encoder of texts. Its feature is the mean of all tokens after the last normalization,
/// the cls token and padding included, as MLA computes it.
///
/// Padding is hidden from attention. A text of padding alone attends to the cls token. MLA's
/// tokenizer adds no special tokens and pads with 0.
///
/// Its modules are `embedding`, `transformer.blocks.N` and `transformer.norm`.
#[derive(Module, Debug)]
pub struct M3aeTextEncoder {
    pub(super) embedding: Embedding,
    pub(super) transformer: M3aeTransformer,
    positions: Tensor<3>,
}

impl M3aeConfig {
    /// Initializes the encoder of texts on `device`, as the original. Its parameters are drawn here.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](burn_mla::MlaError::HyperParameter) for a value outside of the ranges above.
    pub fn init_text(&self, device: &Device) -> Result<M3aeTextEncoder> {
        self.init_text_lazy(device).map(draw_parameters)
    }

    /// As [`init_text`](Self::init_text), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init_text`](Self::init_text).
    pub fn init_text_lazy(&self, device: &Device) -> Result<M3aeTextEncoder> {
        self.check()?;
        let (length, width) = (self.text_length, self.d_model);
        Ok(M3aeTextEncoder {
            embedding: EmbeddingConfig::new(self.vocabulary, width)
                .with_initializer(normal(1.0))
                .init(device),
            transformer: M3aeTransformer::init(self, device),
            positions: sin_cos(length, width, Arithmetic::Single, device),
        })
    }
}

impl M3aeTextEncoder {
    /// Describes a file with the weights of MLA's port, of which the encoder ignores
    /// `image_embedding` and `encoder_image_type_embedding`. Add steps for other files, such as a
    /// checkpoint of MLA's `main.py`:
    ///
    /// ```no_run
    /// # use burn::tensor::Device;
    /// # use burn_mla_encoders::m3ae::{M3aeConfig, M3aeTextEncoder};
    /// let encoder = M3aeConfig::base().init_text(&Device::flex())?;
    /// let encoder = M3aeTextEncoder::weight_file("best_model.pth")
    ///     .with_submodule("mae_a")
    ///     .load(encoder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn weight_file(path: impl Into<PathBuf>) -> WeightFile {
        weight_file(path.into(), "text", "image")
    }

    /// Returns the encoder with the weights of [`weight_file`](Self::weight_file).
    ///
    /// # Errors
    ///
    /// As [`WeightFile::load`].
    pub fn load_pretrained(self, path: impl Into<PathBuf>) -> Result<Self, WeightsError> {
        Self::weight_file(path).load(self)
    }

    /// The input of the first block.
    pub(super) fn embed(&self, tokens: &TokenBatch) -> Tensor<3> {
        let [_, length] = tokens.ids().dims();
        let positions = self.positions.clone().slice_dim(1, 0..length);
        let embedded = self.embedding.forward(tokens.ids().clone());
        self.transformer.embed(embedded, positions)
    }

    /// The tokens after the last normalization, `[batch, 1 + length, d_model]`: cls, then the text.
    pub fn tokens(&self, tokens: TokenBatch) -> Tensor<3> {
        let embedded = self.embed(&tokens);
        let hidden = hide_keys(padding(tokens.mask().clone()));
        self.transformer.forward(embedded, Some(&hidden))
    }
}

/// `true` for padding, `false` for a token and for cls: `[batch, 1 + length]`.
pub(super) fn padding(mask: Tensor<2, Bool>) -> Tensor<2, Bool> {
    let padding = mask.bool_not();
    let [batch, _] = padding.dims();
    let cls = Tensor::<2, Bool>::zeros([batch, 1], &padding.device());
    Tensor::cat(vec![cls, padding], 1)
}

impl Encoder for M3aeTextEncoder {
    type Input = TokenBatch;

    /// # Errors
    ///
    /// As [`TokenBatch::check`], with `text_length` and the vocabulary.
    fn check(&self, tokens: &TokenBatch) -> Result<()> {
        tokens.check(
            self.positions.dims()[1],
            self.embedding.weight.lazy_shape()[0],
        )
    }

    /// # Panics
    ///
    /// For an input that `check` refuses.
    fn encode(&self, tokens: TokenBatch) -> Tensor<2> {
        self.tokens(tokens).mean_dim(1).squeeze_dim(1)
    }

    fn d_feature(&self) -> usize {
        self.transformer.d_model()
    }
}

impl Blocks for M3aeTextEncoder {
    fn blocks(&self) -> Vec<Vec<String>> {
        self.transformer.blocks()
    }
}
