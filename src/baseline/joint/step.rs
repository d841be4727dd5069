//! Training of a joint model: step, update, evaluation, and its `MultimodalMethod`.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Tensor};
use burn::train::{Interrupter, TrainOutput};

use crate::baseline::joint::ogm::{coefficients, modulate};
use crate::baseline::{Joint, JointHead, JointSamples, ModalityFeatures};
use crate::encoder::Encoders;
use crate::error::{MlaError, NonFinite, Result};
use crate::loader::{LoaderHandle, SourceLoader};
use crate::method::{
    EvaluationOutput, Interruption, MultimodalMethod, Parameters, StepOutput, SubsetPredictor,
    TrainingLoader,
};
use crate::modality::{MultimodalBatch, Presence, Targets};
use crate::module::discard_pending_updates;

impl<E: Encoders, H: JointHead> Joint<E, H> {
    /// Stops training through `interrupter` when a step fails in Burn's training loop. Without an
    /// interrupter a failed step panics, because Burn's steps cannot return errors.
    pub fn with_interrupter(mut self, interrupter: Interrupter) -> Self {
        self.interruption = Interruption::new(interrupter);
        self
    }

    /// The error that stopped Burn's training loop.
    pub fn fault(&self) -> Option<MlaError> {
        self.interruption.fault()
    }

    /// The forward and backward pass of a batch, of all modalities at once.
    ///
    /// The model must be on an autodiff device. Pass the gradients to
    /// [`try_optimize`](Self::try_optimize), unchanged or summed over several batches by Burn's
    /// `GradientsAccumulator`. It averages a sum.
    ///
    /// # Errors
    ///
    /// - as [`features`](Self::features);
    /// - [`MlaError::LabelOutOfRange`] for a label that is not a class of the head;
    /// - those of [`JointHead::loss`];
    /// - [`MlaError::NonFinite`] for features that are not finite, [`MlaError::NonFiniteLoss`] for
    ///   such a loss, unless the check is off.
    ///
    /// An error leaves the model unchanged, including its running statistics.
    ///
    /// # Panics
    ///
    /// Without autodiff, and where an encoder panics on an unsupported shape.
    pub fn try_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<TrainOutput<StepOutput>> {
        let targets = batch.targets.clone();
        targets.check(self.n_classes())?;
        let at = batch.samples.clone();
        let mut ran = vec![];
        let features = self.encode(batch, &mut ran);
        let discard_encoders = |error| {
            discard_pending_updates(&self.encoders, Some(&ran));
            error
        };
        let discard_all = |error| {
            discard_pending_updates(&self.head, None);
            discard_encoders(error)
        };
        let features = features.map_err(discard_encoders)?;
        let samples = JointSamples {
            features,
            targets: &targets,
            samples: at.as_deref(),
            label_smoothing: self.config.label_smoothing,
        };
        let found = self.head.loss(&samples).map_err(discard_all)?;
        let features = samples.features.without_autodiff();
        self.check_numbers(&features, &found.loss)
            .map_err(discard_all)?;

        let mut gradients = found.loss.backward();
        let mut grads = GradientsParams::from_module(&mut gradients, self);
        let modulation = self.config.modulation.as_ref();
        if let Some(ogm) = modulation.filter(|ogm| ogm.is_active(self.n_steps())) {
            let found = coefficients(ogm, &self.head.valid(), &features, &targets);
            modulate(
                ogm,
                &self.encoders,
                &found.map_err(discard_all)?,
                &mut grads,
            );
        }
        let loss = found.loss.without_autodiff();
        if let Some((id, observed)) = self.head.memory().zip(found.observed) {
            grads.register(id, observed.without_autodiff());
        }
        grads.register(self.passes.id(), loss.ones_like().cast(DType::F32));
        grads.register(self.single_pass, loss.clone());
        Ok(TrainOutput {
            grads,
            item: StepOutput {
                modality: None,
                loss,
                logits: found.logits.without_autodiff(),
                targets,
            },
        })
    }

