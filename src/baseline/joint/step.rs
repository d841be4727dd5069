//! Training of a joint model: step, update, evaluation, and its `MultimodalMethod`.

use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::ParamId;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Tensor};
use burn::train::{Interrupter, TrainOutput};

use crate::baseline::joint::clip::clip;
use crate::baseline::joint::model::{encode, encode_hidden};
use crate::baseline::joint::observed::Observed;
use crate::baseline::joint::ogm::{coefficients, modulate};
use crate::baseline::{Joint, JointHead, JointSamples, ModalityFeatures};
use crate::encoder::Encoders;
use crate::error::{MlaError, NonFinite, Result, output_shape, positive};
use crate::fusion::temperatures;
use crate::loader::{LoaderHandle, Occurring, SourceLoader};
use crate::method::{
    EvaluationOutput, Interruption, MultimodalMethod, Parameters, StepOutput, SubsetPredictor,
    TrainingLoader,
};
use crate::modality::{MultimodalBatch, Presence, Targets, ZeroRows};
use crate::module::{Buffer, ModelThread, Visited, carry_updates, float_params, unshared};
use crate::numeric::{culprit, not_finite_rows};

impl<E: Encoders, H: JointHead> Joint<E, H> {
    /// Stops training through `interrupter` when a step fails in Burn's training loop. Without an
    /// interrupter a failed step panics, because Burn's steps cannot return errors.
    ///
    /// Clones made from then on stop the same training. Give a clone for another training an
    /// interrupter of its own.
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
    /// The model must be on an autodiff device. The gradients are those of the loss times the weight of
    /// the samples, their number unless the loss weighs classes. Pass them to
    /// [`try_optimize`](Self::try_optimize), which divides by that weight, unchanged or summed over several batches by Burn's `GradientsAccumulator`.
    ///
    /// [Hidden](MultimodalBatch::hidden) inputs are targets for a head that
    /// [uses](JointHead::uses_hidden) them. Others ignore them.
    ///
    /// The model does not change. Updates of running statistics, those of batch normalization, travel
    /// with the gradients, and [`try_optimize`](Self::try_optimize) applies their mean over
    /// the samples.
    ///
    /// # Errors
    ///
    /// - as [`features`](Self::features);
    /// - [`MlaError::LabelOutOfRange`] for a label that is not a class of the head;
    /// - those of [`JointHead::loss`], and [`MlaError::OutputShape`] for logits that are not
    ///   `[n_samples, n_classes]`;
    /// - [`MlaError::NonFinite`] for features that are not finite, [`MlaError::NonFiniteLoss`] for
    ///   such a loss, unless the check is off.
    ///
    /// If the batch has the positions of its samples in the data set, or the sample of a non-finite
    /// feature is known, the error of a sample is a [`MlaError::Sample`].
    ///
    /// # Panics
    ///
    /// Without autodiff, and where an encoder panics for an input that its
    /// [`check`](crate::encoder::Encoder::check) accepts.
    pub fn try_step(&self, batch: MultimodalBatch<E::Inputs>) -> Result<TrainOutput<StepOutput>> {
        let samples = batch.samples.clone();
        let thread = ModelThread::of(&self.encoders, &self.head);
        let output = thread.run(|| self.passes_of(batch));
        output.map_err(|error| error.located(None, samples.as_deref()))
    }

    fn passes_of(&self, mut batch: MultimodalBatch<E::Inputs>) -> Result<TrainOutput<StepOutput>> {
        let targets = batch.targets.clone();
        targets.check(self.n_classes())?;
        if self.config.modulation.is_some() {
            targets.check_single("OGM")?;
        }
        let at = batch.samples.clone();
        let cross_entropy = self.config.cross_entropy()?;
        // Forward passes change the running statistics of these copies only.
        let (encoders, head) = (unshared(&self.encoders), unshared(&self.head));
        let hidden = batch.hidden.take().filter(|_| head.uses_hidden());
        let features = encode(&encoders, batch)?;
        let held = hidden.map(|hidden| encode_hidden(&self.encoders, &features, hidden));
        let samples = JointSamples {
            held: held.transpose()?,
            features,
            targets: &targets,
            samples: at.as_deref(),
            training_loss: self.loss.as_deref().unwrap_or(&cross_entropy),
            step: self.n_steps(),
        };
        let found = head.loss(&samples)?;
        let shape = [targets.len(), self.n_classes()];
        output_shape("the logits of the head", shape, found.logits.dims())?;
        let observed = self
            .head
            .memory()
            .zip(found.observed)
            .map(|(memory, rows)| Observed::new(memory, samples.samples, targets.len(), rows));
        let observed = observed.transpose()?;
        let features = samples.features.without_autodiff();
        self.check_numbers(&features, &found.loss)?;

        // Gradients of a sum can be added up over batches of different sizes.
        let weight = samples.training_loss.weight(&targets);
        let weight = positive("weight of the samples in the loss", weight)?;
        let mut gradients = (found.loss.clone().cast(DType::F32) * weight as f32).backward();
        let mut grads = GradientsParams::from_module(&mut gradients, self);
        let modulation = self.config.modulation.as_ref();
        if let Some(ogm) = modulation.filter(|ogm| ogm.is_active(self.n_steps())) {
            let found = coefficients(ogm, &self.head.valid(), &features, &targets);
            modulate(ogm, &self.encoders, &found?, &mut grads);
        }
        let rows = |param: &Visited| match param.part() {
            Some(modality) => features.presence().rows(modality).len(),
            None => targets.len(),
        };
        carry_updates(&encoders, &rows, &mut grads);
        carry_updates(&head, &|_| targets.len(), &mut grads);
        let loss = found.loss.without_autodiff();
        if let Some(observed) = observed {
            let table = self.head.memory().filter(|_| self.config.accumulation);
            observed.write(&mut grads, self.observed, table);
        }
        let total = Tensor::<1>::full([1], weight as f32, (&loss.device(), DType::F32));
        grads.register(self.weight.id(), total);
        Ok(TrainOutput {
            grads,
            item: StepOutput {
                modality: None,
                loss,
                logits: found.logits.without_autodiff(),
                targets,
                weight,
            },
        })
    }

