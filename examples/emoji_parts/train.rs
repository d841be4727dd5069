use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::{Learner, SupervisedTraining};
use burn_mla::analysis::Confusion;
use burn_mla::baseline::{JointConcat, JointConcatConfig};
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use burn_mla::train::checkpoint::CheckpointStore;
use burn_mla::train::metric::ModalityMetrics;
use burn_mla::train::{
    PlainRenderer, ResumableTraining, SeededLoader, TableLogger, evaluate, fit_temperatures,
};
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::common::charts::curves::Curve;
use crate::common::emoji::{
    Batches, Emoji, EmojiBatch, EmojiEncoder, EncoderSizes, Missing, Modality, Split,
};
use crate::common::report::{Score, Scores};
use crate::stop::{Stop, Stopped};

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

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Final => "final",
        }
    }
}

/// One seed.
pub struct Run<'a> {
    pub emoji: &'a Arc<Emoji>,
    pub settings: &'a Settings,
    pub seed: u64,
    pub device: &'a Device,
    /// Which emoji has which modality, if some are missing.
    pub presence: Option<&'a Presence>,
    /// Where checkpoints, logs and outcomes go.
    pub folder: &'a Path,
    /// Turns between two checkpoints; after each epoch anyway.
    pub checkpoint_every: Option<usize>,
    pub dashboard: bool,
    pub stop: &'a Stop,
}

/// What a run found.
#[derive(Serialize, Deserialize)]
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

/// A model, for MLA without autodiff, and its validation accuracies after each epoch.
type Fit<M> = (M, Vec<Vec<f64>>);