    /// Updates all parameters. A sum of gradients over several backward passes, of micro-batches or
    /// devices, is divided by their number.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoStepGradients`] for gradients that do not come from
    /// [`try_step`](Self::try_step). The model and the optimizer are then unchanged.
    pub fn try_optimize(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        mut gradients: GradientsParams,
    ) -> Result<()> {
        let passes = gradients.remove::<1>(self.passes.id());
        let passes = passes.ok_or(MlaError::NoStepGradients)?;
        let accumulated = gradients.remove::<1>(self.single_pass).is_none();
        let observed = self.head.memory().and_then(|id| gradients.remove::<2>(id));
        let parameters = Parameters::of(&self.encoders, &self.head);
        if accumulated {
            parameters.divide(&mut gradients, passes);
        }
        let parameters = optimizer.step(learning_rate.into(), parameters, gradients);
        self.encoders = parameters.encoders;
        self.head = parameters.head;
        if let Some(observed) = observed {
            self.head.remember(observed);
        }
        self.n_steps.set(self.n_steps.get() + 1);
        Ok(())
    }

    /// Computes [`predict`](Self::predict) and the cross-entropy of the fused prediction.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict), and [`MlaError::LabelOutOfRange`].
    pub fn try_evaluate(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        let targets = batch.targets.clone();
        targets.check(self.n_classes())?;
        let features = self.features(batch)?;
        let prediction = self.predict_features(&features)?;
        let predictor = JointSubsets {
            head: self.head.clone(),
            features,
        };
        Ok(EvaluationOutput::new(
            prediction.fused,
            targets,
            prediction.modalities,
            prediction.weights,
            predictor,
        ))
    }

    /// Checks that features and loss are finite, with one read from the device.
    fn check_numbers(&self, features: &ModalityFeatures, loss: &Tensor<1>) -> Result<()> {
        if !self.config.finite_check {
            return Ok(());
        }
        // 0 * x is 0 for finite x and NaN otherwise, and cannot overflow when summed.
        let sum = |features: &Tensor<2>| (features.clone() * 0.0).sum().cast(DType::F32);
        let loss = loss.clone().without_autodiff().cast(DType::F32);
        let mut numbers = vec![loss];
        numbers.extend(features.all().iter().map(sum));
        let numbers: Vec<f64> = Tensor::cat(numbers, 0)
            .try_to_vec_as()
            .map_err(MlaError::read("the loss and the finiteness of features"))?;
        let step = self.n_steps();
        match numbers[1..].iter().position(|number| number.is_nan()) {
            Some(modality) => Err(MlaError::NonFinite {
                what: NonFinite::Features,
                modality,
                step,
            }),
            None if !numbers[0].is_finite() => Err(MlaError::NonFiniteLoss { step }),
            None => Ok(()),
        }
    }
}

/// Predictions of an evaluated batch from subsets of its modalities.
struct JointSubsets<H> {
    head: H,
    features: ModalityFeatures,
}

impl<H: JointHead> SubsetPredictor for JointSubsets<H> {
    fn presence(&self) -> &Presence {
        self.features.presence()
    }

    fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
        let subset = self.features.restricted(rows, modalities)?;
        Ok(self.head.fuse(&subset).logits)
    }
}

crate::burn_steps!(impl[E: Encoders + 'static, H: JointHead] Joint<E, H>);

impl<E: Encoders + 'static, H: JointHead> MultimodalMethod for Joint<E, H> {
    type Inputs = E::Inputs;
    type TrainingInput = MultimodalBatch<E::Inputs>;

    fn n_modalities(&self) -> usize {
        self.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.n_classes()
    }

    /// The batches themselves.
    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<E::Inputs>>,
    ) -> Result<TrainingLoader<Self::TrainingInput>> {
        Ok(TrainingLoader {
            loader: batches.loader,
            handle: LoaderHandle::of_sources(batches.sources),
        })
    }

    fn modality(_: &Self::TrainingInput) -> Option<usize> {
        None
    }

    fn targets(batch: &Self::TrainingInput) -> &Targets {
        &batch.targets
    }

    fn interruption(&self) -> &Interruption {
        &self.interruption
    }

    fn interruption_mut(&mut self) -> &mut Interruption {
        &mut self.interruption
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

    fn try_inference_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        self.try_evaluate(batch)
    }
}