    /// Updates all parameters. The gradients, of one step or summed over several of micro-batches or
    /// devices, are divided by the weight of their samples.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoStepGradients`] for gradients that do not come from
    /// [`try_step`](Self::try_step), [`MlaError::ObservationsLost`] for a sum of gradients that a head
    /// with a memory needs [`accumulation`](crate::baseline::JointConfig::accumulation) for,
    /// [`MlaError::HyperParameter`] for a learning rate that is not finite in f32, and
    /// [`MlaError::NonFiniteGradient`] unless the check is off. The model and the optimizer are then
    /// unchanged.
    pub fn try_optimize(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        gradients: GradientsParams,
    ) -> Result<()> {
        let learning_rate = learning_rate.into();
        let thread = ModelThread::of(&self.encoders, &self.head);
        thread.run(|| self.update(optimizer, learning_rate, gradients))
    }

    fn update(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        mut gradients: GradientsParams,
    ) -> Result<()> {
        let weight = gradients.remove::<1>(self.weight.id());
        let weight = weight.ok_or(MlaError::NoStepGradients)?;
        let observed = self.take_observed(&mut gradients)?;
        let parameters = Parameters::of(&self.encoders, &self.head);
        let mut checked = parameters.divide(&mut gradients, &weight);
        parameters.check_learning_rate(&learning_rate, &gradients)?;
        if self.config.finite_check
            && let Some(parameter) = parameters.non_finite_gradient(&gradients, &mut checked)?
        {
            return Err(MlaError::NonFiniteGradient {
                parameter,
                modality: None,
                step: self.n_steps(),
            });
        }
        if let Some(norm) = self.config.clip_norm {
            clip(&parameters, &self.networks(), norm, &mut gradients);
        }
        let parameters = parameters.step(optimizer, learning_rate, gradients);
        self.encoders = parameters.encoders;
        self.head = parameters.head;
        if let Some((at, observed)) = observed {
            self.head.remember(at, observed);
        }
        self.n_steps.set(self.n_steps.get() + 1);
        self.head.after_update(self.n_steps.get());
        Ok(())
    }

    /// The parameters of each encoder, and of each network of the head.
    fn networks(&self) -> Vec<Vec<ParamId>> {
        let mut networks = vec![vec![]; self.n_modalities()];
        for param in float_params(&self.encoders) {
            if let Some(network) = param.part().and_then(|part| networks.get_mut(part)) {
                network.push(param.id);
            }
        }
        networks.extend(self.head.networks());
        networks
    }

    /// Computes [`predict`](Self::predict) and the cross-entropy of the fused prediction.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict), and [`MlaError::LabelOutOfRange`].
    pub fn try_evaluate(&self, batch: MultimodalBatch<E::Inputs>) -> Result<EvaluationOutput> {
        let targets = batch.targets.clone();
        targets.check_single("the evaluation")?;
        let labels = targets.check(self.n_classes());
        labels.map_err(|error| error.located(None, batch.samples.as_deref()))?;
        let (features, prediction) = self.features_and_prediction(batch)?;
        let predictor = JointSubsets {
            head: self.head.clone(),
            temperature: self.temperature.clone(),
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
            Some(modality) => {
                let what = NonFinite::Features;
                let error = MlaError::NonFinite {
                    what,
                    modality,
                    step,
                };
                let n_rows = features.presence().rows(modality).len();
                let rows = not_finite_rows(&features.modality(modality))?;
                Err(error.of_sample(culprit(&rows, n_rows)))
            }
            None if !numbers[0].is_finite() => Err(MlaError::NonFiniteLoss { step }),
            None => Ok(()),
        }
    }
}

/// Predictions of an evaluated batch from subsets of its modalities.
struct JointSubsets<H> {
    head: H,
    temperature: Buffer<1>,
    features: ModalityFeatures,
}

