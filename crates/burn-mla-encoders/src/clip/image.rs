//! The image tower of CLIP.

use std::path::{Path, PathBuf};

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::ImageBatch;
use burn_mla::module::draw_parameters;
use burn_mla::{MlaError, Result};

use super::hugging_face::{Tower, TowerConfig};
use super::tower::{Sizes, feature};
use super::weights::{ClipLayout, load};
use crate::HuggingFaceError;
use crate::blocks::{Blocks, in_order};
use crate::vit::check::{at_least_one, multiple};
use crate::vit::{Activation, Block, PatchConvolution, forward};
use crate::weights::{WeightFile, WeightsError};

/// Configuration of a [`ClipImageEncoder`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_model` | 768 | width of the tokens | a multiple of `n_heads` |
/// | `depth` | 12 | number of blocks | >= 1 |
/// | `n_heads` | 12 | attention heads | >= 1 |
/// | `d_hidden` | 3072 | width of the hidden layers | >= 1 |
/// | `d_feature` | 512 | width of the feature | >= 1 |
/// | `channels` | 3 | channels of an image | >= 1 |
/// | `image_size` | 224 | height and width of an image, in pixels | a multiple of `patch_size` |
/// | `patch_size` | 32 | height and width of a patch, in pixels | >= 1 |
/// | `activation` | quick GELU | activation of the hidden layers | |
/// | `epsilon` | 1e-5 | added to the variance in layer normalization | > 0 |
/// | `attention_dropout` | 0 | dropout of the attention weights | `[0, 1)` |
/// | `normalized` | false | divides the feature by its L2 norm | |
///
/// The defaults are those of ViT-B/32.
#[derive(Config, Debug, PartialEq)]
pub struct ClipImageEncoderConfig {
    /// Width of the tokens.
    #[config(default = 768)]
    pub d_model: usize,
    /// Number of blocks.
    #[config(default = 12)]
    pub depth: usize,
    /// Attention heads.
    #[config(default = 12)]
    pub n_heads: usize,
    /// Width of the hidden layers.
    #[config(default = 3072)]
    pub d_hidden: usize,
    /// Width of the feature.
    #[config(default = 512)]
    pub d_feature: usize,
    /// Channels of an image.
    #[config(default = 3)]
    pub channels: usize,
    /// Height and width of an image, in pixels.
    #[config(default = 224)]
    pub image_size: usize,
    /// Height and width of a patch, in pixels.
    #[config(default = 32)]
    pub patch_size: usize,
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

/// The image tower of CLIP: a vision transformer whose class token, normalized and projected, is the
/// feature.
///
/// Images have CLIP's own mean and standard deviation: 0.48145466, 0.4578275, 0.40821073 and
/// 0.26862954, 0.26130258, 0.27577711.
///
/// Its modules are `patches`, `blocks.N`, `pre_norm`, `post_norm` and `projection`.
#[derive(Module, Debug)]
pub struct ClipImageEncoder {
    class_token: Param<Tensor<1>>,
    patches: PatchConvolution,
    positions: Param<Tensor<2>>,
    pre_norm: LayerNorm,
    blocks: Vec<Block>,
    post_norm: LayerNorm,
    projection: Linear,
    image_size: usize,
    normalized: bool,
}

impl ClipImageEncoderConfig {
    /// ViT-B/32.
    pub fn vit_b_32() -> Self {
        Self::new()
    }

    /// ViT-B/16.
    pub fn vit_b_16() -> Self {
        Self::new().with_patch_size(16)
    }

    /// ViT-L/14.
    pub fn vit_l_14() -> Self {
        Self::new()
            .with_d_model(1024)
            .with_depth(24)
            .with_n_heads(16)
            .with_d_hidden(4096)
            .with_d_feature(768)
            .with_patch_size(14)
    }

