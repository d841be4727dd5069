use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_mla::analysis::Confusion;
use burn_mla::baseline::{JointConcat, JointConcatConfig};
use burn_mla::fusion::fit_temperature;
use burn_mla::prelude::*;
use burn_mla::train::{Evaluation, evaluate};
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::common::curves::Curve;
use crate::common::emoji::{self, Emoji, EmojiBatch, EmojiEncoder, EncoderSizes, Modality, Split};
use crate::common::report::{Score, Scores};

/// The model of this example.
pub type EmojiMla = Mla<Vec<EmojiEncoder>, LinearHead, RlsProjector, EntropyFusion>;

/// Everything that was chosen, on the validation split.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    pub modalities: Vec<Modality>,
    pub epochs: usize,
    pub batch_size: usize,
    pub sizes: EncoderSizes,
    pub learning_rate: f64,
    pub weight_decay: f32,
    pub label_smoothing: f64,
    pub alpha: f64,
}

impl Settings {
    pub fn new(arguments: &Arguments) -> Self {
        Self {
            modalities: arguments.modalities.clone(),
            epochs: if arguments.quick { 4 } else { arguments.epochs },
            batch_size: arguments.batch_size,
            sizes: EncoderSizes {
                d_feature: 128,
                d_text: 4096,
                text_hidden: 256,
                stages: vec![24, 48, 96],
                dropout: 0.1,
                text_input_dropout: 0.5,
            },
            learning_rate: 4e-3,
            weight_decay: 0.05,
            label_smoothing: 0.1,
            alpha: 0.1,
        }
    }

    /// A new model.
    pub fn model(&self, n_classes: usize, device: &Device) -> burn_mla::Result<EmojiMla> {
        let head = LinearHeadConfig::new(self.sizes.d_feature, n_classes).init(device)?;
        let projector = RlsProjectorConfig::new().with_alpha(self.alpha).init()?;
        let fusion = EntropyFusionConfig::new(self.modalities.len()).init(device)?;
        MlaConfig::new()
            .with_label_smoothing(Some(self.label_smoothing))
            .init(self.encoders(device)?, head, projector, fusion)
    }

    fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<EmojiEncoder>> {
        let init = |&modality| EmojiEncoder::init(modality, &self.sizes, device);
        self.modalities.iter().map(init).collect()
    }

    fn optimizer(&self) -> ModuleOptimizer {
        AdamWConfig::new()
            .with_weight_decay(self.weight_decay)
            .init()
    }

    fn schedule(&self, n_steps: usize) -> Result<ModuleLrScheduler, String> {
        CosineAnnealingLrSchedulerConfig::new(self.learning_rate, n_steps.max(1)).init()
    }
}

/// One seed.
pub struct Run<'a> {
    pub emoji: &'a Arc<Emoji>,
    pub settings: &'a Settings,
    pub seed: u64,
    pub device: &'a Device,
}

/// What a run found.
pub struct Outcome {
    /// Validation accuracy after each epoch: each modality, then all together.
    validation: Vec<Vec<f64>>,
    pub test: Scores,
}

impl Outcome {
    pub fn curves(&self, names: &[&str]) -> Vec<Curve> {
        let names = names.iter().copied().chain(["all together"]);
        names
            .enumerate()
            .map(|(i, name)| Curve {
                name: name.to_string(),
                accuracy: self.validation.iter().map(|epoch| epoch[i]).collect(),
            })
            .collect()
    }
}

