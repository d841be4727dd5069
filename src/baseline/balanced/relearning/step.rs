//! Training of diagnosing and re-learning: the diagnosis within an update, and its `MultimodalMethod`.

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Tensor};
use burn::train::TrainOutput;

use super::Relearning;
use super::purity::purity;
use crate::baseline::{Joint, JointHead};
use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::loader::SourceLoader;
use crate::method::{EvaluationOutput, Interruption, MultimodalMethod, StepOutput, TrainingLoader};
use crate::modality::{MultimodalBatch, SelectRows, Targets};
use crate::module::{Buffer, ParamValues, ParamVisitor, Visited, in_training, visit};

/// Features of a modality, row by row, and their labels.
type Seen = (Vec<f32>, Vec<i64>);

impl<E: Encoders, H: JointHead> Relearning<E, H> {
    /// As [`Joint::try_step`].
    ///
    /// # Errors
    ///
    /// As [`Joint::try_step`].
    ///
    /// # Panics
    ///
    /// As [`Joint::try_step`].
    pub fn try_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<TrainOutput<StepOutput>> {
        self.joint.try_step(batch)
    }

    /// As [`Joint::try_optimize`], with a diagnosis and a re-initialisation if they are due.
    ///
    /// # Errors
    ///
    /// As [`Joint::try_optimize`], and those of [`diagnose`](Self::diagnose). The model and the optimizer are
    /// then unchanged.
    pub fn try_optimize(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        gradients: GradientsParams,
    ) -> Result<()> {
        let n = self.joint.n_steps() + 1;
        let every = self.config.every_steps;
        let is_due = n.is_multiple_of(every) && n / every <= self.config.max_times;
        let shares = is_due.then(|| self.diagnose()).transpose()?;
        self.joint
            .try_optimize(optimizer, learning_rate, gradients)?;
        if let Some(shares) = shares {
            self.reinitialise(shares);
        }
        Ok(())
    }

    /// Computes the share `w_m` of the initial values that each encoder would get.
    ///
    /// # Errors
    ///
    /// Those of the loaders and of [`Joint::features`], [`MlaError::SeveralLabels`],
    /// [`MlaError::LabelOutOfRange`], [`MlaError::TrainingMode`] for a batch on an autodiff device, and
    /// [`MlaError::NonFiniteFeatures`] with the position of the sample in its set.
    pub fn diagnose(&self) -> Result<Vec<f64>> {
        let evaluated = self.joint.valid();
        let train = features_of(&evaluated, &*self.data.train)?;
        let validation = features_of(&evaluated, &*self.data.validation)?;
        let n_classes = self.joint.n_classes();
        let share = |(train, validation): (Seen, Seen)| {
            if train.1.is_empty() || validation.1.is_empty() {
                return 0.0;
            }
            let purity = |(features, labels): Seen| purity(features, &labels, n_classes);
            let gap = (purity(train) - purity(validation)).abs();
            (self.config.lambda * gap).tanh()
        };
        Ok(train.into_iter().zip(validation).map(share).collect())
    }

    fn reinitialise(&mut self, shares: Vec<f64>) {
        let mut mix = Mix {
            shares,
            initial: &self.initial,
            trainable: &self.trainable,
            n_seen: 0,
            mixed: ParamValues::default(),
        };
        visit(&in_training(&self.joint.encoders), &mut mix);
        self.joint.encoders = mix.mixed.write(self.joint.encoders.clone());
    }
}

