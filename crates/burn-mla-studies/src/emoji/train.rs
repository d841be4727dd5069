//! Training, evaluation and cached outcomes of one seed.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::SupervisedTraining;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn_mla::baseline::{Concat, ConcatConfig, Joint, JointConfig};
use burn_mla::checkpoint::CheckpointStore;
use burn_mla::checkpoint::ResumableTraining;
use burn_mla::evaluation::{evaluate, fit_temperatures};
use burn_mla::loader::SeededLoader;
use burn_mla::logger::{PlainRenderer, TableLogger};
use burn_mla::method::MultimodalMethod;
use burn_mla::metric::{ModalityMetric, ModalityMetrics};
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use serde::{Deserialize, Serialize};

use crate::charts::curves::Curve;
use crate::emoji::arguments::Arguments;
use crate::emoji::stop::{Stop, Stopped};
use crate::report::{Score, Scores};
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{
    Batches, Emoji, EmojiBatch, EmojiEncoder, EmojiInputs, EncoderSizes, Modality,
};

/// The MLA model of this study.
pub type EmojiMla = Mla<Vec<EmojiEncoder>, LinearHead, RlsProjector, EntropyFusion>;

/// The joint model that it is compared with.
pub type EmojiJoint = Joint<Vec<EmojiEncoder>, Concat>;

/// Settings, chosen on the validation split.
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
            sizes: EncoderSizes::default(),
            learning_rate: 4e-3,
            weight_decay: 0.05,
            label_smoothing: 0.1,
            alpha: 0.1,
        }
    }

    /// Initializes an MLA model.
    pub fn model(&self, n_classes: usize, device: &Device) -> burn_mla::Result<EmojiMla> {
        let head = LinearHeadConfig::new(self.sizes.d_feature, n_classes).init(device)?;
        let projector = RlsProjectorConfig::new().with_alpha(self.alpha).init()?;
        let fusion = EntropyFusionConfig::new(self.modalities.len()).init(device)?;
        MlaConfig::new()
            .with_label_smoothing(Some(self.label_smoothing))
            .init(self.encoders(device)?, head, projector, fusion)
    }

    /// Initializes a joint model with the same encoders.
    pub fn joint(&self, n_classes: usize, device: &Device) -> burn_mla::Result<EmojiJoint> {
        let widths = vec![self.sizes.d_feature; self.modalities.len()];
        let encoders = self.encoders(device)?;
        let head = ConcatConfig::new(widths, n_classes).init(device)?;
        JointConfig::new()
            .with_label_smoothing(Some(self.label_smoothing))
            .init(encoders, head)
    }

    fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<EmojiEncoder>> {
        EmojiEncoder::init_all(&self.modalities, &self.sizes, device)
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

/// One of the two trainings of each method, with the same settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// On the training split, evaluated on the validation split, for the learning curves and the
    /// temperatures of the fusion.
    Validated,
    /// On the training and validation split together, for the test.
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

/// A trained method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Mla,
    Joint,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Mla => "MLA",
            Self::Joint => "joint",
        }
    }
}

/// One seed.
pub struct Run<'a> {
    pub emoji: &'a Arc<Emoji>,
    pub settings: &'a Settings,
    pub seed: u64,
    pub device: &'a Device,
    /// Modality mask by index, if modalities are missing.
    pub presence: Option<&'a Presence>,
    /// Folder of checkpoints, logs and outcomes.
    pub folder: &'a Path,
    /// Turns between two checkpoints, in addition to the one after each epoch.
    pub checkpoint_every: Option<usize>,
    pub dashboard: bool,
    pub stop: &'a Stop,
}

