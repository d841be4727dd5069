use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::modality::SelectRows;
use burn_mla::prelude::*;
use serde::{Deserialize, Serialize};

use super::Modality;
use super::data::GRAY_SIDE;

/// Widths of the encoders, and how much they drop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EncoderSizes {
    pub d_feature: usize,
    pub d_text: usize,
    pub text_hidden: usize,
    pub stages: Vec<usize>,
    pub dropout: f64,
    pub text_input_dropout: f64,
}

/// The encoder of one modality. Modalities are chosen at run time, so that the encoders are a
/// `Vec` of this rather than a tuple.
#[derive(Module, Debug)]
pub enum EmojiEncoder {
    Image(CnnEncoder),
    Vector(MlpEncoder),
}

/// The input of one modality.
#[derive(Debug, Clone)]
pub enum EmojiInput {
    /// `[batch, 3, 32, 32]`
    Image(Tensor<4>),
    /// Hashed text or grey thumbnail, `[batch, width]`
    Vector(Tensor<2>),
}

impl EmojiEncoder {
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

impl Encoder for EmojiEncoder {
    type Input = EmojiInput;

    fn encode(&self, input: EmojiInput) -> Tensor<2> {
        match (self, input) {
            (Self::Image(encoder), EmojiInput::Image(image)) => encoder.encode(image),
            (Self::Vector(encoder), EmojiInput::Vector(vector)) => encoder.encode(vector),
            _ => panic!("the batcher makes an image for an image encoder, a vector for others"),
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
