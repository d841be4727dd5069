//! One run: training, evaluation and measurements of the model.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn::train::{Interrupter, SupervisedTraining};
use burn_mla::baseline::{
    BiGatedConfig, ConcatConfig, FilmConfig, Joint, JointConfig, JointHead, LateFusionConfig,
    OgmConfig, QmfConfig, SumConfig,
};
use burn_mla::checkpoint::CheckpointStore;
use burn_mla::checkpoint::ResumableTraining;
use burn_mla::encoder::Encoders;
use burn_mla::evaluation::{Confusion, shapley_values};
use burn_mla::evaluation::{Evaluation, evaluate, evaluate_subsets, fit_temperatures};
use burn_mla::fusion::{self, MeanFusion, ScoreFusionConfig};
use burn_mla::logger::PlainRenderer;
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use burn_mla::projector::{IdentityProjector, LeakyRlsProjectorConfig};
use serde::Serialize;

use crate::compare::cell::{Gap, Key, Missing, Outcome, Row, Score, SplitScores};
use crate::compare::gap;
use crate::compare::methods::{Fusion, Method};
use crate::compare::missing;
use crate::compare::results::WITH_GAP;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{
    Batches, Emoji, EmojiBatch, EmojiEncoder, EmojiInputs, EncoderSizes,
};

/// Settings that all methods share.
#[derive(Debug, Clone, Serialize)]
pub struct Budget {
    pub sizes: EncoderSizes,
    pub batch_size: usize,
    pub weight_decay: f32,
    pub label_smoothing: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            sizes: EncoderSizes {
                d_feature: 128,
                d_text: 4096,
                text_hidden: 128,
                stages: vec![16, 32, 64],
                dropout: 0.1,
                text_input_dropout: 0.5,
            },
            batch_size: 64,
            weight_decay: 0.05,
            label_smoothing: 0.1,
        }
    }
}

/// One run.
pub struct Run<'a> {
    pub key: &'a Key,
    pub budget: &'a Budget,
    pub emoji: &'a Arc<Emoji>,
    pub device: &'a Device,
    /// Folder of its checkpoints until it is finished.
    pub folder: &'a Path,
}

/// A trained model, without autodiff, and its validation accuracies after each epoch.
type Fit<M> = (M, Vec<Vec<f64>>);

