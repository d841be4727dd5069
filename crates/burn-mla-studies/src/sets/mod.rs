//! Sets of modalities that several studies train on: emoji, and views of digits.

mod digits;
mod emoji;
#[cfg(test)]
pub mod small;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use burn_mla::encoder::Encoders;
use burn_mla::loader::TrainingData;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use burn_mla_data::dataset::emoji::{Emoji, EncoderSizes, Modality};
use burn_mla_data::dataset::mfeat::{Mfeat, MfeatView};

pub use digits::Digits;
pub use emoji::EmojiSet;

/// Batches and encoders of a set of modalities, with a split and a mask.
pub trait Set: Sized {
    type Encoder: Encoder<Input: Clone> + 'static;

    fn n_classes(&self) -> usize;

    /// Number of samples that a batch of [`train`](Self::train) can name.
    fn n_data(&self) -> usize;

    fn weight_decay(&self) -> f32;

    fn label_smoothing(&self) -> Option<f64>;

    fn d_feature(&self) -> usize;

    /// The encoders of all modalities, whose parameters are not drawn yet.
    fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<Self::Encoder>>;

    /// The samples of the training part, among all.
    fn training_samples(&self) -> Vec<usize>;

    /// The samples of the validation part, among all.
    fn validation_samples(&self) -> Vec<usize>;

    /// The samples of the test part, among all.
    fn test_samples(&self) -> Vec<usize>;

    /// The class of each sample of all parts.
    fn classes(&self) -> Vec<usize>;

    /// Shuffled batches of some of all samples. A sample can occur several times.
    fn shuffled(
        &self,
        samples: Vec<usize>,
        batch_size: usize,
        device: &Device,
    ) -> burn_mla::Result<TrainingData<Inputs<Self>>>;

    /// Batches of some of all samples, in their order.
    fn in_order(&self, samples: Vec<usize>, device: &Device) -> burn_mla::Result<Loader<Self>>;

    /// Two halves of the validation part, all of it, and the test part.
    fn held_out(&self, device: &Device) -> burn_mla::Result<[Loader<Self>; 4]> {
        let valid = self.validation_samples();
        let [a, b] = halves(&valid);
        let loader = |samples| self.in_order(samples, device);
        Ok([
            loader(a)?,
            loader(b)?,
            loader(valid)?,
            loader(self.test_samples())?,
        ])
    }

    /// Shuffled batches of the training part.
    fn train(&self, device: &Device) -> burn_mla::Result<TrainingData<Inputs<Self>>> {
        self.shuffled(self.training_samples(), BATCH_SIZE, device)
    }
}

pub type Inputs<S> = <Vec<<S as Set>::Encoder> as Encoders>::Inputs;
pub type Loader<S> = Arc<dyn DataLoader<MultimodalBatch<Inputs<S>>>>;

/// Samples per training batch.
pub const BATCH_SIZE: usize = 64;
const EVALUATION_BATCH: usize = 256;

/// The modalities of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modalities {
    Emoji(&'static [Modality]),
    Digits(&'static [MfeatView]),
}

impl Modalities {
    pub fn names(self) -> Vec<&'static str> {
        match self {
            Self::Emoji(all) => all.iter().map(|modality| modality.name()).collect(),
            Self::Digits(all) => all.iter().map(|view| view.name()).collect(),
        }
    }

    pub fn is_digits(self) -> bool {
        matches!(self, Self::Digits(_))
    }
}

/// The open data sets.
pub struct Sources {
    emoji: Option<Arc<Emoji>>,
    mfeat: Option<Mfeat>,
    sizes: EncoderSizes,
}

impl Sources {
    /// Opens what the sets need. `sizes` are those of the encoders of emoji, `folder` is that of the digits.
    pub fn open(
        all: impl IntoIterator<Item = Modalities>,
        sizes: EncoderSizes,
        folder: Option<&Path>,
    ) -> Result<Self, Box<dyn Error>> {
        let (digits, emoji): (Vec<_>, Vec<_>) = all.into_iter().partition(|set| set.is_digits());
        let emoji = (!emoji.is_empty())
            .then(|| Emoji::load(sizes.d_text))
            .transpose()?;
        let mfeat = match folder.filter(|_| !digits.is_empty()) {
            Some(folder) => Some(Mfeat::open(folder)?),
            None => None,
        };
        Ok(Self {
            emoji,
            mfeat,
            sizes,
        })
    }

    /// Number of samples of a set, all parts together.
    pub fn n_samples(&self, set: Modalities) -> Result<usize, Box<dyn Error>> {
        Ok(match set {
            Modalities::Emoji(_) => self.open_emoji()?.len(),
            Modalities::Digits(_) => self.open_digits()?.len(),
        })
    }

    fn open_emoji(&self) -> Result<&Arc<Emoji>, &'static str> {
        self.emoji.as_ref().ok_or("the emoji are not open")
    }

    fn open_digits(&self) -> Result<&Mfeat, &'static str> {
        self.mfeat.as_ref().ok_or("digits need --mfeat FOLDER")
    }

    /// A set of emoji modalities. `presence` is the mask of all emoji.
    pub fn emoji(
        &self,
        modalities: &'static [Modality],
        seed: u64,
        presence: Option<Presence>,
    ) -> Result<EmojiSet<'_>, Box<dyn Error>> {
        Ok(EmojiSet {
            emoji: self.open_emoji()?,
            sizes: &self.sizes,
            modalities,
            seed,
            presence,
        })
    }

    /// A set of views of the digits. `presence` is the mask of all digits.
    pub fn digits(
        &self,
        views: &'static [MfeatView],
        seed: u64,
        presence: Option<Presence>,
    ) -> Result<Digits, Box<dyn Error>> {
        Ok(Digits::new(self.open_digits()?, views, seed, presence)?)
    }
}

/// Every other position, and the rest.
fn halves(all: &[usize]) -> [Vec<usize>; 2] {
    [0, 1].map(|first| all.iter().copied().skip(first).step_by(2).collect())
}
