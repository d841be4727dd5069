//! Sizes of CAV-MAE.

use burn::config::Config;
use burn_mla::Result;

use crate::vit::check::{at_least_one, multiple, positive};
use crate::vit::{Activation, BlockConfig, BlockInitializers};

/// Width of the hidden layer of an MLP, in widths of the model.
const MLP_RATIO: usize = 4;

/// Configuration of a [`CavMaeAudioEncoder`](super::CavMaeAudioEncoder) or
/// [`CavMaeVisualEncoder`](super::CavMaeVisualEncoder).
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_model` | 768 | width of the tokens and of the feature | a multiple of 4 and of `n_heads` |
/// | `n_heads` | 12 | attention heads | >= 1 |
/// | `specific_depth` | 11 | blocks of one modality | >= 0 |
/// | `unified_depth` | 1 | blocks that both modalities share in pretraining | >= 0 |
/// | `patch_size` | 16 | height and width of a patch | >= 1 |
/// | `image_size` | 224 | height and width of an image, in pixels | a multiple of `patch_size` |
/// | `audio_length` | 1024 | frames of a filter bank; 10 ms each | a multiple of `patch_size` |
/// | `mel_bins` | 128 | bins of a filter bank | a multiple of `patch_size` |
/// | `epsilon` | 1e-5 | added to the variance in layer normalization | > 0 |
///
/// The defaults are the published sizes. The original trains without dropout and drop path.
#[derive(Config, Debug, PartialEq)]
pub struct CavMaeConfig {
    /// Width of the tokens and of the feature.
    #[config(default = 768)]
    pub d_model: usize,
    /// Attention heads.
    #[config(default = 12)]
    pub n_heads: usize,
    /// Blocks of one modality.
    #[config(default = 11)]
    pub specific_depth: usize,
    /// Blocks that both modalities share in pretraining.
    #[config(default = 1)]
    pub unified_depth: usize,
    /// Height and width of a patch.
    #[config(default = 16)]
    pub patch_size: usize,
    /// Height and width of an image, in pixels.
    #[config(default = 224)]
    pub image_size: usize,
    /// Frames of a filter bank.
    #[config(default = 1024)]
    pub audio_length: usize,
    /// Bins of a filter bank.
    #[config(default = 128)]
    pub mel_bins: usize,
    /// Value added to the variance in layer normalization.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

impl CavMaeConfig {
    /// The published model, which MLA uses: 768 wide, 11 + 1 blocks, 1024 frames, 224x224 pixels.
    pub fn base() -> Self {
        Self::new()
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
        let requirement = "a multiple of patch_size";
        multiple("image_size", requirement, self.image_size, self.patch_size)?;
        multiple(
            "audio_length",
            requirement,
            self.audio_length,
            self.patch_size,
        )?;
        multiple("mel_bins", requirement, self.mel_bins, self.patch_size)?;
        positive("epsilon", self.epsilon)
    }

    pub(super) fn blocks(&self) -> BlockConfig {
        BlockConfig {
            d_model: self.d_model,
            n_heads: self.n_heads,
            d_hidden: MLP_RATIO * self.d_model,
            activation: Activation::Gelu,
            epsilon: self.epsilon,
            attention_dropout: 0.0,
            dropout: 0.0,
            drop_path: 0.0,
            initializers: BlockInitializers::xavier(),
        }
    }
}