impl Run<'_> {
    pub fn outcome(&self) -> Result<Outcome, Box<dyn Error>> {
        let start = Instant::now();
        let n_modalities = self.key.modalities.len();
        let widths = || vec![self.budget.sizes.d_feature; n_modalities];
        let n_classes = self.emoji.classes.len();
        let own = self.key.trial.own;
        let own = || own.ok_or("the trial lacks the hyper-parameter of the method");
        let mut outcome = match self.key.method {
            Method::Sum => self.joint(None, |d| SumConfig::new(widths(), n_classes).init(d)),
            Method::Concat => self.joint(None, |d| ConcatConfig::new(widths(), n_classes).init(d)),
            Method::LateFusion => {
                self.joint(None, |d| LateFusionConfig::new(widths(), n_classes).init(d))
            }
            Method::Ensemble => self.joint(None, |d| {
                let config = LateFusionConfig::new(widths(), n_classes);
                config.with_unimodal_losses(true).init(d)
            }),
            Method::Film => self.joint(None, |d| FilmConfig::new(widths(), n_classes).init(d)),
            Method::BiGated => {
                self.joint(None, |d| BiGatedConfig::new(widths(), n_classes).init(d))
            }
            Method::Ogm | Method::OgmGe => {
                let modulation = OgmConfig::new(own()?)
                    .with_generalization(self.key.method == Method::OgmGe)
                    .between_epochs(0..self.key.epochs.div_ceil(2) as u64, self.n_batches());
                self.joint(Some(modulation), |d| {
                    ConcatConfig::new(widths(), n_classes).init(d)
                })
            }
            Method::Qmf => {
                let weight = own()?;
                self.joint(None, |d| {
                    let config = QmfConfig::new(widths(), n_classes, self.emoji.len());
                    config.with_ranking_weight(weight).init(d)
                })
            }
            Method::Assisted
            | Method::MmPareto
            | Method::Opm
            | Method::Agm
            | Method::Pmr
            | Method::ReconBoost => self.balanced(),
            Method::MlaWithoutHgm => self.mla(IdentityProjector),
            Method::Mla => self.mla(RlsProjectorConfig::new().with_alpha(own()?).init()?),
            Method::MlaDefault => {
                let config = LeakyRlsProjectorConfig::new().with_alpha(0.1);
                self.mla(config.with_leak(own()?).init()?)
            }
        }?;
        outcome.seconds = start.elapsed().as_secs_f64();
        Ok(outcome)
    }

    pub(super) fn joint<H: JointHead>(
        &self,
        modulation: Option<OgmConfig>,
        head: impl Fn(&Device) -> burn_mla::Result<H>,
    ) -> Result<Outcome, Box<dyn Error>> {
        let (model, curves) = self.fit(|device| {
            JointConfig::new()
                .with_label_smoothing(Some(self.budget.label_smoothing))
                .with_modulation(modulation.clone())
                .init(self.encoders(device)?, head(device)?)
        })?;
        let name = self.key.method.name();
        Ok(Outcome {
            curves,
            rows: vec![self.row(name, &model)?],
            gap: self.gap(|batch| encode(&model, batch))?,
            seconds: 0.0,
        })
    }

    fn mla<P: OrthogonalProjector + 'static>(
        &self,
        projector: P,
    ) -> Result<Outcome, Box<dyn Error>> {
        let n_modalities = self.key.modalities.len();
        let d_feature = self.budget.sizes.d_feature;
        let (model, curves) = self.fit(|device| {
            let head = LinearHeadConfig::new(d_feature, self.emoji.classes.len()).init(device)?;
            let fusion = EntropyFusionConfig::new(n_modalities).init(device)?;
            MlaConfig::new()
                .with_label_smoothing(Some(self.budget.label_smoothing))
                .init(self.encoders(device)?, head, projector.clone(), fusion)
        })?;
        let gap = self.gap(|batch| {
            let turns = batch.into_turns()?.into_iter().flatten();
            Ok(turns
                .map(|turn| model.encoders.encode(turn.input))
                .collect())
        })?;
        let rows = self.key.method.rows().iter();
        let rows = rows.map(|&(name, fusion)| match (fusion, self.key.method) {
            (Fusion::Own, Method::MlaDefault) => {
                let temperatures = fit_temperatures(&model, &*self.loader(Split::Valid)?)?;
                let fusion = ScoreFusionConfig::new(n_modalities, fusion::Score::Margin)
                    .init(self.device)?
                    .with_calibration(&temperatures)?;
                self.row(name, &model.clone().with_fusion(fusion)?)
            }
            (Fusion::Own, _) => self.row(name, &model),
            (Fusion::Mean, _) => self.row(name, &model.clone().with_fusion(MeanFusion)?),
        });
        Ok(Outcome {
            curves,
            rows: rows.collect::<Result<_, _>>()?,
            gap,
            seconds: 0.0,
        })
    }

    pub(super) fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<EmojiEncoder>> {
        EmojiEncoder::init_all(&self.key.modalities, &self.budget.sizes, device)
    }

    fn batches(&self, split: Split) -> Result<Batches<'_>, Box<dyn Error>> {
        let n_modalities = self.key.modalities.len();
        let presence: Option<Presence> = match self.key.missing {
            Missing::Nothing => None,
            Missing::Each { rate } => Some(missing::each(
                rate,
                self.key.seed,
                self.emoji.len(),
                n_modalities,
            )?),
            Missing::InTraining { modality, rate } if split == Split::Train => {
                Some(missing::of_one(
                    modality,
                    rate,
                    self.key.seed,
                    self.emoji.len(),
                    n_modalities,
                )?)
            }
            Missing::InTraining { .. } => None,
        };
        Ok(Batches {
            emoji: self.emoji,
            modalities: &self.key.modalities,
            batch_size: self.budget.batch_size,
            presence,
        })
    }

    fn loader(&self, split: Split) -> Result<Arc<dyn DataLoader<EmojiBatch>>, Box<dyn Error>> {
        let indices = self.emoji.indices(split);
        Ok(self.batches(split)?.in_order(indices, self.device)?)
    }

    pub(super) fn n_batches(&self) -> u64 {
        let n = self.emoji.indices(Split::Train).len();
        n.div_ceil(self.budget.batch_size) as u64
    }

    /// Trains on the training split, or resumes the last checkpoint of an interrupted run.
    pub(super) fn fit<M: MultimodalMethod<Inputs = EmojiInputs>>(
        &self,
        model: impl Fn(&Device) -> burn_mla::Result<M>,
    ) -> Result<Fit<M>, Box<dyn Error>> {
        let key = self.key;
        self.device.seed(key.seed);
        let device = self.device.clone().autodiff();
        let model = model(&device)?;
        let indices = self.emoji.indices(Split::Train);
        let n_items = indices.len();
        let batches = self.batches(Split::Train)?;
        let batches = batches.shuffled(indices, key.seed, &device)?;
        let train = model.training_loader(Arc::new(batches).into())?;
        // An alternating epoch contains each batch once per modality.
        let steps_per_batch = train.loader.num_items() / n_items;
        let n_steps = self.n_batches() as usize * steps_per_batch * key.epochs;
        let rate = key.trial.learning_rate;
        let schedule: ModuleLrScheduler =
            CosineAnnealingLrSchedulerConfig::new(rate, n_steps).init()?;
        let decay = self.budget.weight_decay;
        let optimizer = AdamWConfig::new().with_weight_decay(decay).init();

        let store = CheckpointStore::open(self.folder.join("checkpoints"))?;
        let start = store.latest()?;
        let resumable = ResumableTraining::new(&device, store, train.handle)
            .with_seed(key.seed)
            .with_configuration(&(key, self.budget))?
            .resume(start);
        let training =
            SupervisedTraining::new(self.folder, train.loader, self.loader(Split::Valid)?)
                .with_application_logger(None)
                .with_interrupter(Interrupter::new())
                .renderer(Box::new(PlainRenderer::new(std::io::sink())))
                .num_epochs(key.epochs);
        let (result, history) = resumable.launch(training, model, optimizer, schedule)?;
        if let Some(error) = result.error {
            return Err(format!("{key}: {error}").into());
        }
        let accuracies = history.epochs.into_iter().filter_map(|epoch| {
            let validation = epoch.validation?;
            let mut accuracies = validation.modality_accuracies;
            accuracies.push(validation.fused_accuracy);
            Some(accuracies)
        });
        Ok((result.model, accuracies.collect()))
    }

    pub(super) fn row<M>(&self, name: &str, model: &M) -> Result<Row, Box<dyn Error>>
    where
        M: MultimodalMethod<Inputs = EmojiInputs>,
    {
        let test = self.loader(Split::Test)?;
        let subsets = evaluate_subsets(model, &*test)?;
        Ok(Row {
            name: name.to_string(),
            valid: scores(&evaluate(model, &*self.loader(Split::Valid)?)?),
            test: scores(&evaluate(model, &*test)?),
            shapley: shapley_values(&subsets.values())?,
        })
    }

    /// Measures the modality gap of the first seed without missing modalities.
    pub(super) fn gap(
        &self,
        features: impl Fn(EmojiBatch) -> burn_mla::Result<Vec<burn::tensor::Tensor<2>>>,
    ) -> Result<Option<Gap>, Box<dyn Error>> {
        let wanted = WITH_GAP.contains(&self.key.method);
        if self.key.seed != 0 || self.key.missing != Missing::Nothing || !wanted {
            return Ok(None);
        }
        let mut batches = vec![];
        for batch in self.loader(Split::Test)?.iter() {
            batches.push(features(batch?)?);
        }
        gap::measure(batches).map(Some)
    }
}

pub(super) fn encode<H: JointHead>(
    model: &Joint<Vec<EmojiEncoder>, H>,
    batch: EmojiBatch,
) -> burn_mla::Result<Vec<burn::tensor::Tensor<2>>> {
    Ok(model.features(batch)?.all().to_vec())
}

fn scores(evaluation: &Evaluation) -> SplitScores {
    let score = |confusion: &Confusion| Score {
        accuracy: confusion.accuracy(),
        macro_f1: confusion.macro_f1(),
    };
    SplitScores {
        modalities: evaluation.modalities.iter().map(score).collect(),
        fused: score(&evaluation.fused),
        fused_loss: evaluation.loss,
    }
}