/// The features of the samples of a loader, of each modality.
fn features_of<E: Encoders, H: JointHead>(
    model: &Joint<E, H>,
    loader: &dyn DataLoader<MultimodalBatch<E::Inputs>>,
) -> Result<Vec<Seen>> {
    let mut seen: Vec<Seen> = vec![Default::default(); model.n_modalities()];
    let mut n_before = 0;
    for batch in loader.iter() {
        let batch = batch.map_err(MlaError::data)?;
        if batch.targets.tensor().device().is_autodiff() {
            let what = "a batch of the diagnosis";
            return Err(MlaError::TrainingMode { what });
        }
        let targets = batch.targets.clone();
        targets.check_single("a diagnosis")?;
        targets.check(model.n_classes())?;
        let features = model.features(batch)?;
        for (modality, (values, labels)) in seen.iter_mut().enumerate() {
            let rows = features.presence().rows(modality);
            let found = features.modality(modality).select_rows(&rows)?;
            let found: Vec<f32> = found
                .cast(DType::F32)
                .try_into_vec_as()
                .map_err(MlaError::read("the features of a diagnosis"))?;
            if let Some(at) = found.iter().position(|value| !value.is_finite()) {
                let width = found.len() / rows.len();
                return Err(MlaError::NonFiniteFeatures {
                    modality: Some(modality),
                    sample: n_before + rows[at / width],
                });
            }
            values.extend(found);
            labels.extend(rows.iter().map(|&row| targets.labels()[row]));
        }
        n_before += targets.len();
    }
    Ok(seen)
}

/// Mixes the parameters that train with their initial values.
struct Mix<'a> {
    shares: Vec<f64>,
    initial: &'a [Buffer<1>],
    trainable: &'a [usize],
    n_seen: usize,
    mixed: ParamValues,
}

impl ParamVisitor for Mix<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        let at = self.trainable.binary_search(&self.n_seen);
        self.n_seen += 1;
        if !described.requires_grad {
            return;
        }
        let initial = at.ok().and_then(|at| self.initial.get(at));
        let share = described.part().and_then(|m| self.shares.get(m));
        let Some((initial, &share)) = initial.zip(share) else {
            return;
        };
        let value = param.val().without_autodiff();
        let initial = initial.get().to_device(&value.device());
        let initial = initial.reshape(value.dims());
        let mixed = value.clone().cast(DType::F32) * (1.0 - share) + initial * share;
        self.mixed.set(param.id, mixed.cast(value.dtype()));
    }
}

crate::burn_steps!(impl[E: Encoders + 'static, H: JointHead] Relearning<E, H>);

impl<E: Encoders + 'static, H: JointHead> MultimodalMethod for Relearning<E, H> {
    type Inputs = E::Inputs;
    type TrainingInput = MultimodalBatch<E::Inputs>;

    fn n_modalities(&self) -> usize {
        self.joint.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.joint.n_classes()
    }

    /// As that of [`Joint`].
    ///
    /// # Errors
    ///
    /// [`MlaError::NoSamples`] for a loader without items.
    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<E::Inputs>>,
    ) -> Result<TrainingLoader<Self::TrainingInput>> {
        self.joint.training_loader(batches)
    }

    fn modality(_: &Self::TrainingInput) -> Option<usize> {
        None
    }

    fn targets(batch: &Self::TrainingInput) -> &Targets {
        &batch.targets
    }

    fn interruption(&self) -> &Interruption {
        MultimodalMethod::interruption(&self.joint)
    }

    fn interruption_mut(&mut self) -> &mut Interruption {
        MultimodalMethod::interruption_mut(&mut self.joint)
    }

    fn check_restored(&self) -> Result<()> {
        self.joint.check_restored()
    }

    fn is_selectable(&self) -> bool {
        self.joint.is_selectable()
    }

    fn try_train_step(&self, batch: Self::TrainingInput) -> Result<TrainOutput<StepOutput>> {
        self.try_step(batch)
    }

    fn try_update(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Result<()> {
        self.try_optimize(optimizer, learning_rate, gradients)
    }

    fn set_temperatures(&mut self, temperatures: &[f64]) -> Result<bool> {
        MultimodalMethod::set_temperatures(&mut self.joint, temperatures)
    }

    fn set_fused_temperature(&mut self, temperature: f64) -> Result<bool> {
        self.joint.set_fused_temperature(temperature)
    }

    fn try_inference_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        self.joint.try_evaluate(batch)
    }
}
