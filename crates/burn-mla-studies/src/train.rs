//! MLA on emoji, as the examples train it that compare rules: with small encoders, many times. The
//! module `emoji` must be there beside this one.

use std::error::Error;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn_mla::fusion::MeanFusion;
use burn_mla::prelude::*;

use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{Batches, EmojiEncoder, EncoderSizes};

/// A trained model. The fusion takes no part in training: any can take its place.
pub type Model<P> = Mla<Vec<EmojiEncoder>, LinearHead, P, MeanFusion>;

pub const BATCH_SIZE: usize = 64;
const LEARNING_RATE: f64 = 4e-3;
const WEIGHT_DECAY: f32 = 0.05;

/// The emoji example's, but smaller.
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

/// How a model is trained.
pub struct Training {
    pub config: MlaConfig,
    pub epochs: usize,
    pub seed: u64,
}

impl Training {
    /// Trains on the training split, with autodiff on the device; the model comes without.
    ///
    /// # Errors
    ///
    /// What the model and the batches report.
    pub fn run<P: OrthogonalProjector>(
        &self,
        batches: &Batches,
        projector: P,
        device: &Device,
    ) -> Result<Model<P>, Box<dyn Error>> {
        device.seed(self.seed);
        let device = device.clone().autodiff();
        let sizes = sizes();
        let modalities = batches.modalities.iter();
        let encoders = modalities
            .map(|&modality| EmojiEncoder::init(modality, &sizes, &device))
            .collect::<burn_mla::Result<Vec<_>>>()?;
        let n_modalities = encoders.len();
        let n_classes = batches.emoji.classes.len();
        let head = LinearHeadConfig::new(sizes.d_feature, n_classes).init(&device)?;
        let mut model = self
            .config
            .init(encoders, head, projector, MeanFusion::new())?;

        let split = batches.emoji.indices(Split::Train);
        let n_turns = n_modalities * split.len().div_ceil(batches.batch_size);
        let loader = batches.shuffled(split, self.seed, &device)?;
        let turns = AlternatingLoader::paired(Arc::new(loader), n_modalities, RoundRobin)?;
        let mut schedule: ModuleLrScheduler =
            CosineAnnealingLrSchedulerConfig::new(LEARNING_RATE, n_turns * self.epochs).init()?;
        let mut optimizer = AdamWConfig::new().with_weight_decay(WEIGHT_DECAY).init();
        for _ in 0..self.epochs {
            for turn in turns.iter() {
                let output = model.try_step(turn?)?;
                model.try_optimize(&mut optimizer, schedule.step(), output.grads)?;
            }
        }
        Ok(model.valid())
    }
}
