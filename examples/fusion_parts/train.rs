use std::error::Error;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn_mla::prelude::*;

use crate::cell::Key;
use crate::emoji::{Batches, EmojiEncoder, EncoderSizes, Split};

pub type Model = Mla<Vec<EmojiEncoder>, LinearHead, DefaultProjector, MeanFusion>;

pub const BATCH_SIZE: usize = 64;
const LEARNING_RATE: f64 = 4e-3;
const WEIGHT_DECAY: f32 = 0.05;

/// The encoders of the projectors example.
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

/// Trains on the training split. The fusion takes no part in training: any will do.
pub fn train(batches: &Batches, key: &Key, device: &Device) -> Result<Model, Box<dyn Error>> {
    device.seed(key.seed);
    let device = device.clone().autodiff();
    let sizes = sizes();
    let encoders = batches
        .modalities
        .iter()
        .map(|&modality| EmojiEncoder::init(modality, &sizes, &device))
        .collect::<burn_mla::Result<Vec<_>>>()?;
    let n_classes = batches.emoji.classes.len();
    let head = LinearHeadConfig::new(sizes.d_feature, n_classes).init(&device)?;
    let mut model = MlaConfig::new()
        .with_label_smoothing(Some(key.label_smoothing))
        .init(
            encoders,
            head,
            DefaultProjector::default(),
            MeanFusion::new(),
        )?;

    let split = batches.emoji.indices(Split::Train);
    let n_turns = 2 * split.len().div_ceil(batches.batch_size);
    let loader = batches.shuffled(split, key.seed, &device)?;
    let turns = AlternatingLoader::paired(Arc::new(loader), 2, RoundRobin)?;
    let mut schedule: ModuleLrScheduler =
        CosineAnnealingLrSchedulerConfig::new(LEARNING_RATE, n_turns * key.epochs).init()?;
    let mut optimizer = AdamWConfig::new().with_weight_decay(WEIGHT_DECAY).init();
    for _ in 0..key.epochs {
        for turn in turns.iter() {
            let output = model.try_step(turn?)?;
            model.try_optimize(&mut optimizer, schedule.step(), output.grads)?;
        }
    }
    Ok(model.valid())
}
