//! The trait that MLA and its baselines have in common.

use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use burn::train::{InferenceStep, LearnerModel, TrainOutput, TrainStep};

#[cfg(doc)]
use crate::Mla;
use crate::error::Result;
use crate::loader::{LoaderHandle, SourceLoader};
use crate::method::{EvaluationOutput, Interruption, StepOutput};
use crate::modality::{ModalityInputs, MultimodalBatch, Targets};
use crate::module::unshared;

/// A multimodal model and the way it is trained.
///
/// [`fit`], [`ResumableTraining`], [`evaluate`], [`evaluate_subsets`] and [`calibrate`] take any method.
/// [`Mla`] is one, and so is [`Joint`](crate::baseline::Joint) with any of its heads. All methods share
/// the training loop, the checkpoints and the metrics. [`burn_steps!`](crate::burn_steps) implements
/// the supertraits `TrainStep` and `InferenceStep`.
///
/// # Implementing your own
///
/// A joint model that is trained on the text only:
///
/// ```
/// use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
/// use burn::module::Module;
/// use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
/// use burn::tensor::{Device, Tensor};
/// use burn::train::{TrainOutput, TrainStep};
/// use burn_mla::baseline::{Joint, JointConfig, Sum, SumConfig};
/// use burn_mla::encoder::Encoders;
/// use burn_mla::prelude::*;
/// use burn_mla::loader::SourceLoader;
/// use burn_mla::method::{
///     EvaluationOutput, Interruption, MultimodalMethod, StepOutput, TrainingLoader,
/// };
///
/// /// An audio and a text encoder.
/// type Pair = (MlpEncoder, MlpEncoder);
/// type Inputs = <Pair as Encoders>::Inputs;
/// type Batch = MultimodalBatch<Inputs>;
///
/// #[derive(Module, Debug)]
/// struct TextOnly {
///     model: Joint<Pair, Sum>,
/// }
///
/// impl MultimodalMethod for TextOnly {
///     type Inputs = Inputs;
///     type TrainingInput = Batch;
///
///     fn n_modalities(&self) -> usize {
///         self.model.n_modalities()
///     }
///     fn n_classes(&self) -> usize {
///         self.model.n_classes()
///     }
///     fn training_loader(
///         &self,
///         batches: SourceLoader<Batch>,
///     ) -> Result<TrainingLoader<Batch>> {
///         self.model.training_loader(batches)
///     }
///     fn modality(_: &Batch) -> Option<usize> {
///         Some(1)
///     }
///     fn targets(batch: &Batch) -> &Targets {
///         &batch.targets
///     }
///     fn interruption(&self) -> &Interruption {
///         self.model.interruption()
///     }
///     fn interruption_mut(&mut self) -> &mut Interruption {
///         self.model.interruption_mut()
///     }
///     fn try_train_step(&self, mut batch: Batch) -> Result<TrainOutput<StepOutput>> {
///         batch.inputs.0 = None;
///         let mut output = self.model.try_step(batch)?;
///         output.item.modality = Some(1);
///         Ok(output)
///     }
///     fn try_update(
///         &mut self,
///         optimizer: &mut ModuleOptimizer,
///         learning_rate: ModuleLearningRate,
///         gradients: GradientsParams,
///     ) -> Result<()> {
///         self.model.try_update(optimizer, learning_rate, gradients)
///     }
///     fn try_inference_step(&self, batch: Batch) -> Result<EvaluationOutput> {
///         self.model.try_evaluate(batch)
///     }
/// }
///
/// // `TrainStep` and `InferenceStep`, for Burn's own loop.
/// burn_mla::burn_steps!(TextOnly);
///
/// let device = Device::flex().autodiff();
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 8).init(&device)?;
/// let head = SumConfig::new(vec![16, 8], 4).init(&device)?;
/// let model = TextOnly { model: JointConfig::new().init((audio, text), head)? };
///
/// let batch = |device: &Device| {
///     let inputs = (Tensor::<2>::ones([5, 20], device), Tensor::<2>::ones([5, 30], device));
///     MultimodalBatch::paired(inputs, Targets::new([0, 1, 2, 3, 0], device))
/// };
/// let output = model.try_train_step(batch(&device))?;
/// let mut optimizer = SgdConfig::new().init();
/// let model = TrainStep::optimize(model, &mut optimizer, 0.1.into(), output.grads);
/// assert_eq!(model.model.n_steps(), 1);
/// let evaluated = model.valid().try_inference_step(batch(&Device::flex()))?;
/// assert_eq!(evaluated.logits.dims(), [5, 4]);
/// # Ok::<(), MlaError>(())
/// ```
///
/// [`ResumableTraining`]: crate::checkpoint::ResumableTraining
/// [`evaluate`]: crate::evaluation::evaluate
/// [`evaluate_subsets`]: crate::evaluation::evaluate_subsets
/// [`calibrate`]: crate::evaluation::calibrate
/// [`fit`]: crate::fit::fit
pub trait MultimodalMethod:
    LearnerModel
    + TrainStep<Input = Self::TrainingInput, Output = StepOutput>
    + InferenceStep<Input = MultimodalBatch<Self::Inputs>, Output = EvaluationOutput>
{
    /// The inputs of all modalities of a batch.
    type Inputs: ModalityInputs;

    /// The input of a training step: one modality's turn, or a batch of all modalities.
    type TrainingInput: Send + 'static;

    /// Number of modalities.
    fn n_modalities(&self) -> usize;

    /// Number of classes.
    fn n_classes(&self) -> usize;

    /// Makes the loader of training inputs from a loader of paired data, such as
    /// `Arc::new(SeededLoader::new(..)?).into()`.
    ///
    /// # Errors
    ///
    /// Those of the method.
    fn training_loader(
        &self,
        batches: SourceLoader<MultimodalBatch<Self::Inputs>>,
    ) -> Result<TrainingLoader<Self::TrainingInput>>;

    /// Number of turns of a pass over `n_batches` batches: training inputs of
    /// [`training_loader`](Self::training_loader), with those that are skipped. Learning-rate schedules
    /// [count](crate::fit::Turns) them. The default is one per batch; a wrapper forwards that of its method.
    fn n_turns(&self, n_batches: usize) -> usize {
        n_batches
    }

    /// The modality of a training input, `None` for a step of all modalities at once.
    ///
    /// Gradients of different modalities are not accumulated.
    fn modality(input: &Self::TrainingInput) -> Option<usize>;

    /// The labels of a training input.
    fn targets(input: &Self::TrainingInput) -> &Targets;

    /// The interruption of the training, through which an error stops Burn's loop.
    fn interruption(&self) -> &Interruption;

    /// The same [`interruption`](Self::interruption), to be replaced for a training.
    fn interruption_mut(&mut self) -> &mut Interruption;

    /// Checks the numbers of a model that was loaded from a checkpoint against each other. The
    /// default accepts all.
    ///
    /// # Errors
    ///
    /// Those of the method.
    fn check_restored(&self) -> Result<()> {
        Ok(())
    }

    /// Whether predictions are those of the method. A validation in an early stage of a training, in
    /// which they are not, neither selects the best epoch nor counts for the patience. The default is
    /// true.
    fn is_selectable(&self) -> bool {
        true
    }

    /// Whether the method can predict with averages of its weights, as
    /// [`WeightAverage`](crate::method::WeightAverage) does. A method that fits values to the outputs of its
    /// current weights cannot: the fitted values do not match the averages. The default is true.
    fn is_averageable(&self) -> bool {
        true
    }

    /// Returns true if a training can be
    /// [divided over several devices](crate::checkpoint::ResumableTraining::launch_over): the gradient of a step
    /// is the sum of the gradients over parts of its batch. Losses that compare samples, or coefficients from the
    /// whole batch, forbid it. The default is false.
    fn is_divisible(&self) -> bool {
        false
    }

    /// A copy of the model on another device for a step with `input`, or with a part of it. The default
    /// moves the whole model. An implementation may leave behind what the step does not use. The copy shares
    /// no running statistics with the model.
    fn replica(&self, input: &Self::TrainingInput, device: &Device) -> Self {
        let _ = input;
        unshared(self).fork(device)
    }

    /// Runs the forward and backward pass of a training input.
    ///
    /// # Errors
    ///
    /// Those of the model, which is unchanged then.
    fn try_train_step(&self, input: Self::TrainingInput) -> Result<TrainOutput<StepOutput>>;

    /// Updates the parameters with the gradients of [`try_train_step`](Self::try_train_step), or
    /// with their sum over several steps or devices.
    ///
    /// # Errors
    ///
    /// Those of the model, which is unchanged then.
    fn try_update(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Result<()>;

    /// Replaces the temperatures that divide each modality's logits before they are combined, and
    /// returns whether the method has temperatures. The default has none and changes nothing.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for another number of modalities, or a temperature that is not
    /// positive and finite. The model is then unchanged.
    fn set_temperatures(&mut self, temperatures: &[f64]) -> Result<bool> {
        let _ = temperatures;
        Ok(false)
    }

    /// Replaces the temperature that divides the fused logits, and returns whether the method has
    /// one. The default has none and changes nothing.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a temperature that is not positive and finite. The model is
    /// then unchanged.
    fn set_fused_temperature(&mut self, temperature: f64) -> Result<bool> {
        let _ = temperature;
        Ok(false)
    }

    /// Computes the predictions for a batch and their loss.
    ///
    /// # Errors
    ///
    /// Those of the model.
    fn try_inference_step(&self, batch: MultimodalBatch<Self::Inputs>) -> Result<EvaluationOutput>;
}

/// The training data of a [`MultimodalMethod`].
pub struct TrainingLoader<I> {
    /// The loader of training inputs.
    pub loader: Arc<dyn DataLoader<I>>,
    /// Its position, for [`ResumableTraining`](crate::checkpoint::ResumableTraining).
    pub handle: LoaderHandle,
}
