//! The encoders of the paper as one type, so that the methods are compiled once for all examples.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::dataset::TakeRows;
use burn_mla::encoder::{Encoder, MlpEncoder};
use burn_mla::modality::{FbankBatch, ImageBatch, SelectRows, TokenBatch, VideoBatch};
use burn_mla::{MlaError, Result};
use burn_mla_encoders::cav_mae::{CavMaeAudioEncoder, CavMaeVisualEncoder};
use burn_mla_encoders::m3ae::{M3aeImageEncoder, M3aeTextEncoder};
use burn_mla_encoders::resnet::ResNetEncoder;

macro_rules! encoders {
    ($($(#[$doc:meta])* $name:ident($encoder:ty) of $input:ident),+ $(,)?) => {
        /// An encoder of the paper, or of features that were computed before.
        ///
        /// Your own program names its encoders in a tuple, whose inputs the compiler checks.
        #[derive(Module, Debug)]
        // A model has one encoder per modality.
        #[allow(clippy::large_enum_variant)]
        pub enum PaperEncoder {
            $($(#[$doc])* $name($encoder),)+
        }

        $(
            impl From<$encoder> for PaperEncoder {
                fn from(encoder: $encoder) -> Self {
                    Self::$name(encoder)
                }
            }
        )+

        /// # Panics
        ///
        /// [`encode`](Encoder::encode) panics for an input that [`check`](Encoder::check) refuses.
        impl Encoder for PaperEncoder {
            type Input = PaperInput;

            fn check(&self, input: &PaperInput) -> Result<()> {
                match (self, input) {
                    $((Self::$name(encoder), PaperInput::$input(input)) => encoder.check(input),)+
                    _ => Err(MlaError::Data {
                        message: "the input is of another kind of encoder".to_string(),
                    }),
                }
            }

            fn encode(&self, input: PaperInput) -> Tensor<2> {
                match (self, input) {
                    $((Self::$name(encoder), PaperInput::$input(input)) => encoder.encode(input),)+
                    _ => panic!("the input is of another kind of encoder"),
                }
            }

            fn d_feature(&self) -> usize {
                match self {
                    $(Self::$name(encoder) => encoder.d_feature(),)+
                }
            }
        }
    };
}

encoders! {
    /// ResNet for filter banks or spectrograms.
    AudioResNet(ResNetEncoder<FbankBatch>) of Fbank,
    /// ResNet for frames.
    VideoResNet(ResNetEncoder<VideoBatch>) of Video,
    /// M3AE for images.
    M3aeImage(M3aeImageEncoder) of Image,
    /// M3AE for texts.
    M3aeText(M3aeTextEncoder) of Tokens,
    /// CAV-MAE for filter banks.
    CavMaeAudio(CavMaeAudioEncoder) of Fbank,
    /// CAV-MAE for images.
    CavMaeVisual(CavMaeVisualEncoder) of Image,
    /// Layers on features that were computed before.
    Features(MlpEncoder) of Features,
}

macro_rules! inputs {
    ($($(#[$doc:meta])* $name:ident($input:ty)),+ $(,)?) => {
        /// The input of a [`PaperEncoder`].
        #[derive(Debug, Clone)]
        // A batch has one input per modality.
        #[allow(clippy::large_enum_variant)]
        pub enum PaperInput {
            $($(#[$doc])* $name($input),)+
        }

        $(
            impl From<$input> for PaperInput {
                fn from(input: $input) -> Self {
                    Self::$name(input)
                }
            }
        )+

        impl SelectRows for PaperInput {
            fn n_rows(&self) -> Result<usize> {
                match self {
                    $(Self::$name(input) => input.n_rows(),)+
                }
            }

            fn select_rows(self, rows: &[usize]) -> Result<Self> {
                Ok(match self {
                    $(Self::$name(input) => Self::$name(input.select_rows(rows)?),)+
                })
            }
        }

        impl TakeRows for PaperInput {
            fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
                Ok(match self {
                    $(Self::$name(input) => Self::$name(input.take_rows(rows, device)?),)+
                })
            }
        }
    };
}

inputs! {
    /// Filter banks or spectrograms.
    Fbank(FbankBatch),
    /// Frames.
    Video(VideoBatch),
    /// Images.
    Image(ImageBatch),
    /// Texts.
    Tokens(TokenBatch),
    /// Features.
    Features(Tensor<2>),
}