impl Run<'_> {
    fn batches(&self, batch_size: usize, missing: Missing) -> Batches<'_> {
        Batches {
            emoji: self.emoji,
            modalities: &self.settings.modalities,
            batch_size,
            missing,
        }
    }

    /// What is missing, for a method that leaves it out.
    fn left_out(&self) -> Missing {
        let presence = self.presence.cloned();
        presence.map_or(Missing::Nothing, Missing::LeftOut)
    }

    /// What is missing, for a method that needs something of every modality.
    fn zeros(&self) -> Missing {
        let presence = self.presence.cloned();
        presence.map_or(Missing::Nothing, Missing::Zeros)
    }

    fn training_loader(
        &self,
        stage: Stage,
        missing: Missing,
    ) -> burn_mla::Result<SeededLoader<usize, EmojiBatch>> {
        let batches = self.batches(self.settings.batch_size, missing);
        let device = self.device.clone().autodiff();
        batches.shuffled(self.training_indices(stage), self.seed, &device)
    }

    fn evaluation_loader(&self, split: Split, missing: Missing) -> Arc<dyn DataLoader<EmojiBatch>> {
        let indices = self.emoji.indices(split);
        self.batches(128, missing).in_order(indices, self.device)
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

    /// What a method found in an earlier part of this run, or finds now.
    fn once(
        &self,
        method: &str,
        run: impl FnOnce() -> Result<Outcome, Box<dyn Error>>,
    ) -> Result<Outcome, Box<dyn Error>> {
        let path = self
            .folder
            .join(format!("seed-{}-{method}.json", self.seed));
        if path.exists() {
            let text = std::fs::read_to_string(&path)?;
            let outcome = serde_json::from_str(&text);
            return Ok(outcome.map_err(|error| format!("{}: {error}", path.display()))?);
        }
        let outcome = run()?;
        std::fs::write(path, serde_json::to_string(&outcome)?)?;
        Ok(outcome)
    }

    /// Alternating unimodal adaptation. `save` is given the model.
    pub fn mla(
        &self,
        save: impl FnOnce(EmojiMla) -> Result<(), Box<dyn Error>>,
    ) -> Result<Outcome, Box<dyn Error>> {
        self.once("mla", || {
            let (validated, validation) = self.fit_mla(Stage::Validated)?;
            let valid = self.evaluation_loader(Split::Valid, self.left_out());
            let temperatures = fit_temperatures(&validated, &*valid)?;
            let (model, _) = self.fit_mla(Stage::Final)?;
            let fusion = model.fusion.clone().with_calibration(&temperatures)?;
            let model = model.with_fusion(fusion)?;
            let test = self.evaluation_loader(Split::Test, self.left_out());
            let test = evaluate(&model, &*test)?;
            let test = self.scores(&test.modalities, &test.fused);
            save(model)?;
            Ok(Outcome { validation, test })
        })
    }

    /// Trains in Burn's loop, or goes on where an earlier part of this run was stopped.
    fn fit_mla(&self, stage: Stage) -> Result<Fit<EmojiMla>, Box<dyn Error>> {
        self.device.seed(self.seed);
        let names: Vec<&str> = self.names().collect();
        let n_modalities = names.len();
        let device = self.device.clone().autodiff();
        let model = self.settings.model(self.emoji.classes.len(), &device)?;
        let loader = self.training_loader(stage, self.left_out())?;
        let passes = loader.passes();
        let turns = AlternatingLoader::paired(Arc::new(loader), n_modalities, RoundRobin)?
            .with_passes([passes]);
        let valid = match stage {
            Stage::Validated => self.evaluation_loader(Split::Valid, self.left_out()),
            // The validation split is trained on.
            Stage::Final => self
                .batches(1, Missing::Nothing)
                .in_order(vec![], self.device),
        };
        let n_turns = self.n_batches(stage) * n_modalities;

        let name = format!("seed-{}-{}", self.seed, stage.name());
        let store = CheckpointStore::open(self.folder.join("checkpoints").join(&name))?;
        let start = store.latest()?;
        let mut resumable = ResumableTraining::new(&device, store, turns.handle())
            .with_seed(self.seed)
            .with_configuration(self.settings)?
            .resume(start);
        if let Some(every) = self.checkpoint_every {
            resumable = resumable.with_every(every)?;
        }
        let interrupter = self.stop.new_interrupter();
        let model = model.with_interrupter(interrupter.clone());
        let table = TableLogger::csv(self.folder.join(format!("metrics-{name}.csv")))?;
        let mut training = SupervisedTraining::new(self.folder, Arc::new(turns), valid)
            .with_application_logger(None)
            .with_metric_logger(table)
            .with_interrupter(interrupter)
            .modality_metrics(&names)
            .num_epochs(self.settings.epochs);
        if !self.dashboard {
            let shown = names.iter().map(|name| format!("Loss {name}"));
            let all = names.iter().copied().chain(["fused"]);
            let shown = shown.chain(all.map(|name| format!("Accuracy {name}")));
            let label = format!("MLA   seed {} {:<9}", self.seed, stage.name());
            let renderer = PlainRenderer::default().with_label(&label);
            training = training.renderer(Box::new(renderer.with_metrics(shown)));
        }
        let optimizer = self.settings.optimizer();
        let learner = Learner::new(model, optimizer, self.settings.schedule(n_turns)?);
        let (result, history) = resumable.launch(training, learner)?;
        if let Some(error) = result.error {
            return Err(error.to_string().into());
        }
        if result.interrupted.is_some() {
            return Err(Stopped.into());
        }
        let accuracies = history.epochs.into_iter().filter_map(|epoch| {
            let validation = epoch.validation?;
            let mut accuracies = validation.modality_accuracies;
            accuracies.push(validation.fused_accuracy);
            Some(accuracies)
        });
        Ok((result.model, accuracies.collect()))
    }

    fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        let modalities = self.settings.modalities.iter();
        modalities.map(|modality| modality.name())
    }

    /// Joint training on concatenated features: one loss for all modalities.
    ///
    /// It needs something of every modality: what is missing is fed as zeros.
    pub fn joint(&self, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
        self.once("joint", || {
            let (_, validation) = self.fit_joint(Stage::Validated, progress)?;
            let (model, _) = self.fit_joint(Stage::Final, progress)?;
            let test = self.evaluation_loader(Split::Test, self.zeros());
            let (modalities, fused) = self.evaluate_joint(&model.valid(), &*test)?;
            let test = self.scores(&modalities, &fused);
            Ok(Outcome { validation, test })
        })
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
        let train = self.training_loader(stage, self.zeros())?;
        let valid = self.evaluation_loader(Split::Valid, self.zeros());
        let mut optimizer = self.settings.optimizer();
        let mut schedule = self.settings.schedule(self.n_batches(stage))?;

        let mut validation = vec![];
        for epoch in 0..self.settings.epochs {
            let mut mean = Mean::default();
            for batch in train.iter() {
                self.stop.check()?;
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
            progress.epoch(self, epoch, mean.get(), scores.as_deref());
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
        let names = self.names().map(str::to_string);
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

/// A line an epoch of joint training, with the time that is left of it.
pub struct Progress {
    start: Option<Instant>,
    done: usize,
    total: usize,
}

impl Progress {
    pub fn new(total: usize) -> Self {
        Self {
            start: None,
            done: 0,
            total,
        }
    }

    /// `accuracies`: on the validation split, one a modality, then all; none in the final fit.
    fn epoch(&mut self, run: &Run, epoch: usize, loss: f64, accuracies: Option<&[f64]>) {
        self.done += 1;
        let start = *self.start.get_or_insert_with(Instant::now);
        let left = start.elapsed() * (self.total - self.done) as u32 / self.done as u32;
        let seconds = left.as_secs();
        let (stage, accuracy) = match accuracies {
            None => (Stage::Final, String::new()),
            Some(accuracies) => {
                let names = run.names().chain(["fused"]).zip(accuracies);
                let each = names
                    .map(|(name, accuracy)| format!("Accuracy {name} {:.1} %", 100.0 * accuracy));
                let each = each.collect::<Vec<_>>().join(", ");
                (Stage::Validated, format!(" | valid: {each}"))
            }
        };
        println!(
            "joint seed {} {:<9} epoch {:>2}/{} | train: Loss {loss:.3}{accuracy} | {}:{:02} left",
            run.seed,
            stage.name(),
            epoch + 1,
            run.settings.epochs,
            seconds / 60,
            seconds % 60,
        );
    }
}
