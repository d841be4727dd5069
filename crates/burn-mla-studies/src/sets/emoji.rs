//! Emoji modalities on the published split.

use std::sync::Arc;

use burn::tensor::Device;
use burn_mla::loader::TrainingData;
use burn_mla::modality::Presence;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{
    Batches, Emoji, EmojiEncoder, EmojiInputs, EncoderSizes, Modality,
};

use super::{EVALUATION_BATCH, Loader, Set};

/// Emoji with some of their modalities.
pub struct EmojiSet<'a> {
    pub(super) emoji: &'a Arc<Emoji>,
    pub(super) sizes: &'a EncoderSizes,
    pub(super) modalities: &'static [Modality],
    pub(super) seed: u64,
    pub(super) presence: Option<Presence>,
}

impl EmojiSet<'_> {
    fn batches(&self, batch_size: usize) -> Batches<'_> {
        Batches {
            emoji: self.emoji,
            modalities: self.modalities,
            batch_size,
            presence: self.presence.clone(),
        }
    }
}

impl Set for EmojiSet<'_> {
    type Encoder = EmojiEncoder;

    fn n_classes(&self) -> usize {
        self.emoji.classes.len()
    }

    fn n_data(&self) -> usize {
        self.emoji.len()
    }

    fn weight_decay(&self) -> f32 {
        0.05
    }

    fn label_smoothing(&self) -> Option<f64> {
        Some(0.1)
    }

    fn d_feature(&self) -> usize {
        self.sizes.d_feature
    }

    fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<EmojiEncoder>> {
        EmojiEncoder::init_all(self.modalities, self.sizes, device)
    }

    fn training_samples(&self) -> Vec<usize> {
        self.emoji.indices(Split::Train)
    }

    fn validation_samples(&self) -> Vec<usize> {
        self.emoji.indices(Split::Valid)
    }

    fn test_samples(&self) -> Vec<usize> {
        self.emoji.indices(Split::Test)
    }

    fn classes(&self) -> Vec<usize> {
        let all = 0..self.emoji.len();
        all.map(|index| self.emoji.label(index)).collect()
    }

    fn shuffled(
        &self,
        samples: Vec<usize>,
        batch_size: usize,
        device: &Device,
    ) -> burn_mla::Result<TrainingData<EmojiInputs>> {
        let batches = self.batches(batch_size);
        Ok(batches.shuffled(samples, self.seed, device)?.into())
    }

    fn in_order(&self, samples: Vec<usize>, device: &Device) -> burn_mla::Result<Loader<Self>> {
        self.batches(EVALUATION_BATCH).in_order(samples, device)
    }
}
