use std::error::Error;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn_mla::prelude::*;
use burn_mla::train::{Evaluation, evaluate, fit_temperatures};

use crate::cell::{Accuracies, Scores};
use crate::emoji::{Batches, Emoji, EmojiEncoder, EncoderSizes, Missing, Modality, Split};
use crate::rules::WithRule;

/// What every setting gets: the emoji example's hyper-parameters, with smaller encoders.
pub struct Budget {
    pub sizes: EncoderSizes,
    epochs: usize,
}

const BATCH_SIZE: usize = 64;
const LEARNING_RATE: f64 = 4e-3;
const WEIGHT_DECAY: f32 = 0.05;
const LABEL_SMOOTHING: f64 = 0.1;

impl Budget {
    pub fn new(epochs: usize) -> Self {
        let sizes = EncoderSizes {
            d_feature: 128,
            d_text: 2048,
            text_hidden: 128,
            stages: vec![8, 16, 32],
            dropout: 0.1,
            text_input_dropout: 0.5,
        };
        Self { sizes, epochs }
    }
}

/// One run.
pub struct Run<'a> {
    pub budget: &'a Budget,
    pub emoji: &'a Arc<Emoji>,
    pub modalities: Vec<Modality>,
    pub projection: ProjectionConfig,
    pub seed: u64,
    pub device: &'a Device,
}

impl WithRule for Run<'_> {
    type Output = Result<Scores, Box<dyn Error>>;

    fn with<P: OrthogonalProjector>(self, rule: P) -> Self::Output {
        self.device.seed(self.seed);
        let device = self.device.clone().autodiff();
        let batches = Batches {
            emoji: self.emoji,
            modalities: &self.modalities,
            batch_size: BATCH_SIZE,
            missing: Missing::Nothing,
        };
        let encoders = self
            .modalities
            .iter()
            .map(|&modality| EmojiEncoder::init(modality, &self.budget.sizes, &device))
            .collect::<burn_mla::Result<Vec<_>>>()?;
        let d_feature = self.budget.sizes.d_feature;
        let head = LinearHeadConfig::new(d_feature, self.emoji.classes.len()).init(&device)?;
        let fusion = EntropyFusionConfig::new(2).init(&device)?;
        let mut model = MlaConfig::new()
            .with_label_smoothing(Some(LABEL_SMOOTHING))
            .with_projection(self.projection)
            .init(encoders, head, rule, fusion)?;

        let train = self.emoji.indices(Split::Train);
        let n_train = train.len();
        let train = batches.shuffled(train, self.seed, &device)?;
        let turns = AlternatingLoader::paired(Arc::new(train), 2, RoundRobin)?;
        let n_steps = 2 * n_train.div_ceil(BATCH_SIZE) * self.budget.epochs;
        let mut schedule: ModuleLrScheduler =
            CosineAnnealingLrSchedulerConfig::new(LEARNING_RATE, n_steps).init()?;
        let mut optimizer = AdamWConfig::new().with_weight_decay(WEIGHT_DECAY).init();
        for _ in 0..self.budget.epochs {
            for turn in turns.iter() {
                let output = model.try_step(turn?)?;
                model.try_optimize(&mut optimizer, schedule.step(), output.grads)?;
            }
        }

        let model = model.valid();
        let valid = batches.in_order(self.emoji.indices(Split::Valid), self.device);
        let temperatures = fit_temperatures(&model, &*valid)?;
        let fusion = model.fusion.clone().with_calibration(&temperatures)?;
        let model = model.with_fusion(fusion)?;
        let test = batches.in_order(self.emoji.indices(Split::Test), self.device);
        Ok(Scores {
            valid: accuracies(&evaluate(&model, &*valid)?),
            test: accuracies(&evaluate(&model, &*test)?),
        })
    }
}

fn accuracies(evaluation: &Evaluation) -> Accuracies {
    Accuracies {
        modalities: [0, 1].map(|modality| evaluation.modalities[modality].accuracy()),
        fused: evaluation.fused.accuracy(),
    }
}
