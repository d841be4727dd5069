//! Sizes and variants of M3AE.

use burn::config::Config;
use burn_mla::Result;

use crate::vit::check::{at_least_one, fraction, multiple, positive};
use crate::vit::{Activation, BlockConfig, BlockInitializers, PatchOrder};

/// Channels of an image.
pub(super) const CHANNELS: usize = 3;

/// Width of the hidden layer of an MLP, in widths of the model.
const MLP_RATIO: usize = 4;

/// Configuration of an [`M3aeTextEncoder`](super::M3aeTextEncoder) or
/// [`M3aeImageEncoder`](super::M3aeImageEncoder).
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_model` | 768 | width of the tokens and of the feature | a multiple of 4 and of `n_heads` |
/// | `depth` | 12 | number of blocks | >= 1 |
/// | `n_heads` | 12 | attention heads | >= 1 |
/// | `vocabulary` | 30522 | token ids; that of BERT, uncased | >= 1 |
/// | `text_length` | 256 | longest text, in tokens | >= 1 |
/// | `image_size` | 256 | largest height and width of an image, in pixels | a multiple of `patch_size` |
/// | `patch_size` | 16 | height and width of a patch, in pixels | >= 1 |
/// | `patch_order` | channel first | order of the values of a patch | |
/// | `activation` | GELU | activation of the hidden layers | |
/// | `epsilon` | 1e-5 | added to the variance in layer normalization | > 0 |
/// | `attention_dropout` | 0 | dropout of the attention weights | `[0, 1)` |
/// | `dropout` | 0 | dropout after attention and in the MLP | `[0, 1)` |
/// | `drop_path` | 0 | probability to skip a branch for a sample | `[0, 1)` |
///
/// The defaults are those of MLA's port to PyTorch. The port and the original differ in three
/// conventions, and weights need those that they were trained with:
///
/// | | [`base`](Self::base), [`large`](Self::large): MLA's port | [`jax_base`](Self::jax_base), [`jax_large`](Self::jax_large): the original |
/// |---|---|---|
/// | `patch_order` | channel first | channel last |
/// | `activation` | GELU | GELU by tanh |
/// | `epsilon` | 1e-5 | 1e-6 |
///
/// Weights that the authors published in JAX were trained with the original's conventions, also after
/// their conversion to PyTorch. MLA loads them into its port.
#[derive(Config, Debug, PartialEq)]
pub struct M3aeConfig {
    /// Width of the tokens and of the feature.
    #[config(default = 768)]
    pub d_model: usize,
    /// Number of blocks.
    #[config(default = 12)]
    pub depth: usize,
    /// Attention heads.
    #[config(default = 12)]
    pub n_heads: usize,
    /// Number of token ids.
    #[config(default = 30522)]
    pub vocabulary: usize,
    /// Longest text, in tokens.
    #[config(default = 256)]
    pub text_length: usize,
    /// Largest height and width of an image, in pixels.
    #[config(default = 256)]
    pub image_size: usize,
    /// Height and width of a patch, in pixels.
    #[config(default = 16)]
    pub patch_size: usize,
    /// Order of the values of a patch.
    #[config(default = "PatchOrder::ChannelFirst")]
    pub patch_order: PatchOrder,
    /// Activation of the hidden layers.
    #[config(default = "Activation::Gelu")]
    pub activation: Activation,
    /// Value added to the variance in layer normalization.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Dropout of the attention weights.
    #[config(default = 0.0)]
    pub attention_dropout: f64,
    /// Dropout after attention and in the MLP.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Probability to skip a branch for a sample.
    #[config(default = 0.0)]
    pub drop_path: f64,
}

impl M3aeConfig {
    /// The base model with the conventions of MLA's port.
    pub fn base() -> Self {
        Self::new()
    }

    /// The large model with the conventions of MLA's port.
    pub fn large() -> Self {
        Self::new()
            .with_d_model(1024)
            .with_depth(24)
            .with_n_heads(16)
    }

    /// The base model with the conventions of the published JAX weights.
    pub fn jax_base() -> Self {
        Self::base().with_jax_conventions()
    }

    /// The large model with the conventions of the published JAX weights.
    pub fn jax_large() -> Self {
        Self::large().with_jax_conventions()
    }

    fn with_jax_conventions(self) -> Self {
        self.with_patch_order(PatchOrder::ChannelLast)
            .with_activation(Activation::GeluTanh)
            .with_epsilon(1e-6)
    }

    /// Checks the ranges above.
    pub(super) fn check(&self) -> Result<()> {
        at_least_one("n_heads", self.n_heads)?;
        multiple(
            "d_model",
            "a multiple of n_heads",
            self.d_model,
            self.n_heads,
        )?;
        multiple("d_model", "a multiple of 4", self.d_model, 4)?;
        at_least_one("depth", self.depth)?;
        at_least_one("vocabulary", self.vocabulary)?;
        at_least_one("text_length", self.text_length)?;
        let requirement = "a multiple of patch_size";
        multiple("image_size", requirement, self.image_size, self.patch_size)?;
        positive("epsilon", self.epsilon)?;
        fraction("attention_dropout", self.attention_dropout)?;
        fraction("dropout", self.dropout)?;
        fraction("drop_path", self.drop_path)
    }

    pub(super) fn blocks(&self) -> BlockConfig {
        BlockConfig {
            d_model: self.d_model,
            n_heads: self.n_heads,
            d_hidden: MLP_RATIO * self.d_model,
            activation: self.activation,
            epsilon: self.epsilon,
            attention_dropout: self.attention_dropout,
            dropout: self.dropout,
            drop_path: self.drop_path,
            initializers: BlockInitializers::xavier(),
        }
    }
}