impl<H: JointHead> JointSubsets<H> {
    /// The head with all temperatures 1, and whether it has temperatures.
    fn uncalibrated_head(&self) -> Option<(H, bool)> {
        let mut head = self.head.clone();
        let ones = vec![1.0; self.presence().n_modalities()];
        let has_temperatures = head.set_temperatures(&ones).ok()?;
        Some((head, has_temperatures))
    }
}

impl<H: JointHead> SubsetPredictor for JointSubsets<H> {
    fn presence(&self) -> &Presence {
        self.features.presence()
    }

    fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
        let subset = self.features.restricted(rows, modalities)?;
        let fused = self.head.fuse(&subset).logits;
        Ok(temperatures::divide(&self.temperature, 0, fused))
    }

    /// What the head with its temperatures makes of the modality alone.
    fn calibrated(&self, modality: usize) -> Option<Tensor<2>> {
        let presence = self.presence();
        let rows = (modality < presence.n_modalities()).then(|| presence.rows(modality))?;
        let (_, has_temperatures) = self.uncalibrated_head()?;
        if rows.is_empty() || !has_temperatures {
            return None;
        }
        let alone = self.features.restricted(&rows, &[modality]).ok()?;
        let logits = self.head.fuse(&alone).logits;
        logits.place_rows(&rows, presence.n_samples()).ok()
    }

    fn uncalibrated(&self) -> Option<Tensor<2>> {
        let (head, _) = self.uncalibrated_head()?;
        Some(head.fuse(&self.features).logits)
    }
}

crate::burn_steps!(impl[E: Encoders + 'static, H: JointHead] Joint<E, H>);

/// The items of `MultimodalMethod` that do not depend on the training input, by the joint model in
/// `self`, or in a field of it. A wrapper that takes them cannot forget one.
macro_rules! joint_method {
    ($($joint:ident)?) => {
        type Inputs = E::Inputs;

        fn n_modalities(&self) -> usize {
            self$(.$joint)?.n_modalities()
        }

        fn n_classes(&self) -> usize {
            self$(.$joint)?.n_classes()
        }

        fn modality(_: &Self::TrainingInput) -> Option<usize> {
            None
        }

        fn interruption(&self) -> &$crate::method::Interruption {
            &self$(.$joint)?.interruption
        }

        fn interruption_mut(&mut self) -> &mut $crate::method::Interruption {
            &mut self$(.$joint)?.interruption
        }

        fn check_restored(&self) -> $crate::error::Result<()> {
            self$(.$joint)?.n_steps.check("n_steps")
        }

        fn is_selectable(&self) -> bool {
            self$(.$joint)?.head.is_selectable()
        }

        fn try_update(
            &mut self,
            optimizer: &mut burn::optim::ModuleOptimizer,
            learning_rate: burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate,
            gradients: burn::optim::GradientsParams,
        ) -> $crate::error::Result<()> {
            self.try_optimize(optimizer, learning_rate, gradients)
        }

        fn set_temperatures(&mut self, temperatures: &[f64]) -> $crate::error::Result<bool> {
            self$(.$joint)?.head.set_temperatures(temperatures)
        }

        fn set_fused_temperature(&mut self, temperature: f64) -> $crate::error::Result<bool> {
            let own = &mut self$(.$joint)?.temperature;
            $crate::fusion::temperatures::replace(own, &[temperature])?;
            Ok(true)
        }

        fn try_inference_step(
            &self,
            batch: $crate::modality::MultimodalBatch<E::Inputs>,
        ) -> $crate::error::Result<$crate::method::EvaluationOutput> {
            self$(.$joint)?.try_evaluate(batch)
        }
    };
}

pub(in crate::baseline) use joint_method;

impl<E: Encoders + 'static, H: JointHead> MultimodalMethod for Joint<E, H> {
    type TrainingInput = MultimodalBatch<E::Inputs>;

    joint_method!();

    /// The batches themselves. A pass in which no batch has one of the modalities ends with
    /// [`MlaError::AbsentModality`].
    ///
    /// # Errors
    ///
    /// [`MlaError::NoSamples`] for a loader without items.
    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<E::Inputs>>,
    ) -> Result<TrainingLoader<Self::TrainingInput>> {
        if batches.loader.num_items() == 0 {
            let what = "the training data";
            return Err(MlaError::NoSamples { what });
        }
        Ok(TrainingLoader {
            loader: Arc::new(Occurring::new(batches.loader)),
            handle: LoaderHandle::of_sources(batches.sources),
        })
    }

    fn targets(batch: &Self::TrainingInput) -> &Targets {
        &batch.targets
    }

    /// That of the head. Modulation has coefficients from the whole batch.
    fn is_divisible(&self) -> bool {
        self.config.modulation.is_none() && self.head.is_divisible()
    }

    fn try_train_step(&self, batch: Self::TrainingInput) -> Result<TrainOutput<StepOutput>> {
        self.try_step(batch)
    }
}
