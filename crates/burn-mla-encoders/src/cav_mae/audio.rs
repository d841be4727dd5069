//! The audio branch of CAV-MAE.

use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoder;
use burn_mla::modality::FbankBatch;
use burn_mla::module::draw_parameters;
use burn_mla::{MlaError, Result};

use super::config::CavMaeConfig;
use super::transformer::{CavMaeTransformer, of_the_authors};
use crate::blocks::Blocks;
use crate::weights::{WeightFile, WeightsError};

/// The CAV-MAE encoder of audio. Its feature is the mean of all tokens after the last normalization.
///
/// It takes filter banks of `audio_length` frames and `mel_bins` bins, normalized as in the data set
/// of CAV-MAE: `(x + 5.081) / 4.4849`.
///
/// Its modules are `transformer.specific.N`, `transformer.unified.N` and `transformer.norm`.
#[derive(Module, Debug)]
pub struct CavMaeAudioEncoder {
    pub(super) transformer: CavMaeTransformer,
    audio_length: usize,
    mel_bins: usize,
}

impl CavMaeConfig {
    /// Initializes the encoder of audio on `device`, as the original. Its parameters are drawn here.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init_audio(&self, device: &Device) -> Result<CavMaeAudioEncoder> {
        self.init_audio_lazy(device).map(draw_parameters)
    }

    /// As [`init_audio`](Self::init_audio), without drawing the parameters. Weights that are loaded next replace
    /// them, which saves the time of drawing; others are drawn at their first use.
    ///
    /// # Errors
    ///
    /// As [`init_audio`](Self::init_audio).
    pub fn init_audio_lazy(&self, device: &Device) -> Result<CavMaeAudioEncoder> {
        self.check()?;
        let grid = [self.mel_bins, self.audio_length].map(|size| size / self.patch_size);
        Ok(CavMaeAudioEncoder {
            transformer: CavMaeTransformer::init(self, 1, grid, device),
            audio_length: self.audio_length,
            mel_bins: self.mel_bins,
        })
    }
}

impl CavMaeAudioEncoder {
    /// Describes a file with the weights of MLA's version, of which the encoder ignores the visual
    /// branch and the norms that it does not use.
    pub fn weight_file(&self, path: impl Into<PathBuf>) -> WeightFile {
        self.transformer.weight_file(path.into(), "a", "v")
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

    /// The input of the first block.
    pub(super) fn embed(&self, audio: Tensor<3>) -> Tensor<3> {
        self.transformer
            .embed(audio.swap_dims(1, 2).unsqueeze_dim(1))
    }

    /// The tokens after the last normalization, `[batch, mel_bins / patch * audio_length / patch,
    /// d_model]`: all times of the lowest bins first.
    pub fn tokens(&self, audio: FbankBatch) -> Tensor<3> {
        self.transformer.forward(self.embed(audio.0))
    }
}

impl Encoder for CavMaeAudioEncoder {
    type Input = FbankBatch;

    /// # Errors
    ///
    /// [`MlaError::InputShape`] if the filter banks are not `[batch, audio_length, mel_bins]`.
    fn check(&self, audio: &FbankBatch) -> Result<()> {
        let found = audio.0.dims();
        let (frames, bins) = (self.audio_length, self.mel_bins);
        if found[1..] == [frames, bins] {
            return Ok(());
        }
        Err(MlaError::input_shape(
            found,
            format!("[batch, {frames}, {bins}]"),
        ))
    }

    /// # Panics
    ///
    /// For an input that `check` refuses.
    fn encode(&self, audio: FbankBatch) -> Tensor<2> {
        self.tokens(audio).mean_dim(1).squeeze_dim(1)
    }

    fn d_feature(&self) -> usize {
        self.transformer.d_model()
    }
}

impl Blocks for CavMaeAudioEncoder {
    fn blocks(&self) -> Vec<Vec<String>> {
        self.transformer.blocks()
    }
}
