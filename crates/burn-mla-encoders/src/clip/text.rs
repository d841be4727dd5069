//! The text tower of CLIP.

use std::path::{Path, PathBuf};

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, Linear};
use burn::tensor::{Device, Int, Tensor};
use burn_mla::Result;
use burn_mla::encoder::Encoder;
use burn_mla::modality::TokenBatch;
use burn_mla::module::draw_parameters;

use super::hugging_face::{Tower, TowerConfig};
use super::tower::{Sizes, feature};
use super::weights::{ClipLayout, load};
use crate::HuggingFaceError;
use crate::blocks::{Blocks, in_order};
use crate::vit::check::at_least_one;
use crate::vit::{Activation, Block, causal, forward, normal};
use crate::weights::{WeightFile, WeightsError};

/// Configuration of a [`ClipTextEncoder`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_model` | 512 | width of the tokens | a multiple of `n_heads` |
/// | `depth` | 12 | number of blocks | >= 1 |
/// | `n_heads` | 8 | attention heads | >= 1 |
/// | `d_hidden` | 2048 | width of the hidden layers | >= 1 |
/// | `d_feature` | 512 | width of the feature | >= 1 |
/// | `vocabulary` | 49408 | token ids | >= 1 |
/// | `text_length` | 77 | longest text, in tokens | >= 1 |
/// | `activation` | quick GELU | activation of the hidden layers | |
/// | `epsilon` | 1e-5 | added to the variance in layer normalization | > 0 |
/// | `attention_dropout` | 0 | dropout of the attention weights | `[0, 1)` |
/// | `normalized` | false | divides the feature by its L2 norm | |
///
/// The defaults are those of ViT-B/32.
#[derive(Config, Debug, PartialEq)]
pub struct ClipTextEncoderConfig {
    /// Width of the tokens.
    #[config(default = 512)]
    pub d_model: usize,
    /// Number of blocks.
    #[config(default = 12)]
    pub depth: usize,
    /// Attention heads.
    #[config(default = 8)]
    pub n_heads: usize,
    /// Width of the hidden layers.
    #[config(default = 2048)]
    pub d_hidden: usize,
    /// Width of the feature.
    #[config(default = 512)]
    pub d_feature: usize,
    /// Number of token ids.
    #[config(default = 49408)]
    pub vocabulary: usize,
    /// Longest text, in tokens.
    #[config(default = 77)]
    pub text_length: usize,
    /// Activation of the hidden layers.
    #[config(default = "Activation::QuickGelu")]
    pub activation: Activation,
    /// Value added to the variance in layer normalization.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Dropout of the attention weights.
    #[config(default = 0.0)]
    pub attention_dropout: f64,
    /// Whether the feature is divided by its L2 norm.
    #[config(default = false)]
    pub normalized: bool,
}

/// The text tower of CLIP: a causal transformer whose token at the end id, normalized and projected,
/// is the feature.
///
/// The end id is the largest of the vocabulary, and the first largest id of a text is taken. Tokens
/// after it cannot change the feature, which makes the mask of the input redundant: it is not used.
///
/// Its modules are `embedding`, `blocks.N`, `norm` and `projection`.
#[derive(Module, Debug)]
pub struct ClipTextEncoder {
    embedding: Embedding,
    positions: Param<Tensor<2>>,
    blocks: Vec<Block>,
    pub(super) norm: LayerNorm,
    projection: Linear,
    normalized: bool,
}

impl ClipTextEncoderConfig {
    /// The text tower of ViT-B/32, and of ViT-B/16.
    pub fn vit_b_32() -> Self {
        Self::new()
    }

    /// The text tower of ViT-L/14.
    pub fn vit_l_14() -> Self {
        Self::new()
            .with_d_model(768)
            .with_n_heads(12)
            .with_d_hidden(3072)
            .with_d_feature(768)
    }

    /// Reads the sizes from the `config.json` in a Hugging Face directory of a CLIP model.
    ///
    /// # Errors
    ///
    /// - [`HuggingFaceError::File`] for a file that cannot be read;
    /// - [`HuggingFaceError::Missing`] without `model_type`;
    /// - [`HuggingFaceError::Unsupported`] for another type of model, another activation, or an end id
    ///   that is not the last of the vocabulary.
    pub fn from_hugging_face(directory: impl AsRef<Path>) -> Result<Self, HuggingFaceError> {
        let (d_feature, tower) = TowerConfig::read(directory.as_ref(), Tower::Text)?;
        let vocabulary = tower.size("vocab_size", 49408)?;
        tower.check_end_id(vocabulary)?;
        Ok(Self::new()
            .with_d_model(tower.size("hidden_size", 512)?)
            .with_depth(tower.size("num_hidden_layers", 12)?)
            .with_n_heads(tower.size("num_attention_heads", 8)?)
            .with_d_hidden(tower.size("intermediate_size", 2048)?)
            .with_d_feature(d_feature)
            .with_vocabulary(vocabulary)
            .with_text_length(tower.size("max_position_embeddings", 77)?)
            .with_activation(tower.activation()?)
            .with_epsilon(tower.number("layer_norm_eps", 1e-5)?)
            .with_attention_dropout(tower.number("attention_dropout", 0.0)?))
    }