    /// Reads the sizes from the `config.json` in a Hugging Face directory of a CLIP model.
    ///
    /// # Errors
    ///
    /// - [`HuggingFaceError::File`] for a file that cannot be read;
    /// - [`HuggingFaceError::Missing`] without `model_type`;
    /// - [`HuggingFaceError::Unsupported`] for another type of model or another activation.
    pub fn from_hugging_face(directory: impl AsRef<Path>) -> Result<Self, HuggingFaceError> {
        let (d_feature, tower) = TowerConfig::read(directory.as_ref(), Tower::Image)?;
        Ok(Self::new()
            .with_d_model(tower.size("hidden_size", 768)?)
            .with_depth(tower.size("num_hidden_layers", 12)?)
            .with_n_heads(tower.size("num_attention_heads", 12)?)
            .with_d_hidden(tower.size("intermediate_size", 3072)?)
            .with_d_feature(d_feature)
            .with_channels(tower.size("num_channels", 3)?)
            .with_image_size(tower.size("image_size", 224)?)
            .with_patch_size(tower.size("patch_size", 32)?)
            .with_activation(tower.activation()?)
            .with_epsilon(tower.number("layer_norm_eps", 1e-5)?)
            .with_attention_dropout(tower.number("attention_dropout", 0.0)?))
    }

    /// Initializes the tower on `device`. Its parameters are drawn here.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<ClipImageEncoder> {
        self.init_lazy(device).map(draw_parameters)
    }

    /// As [`init`](Self::init), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_lazy(&self, device: &Device) -> Result<ClipImageEncoder> {
        at_least_one("channels", self.channels)?;
        let requirement = "a multiple of patch_size";
        multiple("image_size", requirement, self.image_size, self.patch_size)?;
        let (sizes, width) = (self.sizes(), self.d_model);
        let blocks = sizes.blocks()?;
        let side = self.image_size / self.patch_size;
        let scale = sizes.scale();
        let channels = [self.channels, width];
        Ok(ClipImageEncoder {
            class_token: scale.init([width], device),
            patches: PatchConvolution::init(channels, self.patch_size, false, device),
            positions: scale.init([1 + side * side, width], device),
            pre_norm: blocks.norm(device),
            blocks: blocks.init(self.depth, device),
            post_norm: blocks.norm(device),
            projection: sizes.projection(device),
            image_size: self.image_size,
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

impl ClipImageEncoder {
    /// Describes a file with the weights of a CLIP model, of which the tower ignores the text tower
    /// and `logit_scale`.
    pub fn weight_file(path: impl Into<PathBuf>, layout: ClipLayout) -> WeightFile {
        layout.image(path.into())
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
    pub(super) fn embed(&self, images: Tensor<4>) -> Tensor<3> {
        let patches = self.patches.forward(images);
        let [batch, _, width] = patches.dims();
        let class = self.class_token.val().unsqueeze::<3>();
        let tokens = Tensor::cat(vec![class.expand([batch, 1, width]), patches], 1);
        self.pre_norm
            .forward(tokens + self.positions.val().unsqueeze())
    }

    /// The tokens of the last block, not normalized, `[batch, 1 + patches, d_model]`: the class token,
    /// then the patches row by row.
    pub fn tokens(&self, images: ImageBatch) -> Tensor<3> {
        forward(&self.blocks, self.embed(images.0), None)
    }

    /// The normalized class token, `[batch, d_model]`.
    pub(super) fn pool(&self, tokens: Tensor<3>) -> Tensor<2> {
        let class = tokens.slice_dim(1, 0..1).squeeze_dim::<2>(1);
        self.post_norm.forward(class)
    }
}

impl Encoder for ClipImageEncoder {
    type Input = ImageBatch;

    /// # Errors
    ///
    /// [`MlaError::InputShape`] if the images are not `[batch, channels, image_size, image_size]`.
    fn check(&self, images: &ImageBatch) -> Result<()> {
        let (found, size) = (images.0.dims(), self.image_size);
        let channels = self.patches.channels();
        if found[1..] == [channels, size, size] {
            return Ok(());
        }
        Err(MlaError::input_shape(
            found,
            format!("[batch, {channels}, {size}, {size}]"),
        ))
    }

    /// # Panics
    ///
    /// For an input that `check` refuses.
    fn encode(&self, images: ImageBatch) -> Tensor<2> {
        let class = self.pool(self.tokens(images));
        feature(&self.projection, class, self.normalized)
    }

    fn d_feature(&self) -> usize {
        self.projection.weight.lazy_shape()[1]
    }
}

impl Blocks for ClipImageEncoder {
    fn blocks(&self) -> Vec<Vec<String>> {
        let embedding = ["class_token", "patches", "positions", "pre_norm"];
        in_order(&embedding, &[("blocks", self.blocks.len())])
    }
}