impl Run<'_> {
    fn loader(&self, split: Split, train: bool) -> Arc<dyn DataLoader<EmojiBatch>> {
        let device = match train {
            true => self.device.clone().autodiff(),
            false => self.device.clone(),
        };
        let batch_size = if train { self.settings.batch_size } else { 128 };
        emoji::loader(
            self.emoji,
            &self.settings.modalities,
            self.emoji.indices(split),
            batch_size,
            train.then_some(self.seed),
            &device,
        )
    }

    fn n_batches(&self) -> usize {
        self.emoji
            .indices(Split::Train)
            .len()
            .div_ceil(self.settings.batch_size)
    }

    /// Alternating unimodal adaptation.
    pub fn mla(&self, progress: &mut Progress) -> Result<(Outcome, EmojiMla), Box<dyn Error>> {
        self.device.seed(self.seed);
        let n_modalities = self.settings.modalities.len();
        let device = self.device.clone().autodiff();
        let mut model = self.settings.model(self.emoji.classes.len(), &device)?;
        let loader = self.loader(Split::Train, true);
        let turns = AlternatingLoader::paired(loader, n_modalities, RoundRobin)?;
        let valid = self.loader(Split::Valid, false);
        let mut optimizer = self.settings.optimizer();
        let n_steps = self.n_batches() * n_modalities * self.settings.epochs;
        let mut schedule = self.settings.schedule(n_steps)?;

        let mut validation = vec![];
        for epoch in 0..self.settings.epochs {
            let mut losses = vec![Mean::default(); n_modalities];
            for turn in turns.iter() {
                let output = model.try_step(turn?)?;
                let loss: f32 = output.item.loss.into_scalar();
                losses[output.item.modality].add(loss);
                model.try_optimize(&mut optimizer, schedule.step(), output.grads)?;
            }
            let scores = evaluate(&model.valid(), &*valid)?;
            let accuracies = accuracies(&scores.modalities, &scores.fused);
            let losses: Vec<f64> = losses.iter().map(Mean::get).collect();
            progress.epoch(self, "MLA", epoch, &losses, &accuracies);
            validation.push(accuracies);
        }
        let model = calibrate(model, &*valid)?;
        let test = evaluate(&model.valid(), &*self.loader(Split::Test, false))?;
        let Evaluation {
            modalities, fused, ..
        } = test;
        let test = self.scores(&modalities, &fused);
        Ok((Outcome { validation, test }, model))
    }

    /// Joint training on concatenated features: one loss for all modalities.
    pub fn joint(&self, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
        self.device.seed(self.seed);
        let device = self.device.clone().autodiff();
        let n_classes = self.emoji.classes.len();
        let mut model = JointConcatConfig::new(n_classes)
            .with_label_smoothing(Some(self.settings.label_smoothing))
            .init(self.settings.encoders(&device)?, &device)?;
        let train = self.loader(Split::Train, true);
        let valid = self.loader(Split::Valid, false);
        let mut optimizer = self.settings.optimizer();
        let mut schedule = self
            .settings
            .schedule(self.n_batches() * self.settings.epochs)?;

        let mut validation = vec![];
        for epoch in 0..self.settings.epochs {
            let mut mean = Mean::default();
            for batch in train.iter() {
                let (loss, _) = model.loss(batch?)?;
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                mean.add(loss.into_scalar());
                model = optimizer.step(schedule.step(), model, gradients);
            }
            let (modalities, fused) = self.evaluate_joint(&model.valid(), &*valid)?;
            let accuracies = accuracies(&modalities, &fused);
            progress.epoch(self, "joint", epoch, &[mean.get()], &accuracies);
            validation.push(accuracies);
        }
        let test = self.loader(Split::Test, false);
        let (modalities, fused) = self.evaluate_joint(&model.valid(), &*test)?;
        let test = self.scores(&modalities, &fused);
        Ok(Outcome { validation, test })
    }

    fn evaluate_joint(
        &self,
        model: &JointConcat<Vec<EmojiEncoder>>,
        loader: &dyn DataLoader<EmojiBatch>,
    ) -> Result<(Vec<Confusion>, Confusion), Box<dyn Error>> {
        let none = Confusion::new(self.emoji.classes.len());
        let mut modalities = vec![none.clone(); self.settings.modalities.len()];
        let mut fused = none;
        for batch in loader.iter() {
            let batch = batch?;
            let targets = batch.targets.clone();
            let rows: Vec<usize> = (0..targets.len()).collect();
            let prediction = model.predict(batch)?;
            fused.add_logits(prediction.joint, targets.labels(), &rows)?;
            for (confusion, logits) in modalities.iter_mut().zip(prediction.modalities) {
                confusion.add_logits(logits, targets.labels(), &rows)?;
            }
        }
        Ok((modalities, fused))
    }

    fn scores(&self, modalities: &[Confusion], fused: &Confusion) -> Scores {
        let names = self
            .settings
            .modalities
            .iter()
            .map(|modality| modality.name().to_string());
        let scores: BTreeMap<String, Score> =
            names.zip(modalities.iter().map(Score::from)).collect();
        Scores {
            modalities: scores,
            multi: Score::from(fused),
        }
    }
}

