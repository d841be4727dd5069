use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn_mla::analysis::Confusion;
use burn_mla::baseline::{JointConcat, JointConcatConfig};
use burn_mla::prelude::*;
use burn_mla::train::{evaluate, fit_temperatures};
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
            epochs: if arguments.quick { 3 } else { arguments.epochs },
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

/// Every method is trained twice with the same settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// On the training split, watched on the validation split: the learning curves, and the
    /// temperatures of the fusion.
    Validated,
    /// On training and validation split together: what is tested.
    Final,
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

/// A model, and its validation accuracies after each epoch.
type Fit<M> = (M, Vec<Vec<f64>>);

impl Run<'_> {
    fn training_loader(&self, stage: Stage) -> Arc<dyn DataLoader<EmojiBatch>> {
        let indices = self.training_indices(stage);
        let device = self.device.clone().autodiff();
        let (batch_size, seed) = (self.settings.batch_size, Some(self.seed));
        emoji::loader(
            self.emoji,
            &self.settings.modalities,
            indices,
            batch_size,
            seed,
            &device,
        )
    }

    fn evaluation_loader(&self, split: Split) -> Arc<dyn DataLoader<EmojiBatch>> {
        let indices = self.emoji.indices(split);
        emoji::loader(
            self.emoji,
            &self.settings.modalities,
            indices,
            128,
            None,
            self.device,
        )
    }

    fn training_indices(&self, stage: Stage) -> Vec<usize> {
        let splits = match stage {
            Stage::Validated => vec![Split::Train],
            Stage::Final => vec![Split::Train, Split::Valid],
        };
        splits
            .into_iter()
            .flat_map(|split| self.emoji.indices(split))
            .collect()
    }

    /// Optimizer steps of a modality in all epochs.
    fn n_batches(&self, stage: Stage) -> usize {
        let n = self.training_indices(stage).len();
        n.div_ceil(self.settings.batch_size) * self.settings.epochs
    }

    /// Alternating unimodal adaptation.
    pub fn mla(&self, progress: &mut Progress) -> Result<(Outcome, EmojiMla), Box<dyn Error>> {
        let (validated, validation) = self.fit_mla(Stage::Validated, progress)?;
        let temperatures =
            fit_temperatures(&validated.valid(), &*self.evaluation_loader(Split::Valid))?;
        let (model, _) = self.fit_mla(Stage::Final, progress)?;
        let fusion = model.fusion.clone().with_calibration(&temperatures)?;
        let model = model.with_fusion(fusion)?;
        let test = evaluate(&model.valid(), &*self.evaluation_loader(Split::Test))?;
        let test = self.scores(&test.modalities, &test.fused);
        Ok((Outcome { validation, test }, model))
    }

    fn fit_mla(
        &self,
        stage: Stage,
        progress: &mut Progress,
    ) -> Result<Fit<EmojiMla>, Box<dyn Error>> {
        self.device.seed(self.seed);
        let n_modalities = self.settings.modalities.len();
        let device = self.device.clone().autodiff();
        let mut model = self.settings.model(self.emoji.classes.len(), &device)?;
        let loader = self.training_loader(stage);
        let turns = AlternatingLoader::paired(loader, n_modalities, RoundRobin)?;
        let valid = self.evaluation_loader(Split::Valid);
        let mut optimizer = self.settings.optimizer();
        let mut schedule = self
            .settings
            .schedule(self.n_batches(stage) * n_modalities)?;

        let mut validation = vec![];
        for epoch in 0..self.settings.epochs {
            let mut losses = vec![Mean::default(); n_modalities];
            for turn in turns.iter() {
                let output = model.try_step(turn?)?;
                let loss: f32 = output.item.loss.into_scalar();
                losses[output.item.modality].add(loss);
                model.try_optimize(&mut optimizer, schedule.step(), output.grads)?;
            }
            let losses: Vec<f64> = losses.iter().map(Mean::get).collect();
            let scores = match stage {
                Stage::Validated => {
                    let scores = evaluate(&model.valid(), &*valid)?;
                    Some(accuracies(&scores.modalities, &scores.fused))
                }
                Stage::Final => None,
            };
            progress.epoch(self, "MLA", epoch, &losses, scores.as_deref());
            validation.extend(scores);
        }
        Ok((model, validation))
    }

    /// Joint training on concatenated features: one loss for all modalities.
    pub fn joint(&self, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
        let (_, validation) = self.fit_joint(Stage::Validated, progress)?;
        let (model, _) = self.fit_joint(Stage::Final, progress)?;
        let test = self.evaluation_loader(Split::Test);
        let (modalities, fused) = self.evaluate_joint(&model.valid(), &*test)?;
        let test = self.scores(&modalities, &fused);
        Ok(Outcome { validation, test })
    }

    fn fit_joint(
        &self,
        stage: Stage,
        progress: &mut Progress,
    ) -> Result<Fit<JointConcat<Vec<EmojiEncoder>>>, Box<dyn Error>> {
        self.device.seed(self.seed);
        let device = self.device.clone().autodiff();
        let mut model = JointConcatConfig::new(self.emoji.classes.len())
            .with_label_smoothing(Some(self.settings.label_smoothing))
            .init(self.settings.encoders(&device)?, &device)?;
        let train = self.training_loader(stage);
        let valid = self.evaluation_loader(Split::Valid);
        let mut optimizer = self.settings.optimizer();
        let mut schedule = self.settings.schedule(self.n_batches(stage))?;

        let mut validation = vec![];
        for epoch in 0..self.settings.epochs {
            let mut mean = Mean::default();
            for batch in train.iter() {
                let (loss, _) = model.loss(batch?)?;
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                mean.add(loss.into_scalar());
                model = optimizer.step(schedule.step(), model, gradients);
            }
            let scores = match stage {
                Stage::Validated => {
                    let (modalities, fused) = self.evaluate_joint(&model.valid(), &*valid)?;
                    Some(accuracies(&modalities, &fused))
                }
                Stage::Final => None,
            };
            progress.epoch(self, "joint", epoch, &[mean.get()], scores.as_deref());
            validation.extend(scores);
        }
        Ok((model, validation))
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

    /// `losses`: one a modality, or one for all; `accuracies`: on the validation split, one a
    /// modality, then all; none in the final fit.
    fn epoch(
        &mut self,
        run: &Run,
        method: &str,
        epoch: usize,
        losses: &[f64],
        accuracies: Option<&[f64]>,
    ) {
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
        let accuracy = match accuracies {
            None => "final fit on train + valid".to_string(),
            Some(accuracies) => {
                let each = names
                    .chain(["all"])
                    .zip(accuracies)
                    .map(|(name, accuracy)| format!("{name} {:4.1}", 100.0 * accuracy));
                format!("valid % {}", each.collect::<Vec<_>>().join("  "))
            }
        };
        println!(
            "{method:<5} seed {} epoch {:>2}/{} | {loss} | {accuracy} | {}:{:02} left",
            run.seed,
            epoch + 1,
            run.settings.epochs,
            seconds / 60,
            seconds % 60,
        );
    }
}
