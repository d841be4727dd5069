//! M3AE on an image and a text together.

use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{ImageBatch, TokenBatch};
use burn_mla::module::draw_parameters;
use burn_mla::{MlaError, Result};

use super::config::M3aeConfig;
use super::image::M3aeImageEncoder;
use super::text::padding;
use super::transformer::common_weights;
use crate::blocks::{Blocks, in_order};
use crate::vit::{Arithmetic, hide_keys, normal, sin_cos};
use crate::weights::{WeightFile, WeightsError};

/// The M3AE encoder of an image with its text, as one sequence: cls, the patches, the text. Its feature
/// is the mean of all tokens after the last normalization.
///
/// This is how M3AE was trained. MLA calls it with one modality at a time, which is what
/// [`M3aeTextEncoder`](super::M3aeTextEncoder) and [`M3aeImageEncoder`] do. A pair counts as one modality
/// of a model.
///
/// Its modules are `image`, an [`M3aeImageEncoder`] with the blocks of both, `text_embedding` and
/// `text_type`.
#[derive(Module, Debug)]
pub struct M3aeJointEncoder {
    pub(super) image: M3aeImageEncoder,
    text_embedding: Embedding,
    text_type: Param<Tensor<3>>,
    text_positions: Tensor<3>,
}

impl M3aeConfig {
    /// Initializes the encoder of pairs on `device`, as the original. Its parameters are drawn here.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init_joint(&self, device: &Device) -> Result<M3aeJointEncoder> {
        self.init_joint_lazy(device).map(draw_parameters)
    }

    /// As [`init_joint`](Self::init_joint), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init_joint`](Self::init_joint).
    pub fn init_joint_lazy(&self, device: &Device) -> Result<M3aeJointEncoder> {
        let image = self.init_image_lazy(device)?;
        let (length, width) = (self.text_length, self.d_model);
        Ok(M3aeJointEncoder {
            image,
            text_embedding: EmbeddingConfig::new(self.vocabulary, width)
                .with_initializer(normal(1.0))
                .init(device),
            text_type: normal(0.02).init([1, 1, width], device),
            text_positions: sin_cos(length, width, Arithmetic::Single, device),
        })
    }
}

impl M3aeJointEncoder {
    /// Describes a file with the weights of MLA's port, all of which the encoder uses.
    pub fn weight_file(path: impl Into<PathBuf>) -> WeightFile {
        common_weights(path.into(), "image.transformer")
            .with_renamed("image_embedding", "image.embedding")
            .with_renamed(
                "encoder_image_type_embedding",
                "image.transformer.type_embedding",
            )
            .with_renamed("encoder_text_type_embedding", "text_type")
    }

    /// Returns the encoder with the weights of [`weight_file`](Self::weight_file).
    ///
    /// # Errors
    ///
    /// As [`WeightFile::load`].
    pub fn load_pretrained(self, path: impl Into<PathBuf>) -> Result<Self, WeightsError> {
        Self::weight_file(path).load(self)
    }

    /// The tokens after the last normalization, `[batch, 1 + patches + length, d_model]`: cls, the
    /// patches row by row, the text.
    pub fn tokens(&self, (images, texts): (ImageBatch, TokenBatch)) -> Tensor<3> {
        let (ids, mask) = texts.into_parts();
        let [batch, length] = ids.dims();
        let images = self.image.embed(images.0);
        let n_patches = images.dims()[1] - 1;
        let positions = self.text_positions.clone().slice_dim(1, 0..length);
        let place = positions.cast(images.dtype()) + self.text_type.val();
        let texts = self.text_embedding.forward(ids) + place;
        let shown = Tensor::zeros([batch, n_patches], &mask.device());
        let hidden = hide_keys(Tensor::cat(vec![shown, padding(mask)], 1));
        let embedded = Tensor::cat(vec![images, texts], 1);
        self.image.transformer.forward(embedded, Some(&hidden))
    }
}

impl Encoder for M3aeJointEncoder {
    type Input = (ImageBatch, TokenBatch);

    /// # Errors
    ///
    /// - as [`M3aeImageEncoder`] and [`TokenBatch::check`], with `text_length` and the vocabulary;
    /// - [`MlaError::InputShape`] for another number of texts than images.
    fn check(&self, (images, texts): &Self::Input) -> Result<()> {
        self.image.check(images)?;
        let n_tokens = self.text_embedding.weight.lazy_shape()[0];
        texts.check(self.text_positions.dims()[1], n_tokens)?;
        let (n_images, found) = (images.0.dims()[0], texts.ids().dims());
        if found[0] == n_images {
            return Ok(());
        }
        let expected = format!("token ids of {n_images} texts, one per image");
        Err(MlaError::input_shape(found, expected))
    }

    /// # Panics
    ///
    /// For an input that `check` refuses.
    fn encode(&self, input: Self::Input) -> Tensor<2> {
        self.tokens(input).mean_dim(1).squeeze_dim(1)
    }

    fn d_feature(&self) -> usize {
        self.image.d_feature()
    }
}

impl Blocks for M3aeJointEncoder {
    fn blocks(&self) -> Vec<Vec<String>> {
        let front = [
            "image.embedding",
            "image.transformer.cls_token",
            "image.transformer.type_embedding",
            "text_embedding",
            "text_type",
        ];
        let n_blocks = self.image.transformer.blocks.len();
        in_order(&front, &[("image.transformer.blocks", n_blocks)])
    }
}
