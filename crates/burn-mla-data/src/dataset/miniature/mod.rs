//! Miniatures of published data sets: synthetic sound, pictures, clips and texts in the published layout.
//!
//! Each class has a tone, a picture and words of its own, which a model can learn. Nothing of the real
//! data is in them, and no result on them says anything about the real data.

mod clip;
mod picture;
mod sound;
mod vocabulary;
mod words;

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use sha2::{Digest, Sha256};

use crate::video::Ffmpeg;

pub(crate) use clip::{Container, save_clip, save_frames};
pub(crate) use picture::{picture, save_jpeg};
pub(crate) use sound::tone;
pub(crate) use vocabulary::save_vocabulary;
pub(crate) use words::sentence;

/// Any error in writing a miniature.
pub type MiniatureError = Box<dyn std::error::Error + Send + Sync>;

/// Options of a miniature.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `n_per_class` | 6 | samples of each class | >= 3 |
/// | `n_classes` | as published | classes, the first of the published ones | >= 2 |
/// | `seed` | 0 | noise | |
/// | `ffmpeg` | none | writes clips; without it, frames are written as prepared ones | |
#[derive(Debug, Clone, PartialEq)]
pub struct Miniature {
    /// Samples of each class.
    pub n_per_class: usize,
    /// Number of classes; none for all.
    pub n_classes: Option<usize>,
    /// Seed of the noise.
    pub seed: u64,
    /// The program that writes clips.
    pub ffmpeg: Option<Ffmpeg>,
}

impl Default for Miniature {
    fn default() -> Self {
        Self {
            n_per_class: 6,
            n_classes: None,
            seed: 0,
            ffmpeg: None,
        }
    }
}

impl Miniature {
    /// Random numbers for a sample, the same whatever is written before it.
    pub(crate) fn numbers(&self, id: &str) -> ChaCha12Rng {
        let hash = Sha256::new_with_prefix(self.seed.to_le_bytes());
        ChaCha12Rng::from_seed(hash.chain_update(id).finalize().into())
    }
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), MiniatureError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, content)?)
}
