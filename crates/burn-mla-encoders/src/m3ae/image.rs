//! The image encoder of M3AE.

use std::path::PathBuf;

use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::ImageBatch;
use burn_mla::module::draw_parameters;
use burn_mla::{MlaError, Result};

use super::config::{CHANNELS, M3aeConfig};
use super::transformer::{M3aeTransformer, weight_file};
use crate::blocks::Blocks;
use crate::vit::{Arithmetic, PatchOrder, cut, linear, per_token, sin_cos_grid};
use crate::weights::{WeightFile, WeightsError};

/// The M3AE encoder of images. Its feature is the mean of all tokens after the last normalization,
/// the cls token included, as MLA computes it.
///
/// Images are square, of any multiple of the patch size up to `image_size`. MLA feeds 256x256 pixels.
///
/// Its modules are `embedding`, `transformer.blocks.N` and `transformer.norm`.
#[derive(Module, Debug)]
pub struct M3aeImageEncoder {
    pub(super) embedding: Linear,
    pub(super) transformer: M3aeTransformer,
    /// `[rows, columns, d_model]` of the largest image.
    positions: Tensor<3>,
    patch_size: usize,
    #[module(skip)]
    patch_order: PatchOrder,
}

impl M3aeConfig {
    /// Initializes the encoder of images on `device`, as the original. Its parameters are drawn
    /// here.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init_image(&self, device: &Device) -> Result<M3aeImageEncoder> {
        self.init_image_lazy(device).map(draw_parameters)
    }

    /// As [`init_image`](Self::init_image), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init_image`](Self::init_image).
    pub fn init_image_lazy(&self, device: &Device) -> Result<M3aeImageEncoder> {
        self.check()?;
        let (width, patch) = (self.d_model, self.patch_size);
        let grid = [self.image_size / patch; 2];
        let xavier = Initializer::XavierUniform { gain: 1.0 };
        Ok(M3aeImageEncoder {
            embedding: linear(CHANNELS * patch * patch, width, &xavier, device),
            transformer: M3aeTransformer::init(self, device),
            positions: sin_cos_grid(grid, width, Arithmetic::Single, device),
            patch_size: patch,
            patch_order: self.patch_order,
        })
    }
}

impl M3aeImageEncoder {
    /// Describes a file with the weights of MLA's port, of which the encoder ignores
    /// `text_embedding` and `encoder_text_type_embedding`. Add steps for other files, as with
    /// [`M3aeTextEncoder::weight_file`](super::M3aeTextEncoder::weight_file).
    pub fn weight_file(path: impl Into<PathBuf>) -> WeightFile {
        weight_file(path.into(), "image", "text")
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
    pub(super) fn embed(&self, images: Tensor<4>) -> Tensor<3> {
        let size = images.dims()[2] / self.patch_size;
        let positions = self.positions.clone().slice([0..size, 0..size]);
        let positions = positions.reshape([1, size * size, self.transformer.d_model()]);
        let patches = cut(images, self.patch_size, self.patch_order);
        self.transformer
            .embed(per_token(&self.embedding, patches), positions)
    }

    /// The tokens after the last normalization, `[batch, 1 + patches, d_model]`: cls, then the
    /// patches row by row.
    pub fn tokens(&self, images: ImageBatch) -> Tensor<3> {
        self.transformer.forward(self.embed(images.0), None)
    }
}

impl Encoder for M3aeImageEncoder {
    type Input = ImageBatch;

    /// # Errors
    ///
    /// [`MlaError::InputShape`] if the images are not `[batch, 3, size, size]` with a size that is a
    /// multiple of the patch size, up to `image_size`.
    fn check(&self, images: &ImageBatch) -> Result<()> {
        let found = images.0.dims();
        let [_, channels, height, width] = found;
        let patch = self.patch_size;
        let largest = self.positions.dims()[0] * patch;
        let fits = height > 0 && height.is_multiple_of(patch) && height <= largest;
        if channels == CHANNELS && height == width && fits {
            return Ok(());
        }
        let expected = format!(
            "[batch, {CHANNELS}, size, size] with a size that is a multiple of {patch}, up to {largest}"
        );
        Err(MlaError::input_shape(found, expected))
    }

    /// # Panics
    ///
    /// For an input that `check` refuses.
    fn encode(&self, images: ImageBatch) -> Tensor<2> {
        self.tokens(images).mean_dim(1).squeeze_dim(1)
    }

    fn d_feature(&self) -> usize {
        self.transformer.d_model()
    }
}

impl Blocks for M3aeImageEncoder {
    fn blocks(&self) -> Vec<Vec<String>> {
        self.transformer.blocks()
    }
}
