//! The encoders that the example and the studies use for emoji.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::dataset::TakeRows;
use burn_mla::encoder::CnnEncoder;
use burn_mla::modality::SelectRows;
use burn_mla::prelude::*;
use serde::{Deserialize, Serialize};

use super::Modality;
use super::data::GRAY_SIDE;

/// Widths and dropout of the encoders.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_feature` | 128 | width of the features of every encoder | >= 1 |
/// | `d_text` | 4096 | width of the text vectors | >= 1 |
/// | `text_hidden` | 256 | width of the hidden layer for texts and thumbnails | >= 1 |
/// | `stages` | 24, 48, 96 | channels of each stage of the CNN | each >= 1 |
/// | `dropout` | 0.1 | dropout before the features | [0, 1) |
/// | `text_input_dropout` | 0.5 | dropout on the text vectors | [0, 1) |
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EncoderSizes {
    /// Width of the features of every encoder.
    pub d_feature: usize,
    /// Width of the text vectors.
    pub d_text: usize,
    /// Width of the hidden layer for texts and thumbnails.
    pub text_hidden: usize,
    /// Channels of each stage of the CNN.
    pub stages: Vec<usize>,
    /// Dropout before the features.
    pub dropout: f64,
    /// Dropout on the text vectors.
    pub text_input_dropout: f64,
}

impl Default for EncoderSizes {
    fn default() -> Self {
        Self {
            d_feature: 128,
            d_text: 4096,
            text_hidden: 256,
            stages: vec![24, 48, 96],
            dropout: 0.1,
            text_input_dropout: 0.5,
        }
    }
}

/// Encoder of one modality. The modalities are chosen at run time, which makes the encoders of a
/// model a `Vec` of this type rather than a tuple.
#[derive(Module, Debug)]
pub enum EmojiEncoder {
    /// A CNN, for images.
    Image(CnnEncoder),
    /// An MLP, for texts and thumbnails.
    Vector(MlpEncoder),
}

/// Input of one modality.
#[derive(Debug, Clone)]
pub enum EmojiInput {
    /// Images in -1..1, `[batch, 3, 32, 32]`.
    Image(Tensor<4>),
    /// Hashed texts or grey thumbnails, `[batch, width]`.
    Vector(Tensor<2>),
}

impl EmojiEncoder {
    /// Initializes the encoders of several modalities, in their order.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_all(
        modalities: &[Modality],
        sizes: &EncoderSizes,
        device: &Device,
    ) -> Result<Vec<Self>> {
        let init = |&modality| Self::init(modality, sizes, device);
        modalities.iter().map(init).collect()
    }

    /// Initializes the encoder of a modality.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a size of 0 or a dropout outside of `[0, 1)`.
    pub fn init(modality: Modality, sizes: &EncoderSizes, device: &Device) -> Result<Self> {
        let d_feature = sizes.d_feature;
        Ok(match modality {
            Modality::Fluent | Modality::Noto => Self::Image(
                CnnEncoderConfig::new(3, d_feature)
                    .with_stages(sizes.stages.clone())
                    .with_dropout(sizes.dropout)
                    .init(device)?,
            ),
            Modality::Gray8 => Self::Vector(
                MlpEncoderConfig::new(GRAY_SIDE * GRAY_SIDE, d_feature)
                    .with_hidden(vec![sizes.text_hidden])
                    .with_dropout(sizes.dropout)
                    .init(device)?,
            ),
            Modality::Label | Modality::Tags | Modality::LabelDe => Self::Vector(
                MlpEncoderConfig::new(sizes.d_text, d_feature)
                    .with_hidden(vec![sizes.text_hidden])
                    .with_dropout(sizes.dropout)
                    .with_input_dropout(sizes.text_input_dropout)
                    .init(device)?,
            ),
        })
    }
}

/// # Panics
///
/// [`encode`](Encoder::encode) panics for an input of the other kind: an image for the MLP, or a vector
/// for the CNN.
impl Encoder for EmojiEncoder {
    type Input = EmojiInput;

    fn check(&self, input: &EmojiInput) -> Result<()> {
        match (self, input) {
            (Self::Image(encoder), EmojiInput::Image(image)) => encoder.check(image),
            (Self::Vector(encoder), EmojiInput::Vector(vector)) => encoder.check(vector),
            (Self::Image(_), EmojiInput::Vector(vector)) => {
                Err(MlaError::input_shape(vector.dims(), "images"))
            }
            (Self::Vector(_), EmojiInput::Image(image)) => {
                Err(MlaError::input_shape(image.dims(), "vectors"))
            }
        }
    }

    fn encode(&self, input: EmojiInput) -> Tensor<2> {
        match (self, input) {
            (Self::Image(encoder), EmojiInput::Image(image)) => encoder.encode(image),
            (Self::Vector(encoder), EmojiInput::Vector(vector)) => encoder.encode(vector),
            _ => panic!("an image encoder needs images, and any other encoder vectors"),
        }
    }

    fn d_feature(&self) -> usize {
        match self {
            Self::Image(encoder) => encoder.d_feature(),
            Self::Vector(encoder) => encoder.d_feature(),
        }
    }
}

impl SelectRows for EmojiInput {
    fn n_rows(&self) -> Result<usize> {
        match self {
            Self::Image(images) => images.n_rows(),
            Self::Vector(vectors) => vectors.n_rows(),
        }
    }

    fn select_rows(self, rows: &[usize]) -> Result<Self> {
        Ok(match self {
            Self::Image(images) => Self::Image(images.select_rows(rows)?),
            Self::Vector(vectors) => Self::Vector(vectors.select_rows(rows)?),
        })
    }
}

impl TakeRows for EmojiInput {
    fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
        Ok(match self {
            Self::Image(images) => Self::Image(images.take_rows(rows, device)?),
            Self::Vector(vectors) => Self::Vector(vectors.take_rows(rows, device)?),
        })
    }
}