/// Results of one method and seed.
#[derive(Serialize, Deserialize)]
pub struct Outcome {
    /// Validation accuracies after each epoch: of each modality, then fused.
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

/// A model without autodiff, and its validation accuracies after each epoch.
type Fit<M> = (M, Vec<Vec<f64>>);

impl Run<'_> {
    fn batches(&self, batch_size: usize) -> Batches<'_> {
        Batches {
            emoji: self.emoji,
            modalities: &self.settings.modalities,
            batch_size,
            presence: self.presence.cloned(),
        }
    }

    fn training_loader(&self, stage: Stage) -> burn_mla::Result<SeededLoader<usize, EmojiBatch>> {
        let device = self.device.clone().autodiff();
        let batches = self.batches(self.settings.batch_size);
        batches.shuffled(self.training_indices(stage), self.seed, &device)
    }

    fn evaluation_loader(&self, split: Split) -> burn_mla::Result<Arc<dyn DataLoader<EmojiBatch>>> {
        self.batches(128)
            .in_order(self.emoji.indices(split), self.device)
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

    /// Optimizer steps per modality in all epochs.
    fn n_batches(&self, stage: Stage) -> usize {
        let n = self.training_indices(stage).len();
        n.div_ceil(self.settings.batch_size) * self.settings.epochs
    }

    /// Returns the saved outcome of a method, or computes and saves it.
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

    /// Trains and tests MLA, and passes the model to `save`.
    pub fn mla(
        &self,
        save: impl FnOnce(EmojiMla) -> Result<(), Box<dyn Error>>,
    ) -> Result<Outcome, Box<dyn Error>> {
        self.once("mla", || {
            let n_classes = self.emoji.classes.len();
            let model = |device: &Device| self.settings.model(n_classes, device);
            let (validated, validation) = self.fit(Method::Mla, Stage::Validated, model)?;
            let valid = self.evaluation_loader(Split::Valid)?;
            let temperatures = fit_temperatures(&validated, &*valid)?;
            let (model, _) = self.fit(Method::Mla, Stage::Final, model)?;
            let fusion = model.fusion.clone().with_calibration(&temperatures)?;
            let model = model.with_fusion(fusion)?;
            let test = self.test(&model)?;
            save(model)?;
            Ok(Outcome { validation, test })
        })
    }

    /// Trains and tests jointly on concatenated features, with one loss for all modalities.
    pub fn joint(&self) -> Result<Outcome, Box<dyn Error>> {
        self.once("joint", || {
            let n_classes = self.emoji.classes.len();
            let model = |device: &Device| self.settings.joint(n_classes, device);
            let (_, validation) = self.fit(Method::Joint, Stage::Validated, model)?;
            let (model, _) = self.fit(Method::Joint, Stage::Final, model)?;
            let test = self.test(&model)?;
            Ok(Outcome { validation, test })
        })
    }

    /// Trains in Burn's loop, or resumes the last checkpoint of an interrupted training.
    fn fit<M: MultimodalMethod<Inputs = EmojiInputs>>(
        &self,
        method: Method,
        stage: Stage,
        model: impl Fn(&Device) -> burn_mla::Result<M>,
    ) -> Result<Fit<M>, Box<dyn Error>> {
        self.device.seed(self.seed);
        let names: Vec<&str> = self.names().collect();
        let device = self.device.clone().autodiff();
        let model = model(&device)?;
        let batches = self.training_loader(stage)?;
        let train = model.training_loader(Arc::new(batches).into())?;
        let valid = match stage {
            Stage::Validated => self.evaluation_loader(Split::Valid)?,
            // The validation split is trained on.
            Stage::Final => self.batches(1).in_order(vec![], self.device)?,
        };
        // An alternating epoch contains each batch once per modality.
        let n_steps =
            self.n_batches(stage) * train.loader.num_items() / self.training_indices(stage).len();

        let name = format!(
            "seed-{}-{}-{}",
            self.seed,
            method.name().to_lowercase(),
            stage.name()
        );
        let store = CheckpointStore::open(self.folder.join("checkpoints").join(&name))?;
        let start = store.latest()?;
        let mut resumable = ResumableTraining::new(&device, store, train.handle)
            .with_seed(self.seed)
            .with_configuration(self.settings)?
            .resume(start);
        if let Some(every) = self.checkpoint_every {
            resumable = resumable.with_every(every)?;
        }
        let table = TableLogger::csv(self.folder.join(format!("metrics-{name}.csv")))?;
        let mut training = SupervisedTraining::new(self.folder, train.loader, valid)
            .with_application_logger(None)
            .with_metric_logger(table)
            .with_interrupter(self.stop.new_interrupter())
            .modality_metrics(&names)
            .num_epochs(self.settings.epochs);
        if method == Method::Joint {
            // One loss for all modalities.
            training = training
                .metric_train_numeric(ModalityMetric::fused(LossMetric::new()))
                .metric_train_numeric(ModalityMetric::fused(AccuracyMetric::new()));
        }
        if !self.dashboard {
            let shown = names.iter().map(|name| format!("Loss {name}"));
            let shown = shown.chain((method == Method::Joint).then(|| "Loss fused".to_string()));
            let all = names.iter().copied().chain(["fused"]);
            let shown = shown.chain(all.map(|name| format!("Accuracy {name}")));
            let label = format!(
                "{:<5} seed {} {:<9}",
                method.name(),
                self.seed,
                stage.name()
            );
            let renderer = PlainRenderer::default().with_label(&label);
            training = training.renderer(Box::new(renderer.with_metrics(shown)));
        }
        let optimizer = self.settings.optimizer();
        let schedule = self.settings.schedule(n_steps)?;
        let (result, history) = resumable.launch(training, model, optimizer, schedule)?;
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

    fn test<M: MultimodalMethod<Inputs = EmojiInputs>>(
        &self,
        model: &M,
    ) -> Result<Scores, Box<dyn Error>> {
        let test = evaluate(model, &*self.evaluation_loader(Split::Test)?)?;
        let names = self.names().map(str::to_string);
        let scores: BTreeMap<String, Score> =
            names.zip(test.modalities.iter().map(Score::from)).collect();
        Ok(Scores {
            modalities: scores,
            multi: Score::from(&test.fused),
        })
    }
}