    /// Initializes the tower on `device`, as the original. Its parameters are drawn here.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`](burn_mla::MlaError::HyperParameter) for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<ClipTextEncoder> {
        self.init_lazy(device).map(draw_parameters)
    }

    /// As [`init`](Self::init), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_lazy(&self, device: &Device) -> Result<ClipTextEncoder> {
        at_least_one("vocabulary", self.vocabulary)?;
        at_least_one("text_length", self.text_length)?;
        let (sizes, width) = (self.sizes(), self.d_model);
        let blocks = sizes.blocks()?;
        Ok(ClipTextEncoder {
            embedding: EmbeddingConfig::new(self.vocabulary, width)
                .with_initializer(normal(0.02))
                .init(device),
            positions: normal(0.01).init([self.text_length, width], device),
            blocks: blocks.init(self.depth, device),
            norm: blocks.norm(device),
            projection: sizes.projection(device),
            normalized: self.normalized,
        })
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            d_model: self.d_model,
            depth: self.depth,
            n_heads: self.n_heads,
            d_hidden: self.d_hidden,
            d_feature: self.d_feature,
            activation: self.activation,
            epsilon: self.epsilon,
            attention_dropout: self.attention_dropout,
        }
    }
}

impl ClipTextEncoder {
    /// Describes a file with the weights of a CLIP model, of which the tower ignores the image tower
    /// and `logit_scale`.
    pub fn weight_file(path: impl Into<PathBuf>, layout: ClipLayout) -> WeightFile {
        layout.text(path.into())
    }

    /// Returns the tower with the weights of a CLIP model. The keys of the file decide between the
    /// layouts, by [`ClipLayout::of`].
    ///
    /// # Errors
    ///
    /// As [`WeightFile::load`].
    pub fn load_pretrained(self, path: impl Into<PathBuf>) -> Result<Self, WeightsError> {
        load(self, path.into(), Self::weight_file)
    }

    /// The input of the first block.
    pub(super) fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [_, length] = ids.dims();
        let positions = self.positions.val().slice([0..length]);
        self.embedding.forward(ids) + positions.unsqueeze()
    }

    /// The tokens of the last block, not normalized.
    pub(super) fn run(&self, embedded: Tensor<3>) -> Tensor<3> {
        let [_, length, _] = embedded.dims();
        let hidden = causal(length, &embedded.device());
        forward(&self.blocks, embedded, Some(&hidden))
    }

    /// The tokens after the last normalization, `[batch, length, d_model]`.
    pub fn tokens(&self, tokens: TokenBatch) -> Tensor<3> {
        self.norm
            .forward(self.run(self.embed(tokens.into_parts().0)))
    }

    /// The normalized token at the end id, `[batch, d_model]`.
    pub(super) fn pool(&self, ids: Tensor<2, Int>, tokens: Tensor<3>) -> Tensor<2> {
        let [batch, length, width] = tokens.dims();
        let rows = tokens.reshape([batch * length, width]);
        self.norm.forward(rows.select(0, first_largest(ids)))
    }
}

/// The index of the first largest id of each text, among the ids of all texts: `[batch]`.
fn first_largest(ids: Tensor<2, Int>) -> Tensor<1, Int> {
    let ([batch, length], device) = (ids.dims(), ids.device());
    let largest = ids.clone().max_dim(1).expand([batch, length]);
    let positions = Tensor::<1, Int>::arange(0..length as i64, &device);
    let first = positions
        .unsqueeze::<2>()
        .expand([batch, length])
        .mask_fill(ids.not_equal(largest), length as i64)
        .min_dim(1)
        .squeeze_dim::<1>(1);
    first + Tensor::<1, Int>::arange(0..batch as i64, &device) * length as i64
}

impl Encoder for ClipTextEncoder {
    type Input = TokenBatch;

    /// # Errors
    ///
    /// As [`TokenBatch::check`], with `text_length` and the vocabulary.
    fn check(&self, tokens: &TokenBatch) -> Result<()> {
        let n_tokens = self.embedding.weight.lazy_shape()[0];
        tokens.check(self.positions.lazy_shape()[0], n_tokens)
    }

    /// # Panics
    ///
    /// For an input that `check` refuses.
    fn encode(&self, tokens: TokenBatch) -> Tensor<2> {
        let (ids, _) = tokens.into_parts();
        let last = self.run(self.embed(ids.clone()));
        feature(&self.projection, self.pool(ids, last), self.normalized)
    }

    fn d_feature(&self) -> usize {
        self.projection.weight.lazy_shape()[1]
    }
}

impl Blocks for ClipTextEncoder {
    fn blocks(&self) -> Vec<Vec<String>> {
        in_order(
            &["embedding", "positions"],
            &[("blocks", self.blocks.len())],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;

    #[test]
    fn the_first_of_equal_ids_counts() {
        for device in test_devices() {
            let ids =
                Tensor::<2, Int>::from_ints([[7, 9, 3, 9], [1, 0, 0, 0], [2, 2, 2, 5]], &device);
            let index: Vec<i64> = first_largest(ids).into_data().iter().collect();
            assert_eq!(index, [1, 4, 11]);
        }
    }
}
