//! MLA on emoji with small encoders, for the studies that train many models.

use std::error::Error;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::tensor::Device;
use burn_mla::fusion::MeanFusion;
use burn_mla::prelude::*;

use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{Batches, EmojiEncoder, EncoderSizes};

use crate::training::Training;

/// A trained model. Training does not depend on the fusion, which can be replaced by any other.
pub type Model<P> = Mla<Vec<EmojiEncoder>, LinearHead, P, MeanFusion>;

pub const BATCH_SIZE: usize = 64;
const LEARNING_RATE: f64 = 4e-3;
const WEIGHT_DECAY: f32 = 0.05;

/// Smaller encoders than those of the emoji example.
pub fn sizes() -> EncoderSizes {
    EncoderSizes {
        d_feature: 128,
        d_text: 2048,
        text_hidden: 128,
        stages: vec![8, 16, 32],
        dropout: 0.1,
        text_input_dropout: 0.5,
    }
}

/// The configuration of a model, and the epochs and the seed of its training.
pub struct Recipe {
    pub config: MlaConfig,
    pub epochs: usize,
    pub seed: u64,
}

impl Recipe {
    /// Trains on the training split and returns the model without autodiff.
    ///
    /// # Errors
    ///
    /// Those of the model and the batches.
    pub fn run<P: OrthogonalProjector>(
        &self,
        batches: &Batches,
        projector: P,
        device: &Device,
    ) -> Result<Model<P>, Box<dyn Error>> {
        device.seed(self.seed);
        let device = device.clone().autodiff();
        let sizes = sizes();
        let encoders = EmojiEncoder::init_all(batches.modalities, &sizes, &device)?;
        let n_modalities = encoders.len();
        let n_classes = batches.emoji.classes.len();
        let head = LinearHeadConfig::new(sizes.d_feature, n_classes).init(&device)?;
        let model = self.config.init(encoders, head, projector, MeanFusion)?;

        let split = batches.emoji.indices(Split::Train);
        let n_turns = n_modalities * split.len().div_ceil(batches.batch_size);
        let train = batches.shuffled(split, self.seed, &device)?;
        let schedule: ModuleLrScheduler =
            CosineAnnealingLrSchedulerConfig::new(LEARNING_RATE, n_turns * self.epochs).init()?;
        let mut training = Training::new(model, train, schedule)?.with_weight_decay(WEIGHT_DECAY);
        for _ in 0..self.epochs {
            training.pass()?;
        }
        Ok(training.model.valid())
    }
}
