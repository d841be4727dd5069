//! The visual branch of CAV-MAE.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::ImageBatch;
use burn_mla::module::draw_parameters;
use burn_mla::{MlaError, Result};

use super::config::CavMaeConfig;
use super::transformer::{CavMaeTransformer, of_the_authors};
use crate::blocks::Blocks;
use crate::weights::{WeightFile, WeightsError};

/// Channels of an image.
const CHANNELS: usize = 3;

/// The CAV-MAE encoder of images. Its feature is the mean of all tokens after the last normalization.
///
/// Its modules are `transformer.specific.N`, `transformer.unified.N` and `transformer.norm`.
#[derive(Module, Debug)]
pub struct CavMaeVisualEncoder {
    pub(super) transformer: CavMaeTransformer,
    image_size: usize,
}

impl CavMaeConfig {
    /// Initializes the encoder of images on `device`, as the original. Its parameters are drawn
    /// here.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init_visual(&self, device: &Device) -> Result<CavMaeVisualEncoder> {
        self.init_visual_lazy(device).map(draw_parameters)
    }

    /// As [`init_visual`](Self::init_visual), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init_visual`](Self::init_visual).
    pub fn init_visual_lazy(&self, device: &Device) -> Result<CavMaeVisualEncoder> {
        self.check()?;
        let grid = [self.image_size / self.patch_size; 2];
        Ok(CavMaeVisualEncoder {
            transformer: CavMaeTransformer::init(self, CHANNELS, grid, device),
            image_size: self.image_size,
        })
    }
}

impl CavMaeVisualEncoder {
    /// Describes a file with the weights of MLA's version, of which the encoder ignores the audio
    /// branch and the norms that it does not use.
    pub fn weight_file(&self, path: impl Into<PathBuf>) -> WeightFile {
        self.transformer.weight_file(path.into(), "v", "a")
    }

    /// Describes a checkpoint of CAV-MAE's authors, pretrained or fine-tuned. In addition to
    /// [`weight_file`](Self::weight_file), it ignores `norm`, `mlp_head`, `mask_token` and the
    /// decoder.
    pub fn authors_weight_file(&self, path: impl Into<PathBuf>) -> WeightFile {
        of_the_authors(self.weight_file(path))
    }

    /// Returns the encoder with the weights of [`weight_file`](Self::weight_file).
    ///
    /// # Errors
    ///
    /// As [`WeightFile::load`].
    pub fn load_pretrained(self, path: impl Into<PathBuf>) -> Result<Self, WeightsError> {
        self.weight_file(path).load(self)
    }

    /// The tokens after the last normalization, `[batch, patches, d_model]`, row by row.
    pub fn tokens(&self, images: ImageBatch) -> Tensor<3> {
        self.transformer.forward(self.transformer.embed(images.0))
    }
}

impl Encoder for CavMaeVisualEncoder {
    type Input = ImageBatch;

    /// # Errors
    ///
    /// [`MlaError::InputShape`] if the images are not `[batch, 3, image_size, image_size]`.
    fn check(&self, images: &ImageBatch) -> Result<()> {
        let (found, size) = (images.0.dims(), self.image_size);
        if found[1..] == [CHANNELS, size, size] {
            return Ok(());
        }
        Err(MlaError::input_shape(
            found,
            format!("[batch, {CHANNELS}, {size}, {size}]"),
        ))
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

impl Blocks for CavMaeVisualEncoder {
    fn blocks(&self) -> Vec<Vec<String>> {
        self.transformer.blocks()
    }
}