/// Fits the temperature of each modality on the validation split.
fn calibrate(
    model: EmojiMla,
    valid: &dyn DataLoader<EmojiBatch>,
) -> Result<EmojiMla, Box<dyn Error>> {
    let inference = model.valid();
    let n_modalities = model.n_modalities();
    let mut labels = vec![];
    let mut logits: Vec<Vec<Tensor<2>>> = vec![vec![]; n_modalities];
    let mut device = Device::flex();
    for batch in valid.iter() {
        let batch = batch?;
        labels.extend(batch.targets.labels());
        device = batch.targets.tensor().device();
        let prediction = inference.predict(batch)?;
        for (modality, logits) in logits.iter_mut().enumerate() {
            logits.push(prediction.modalities.modality(modality));
        }
    }
    let targets = Targets::from_labels(labels, &device);
    let fit = |parts| fit_temperature(Tensor::cat(parts, 0), &targets);
    let temperatures: Vec<f64> = logits.into_iter().map(fit).collect::<Result<_, _>>()?;
    let fusion = model.fusion.clone().with_calibration(&temperatures)?;
    Ok(model.with_fusion(fusion)?)
}

fn accuracies(modalities: &[Confusion], fused: &Confusion) -> Vec<f64> {
    modalities
        .iter()
        .chain([fused])
        .map(Confusion::accuracy)
        .collect()
}

#[derive(Debug, Clone, Default)]
struct Mean {
    sum: f64,
    n: usize,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.n += 1;
    }

    fn get(&self) -> f64 {
        self.sum / self.n as f64
    }
}

/// A line an epoch, with the time that is left.
pub struct Progress {
    start: Instant,
    done: usize,
    total: usize,
}

impl Progress {
    pub fn new(total: usize) -> Self {
        Self {
            start: Instant::now(),
            done: 0,
            total,
        }
    }

    /// `losses`: one a modality, or one for all; `accuracies`: one a modality, then all.
    fn epoch(&mut self, run: &Run, method: &str, epoch: usize, losses: &[f64], accuracies: &[f64]) {
        self.done += 1;
        let left = self.start.elapsed() * (self.total - self.done) as u32 / self.done as u32;
        let seconds = left.as_secs();
        let names = run
            .settings
            .modalities
            .iter()
            .map(|modality| modality.name());
        let loss = match losses {
            [loss] => format!("loss {loss:.3}"),
            _ => {
                let each = names
                    .clone()
                    .zip(losses)
                    .map(|(name, loss)| format!("{name} {loss:.3}"));
                format!("loss {}", each.collect::<Vec<_>>().join(" "))
            }
        };
        let accuracy: Vec<String> = names
            .chain(["all"])
            .zip(accuracies)
            .map(|(name, accuracy)| format!("{name} {:4.1}", 100.0 * accuracy))
            .collect();
        println!(
            "{method:<5} seed {} epoch {:>2}/{} | {loss} | valid % {} | {}:{:02} left",
            run.seed,
            epoch + 1,
            run.settings.epochs,
            accuracy.join("  "),
            seconds / 60,
            seconds % 60,
        );
    }
}
