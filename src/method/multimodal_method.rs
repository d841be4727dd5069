use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::train::{InferenceStep, Interrupter, LearnerModel, TrainOutput, TrainStep};

#[cfg(doc)]
use crate::Mla;
use crate::error::{MlaError, Result};
use crate::loader::{LoaderHandle, Passes};
use crate::method::{EvaluationOutput, StepOutput};
use crate::modality::{ModalityInputs, MultimodalBatch};

/// A way to train a model of several modalities: what [`ResumableTraining`], [`evaluate`] and the
/// other functions of this module need of a model, besides what Burn's loop does.
///
/// [`Mla`] is one, and so is [`Joint`](crate::baseline::Joint) with any of its heads: they train in
/// the same loop, with the same checkpoints and metrics. So does whatever else implements this.
///
/// # Implementing your own
///
/// The ablation of a joint model that sees but the text in training:
///
/// ```
/// use std::sync::Arc;
///
/// use burn::data::dataloader::DataLoader;
/// use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
/// use burn::module::Module;
/// use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
/// use burn::tensor::{Device, Tensor};
/// use burn::train::{InferenceStep, Interrupter, TrainOutput, TrainStep};
/// use burn_mla::baseline::{Joint, JointConfig, Sum, SumConfig};
/// use burn_mla::prelude::*;
/// use burn_mla::loader::Passes;
/// use burn_mla::method::{EvaluationOutput, MultimodalMethod, StepOutput, TrainingLoader};
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
///
///     fn n_modalities(&self) -> usize {
///         self.model.n_modalities()
///     }
///     fn n_classes(&self) -> usize {
///         self.model.n_classes()
///     }
///     fn training_loader(
///         &self,
///         batches: Arc<dyn DataLoader<Batch>>,
///         passes: Vec<Passes>,
///     ) -> Result<TrainingLoader<Batch>> {
///         self.model.training_loader(batches, passes)
///     }
///     fn modality(_: &Batch) -> Option<usize> {
///         Some(1)
///     }
///     fn attach(&self, interrupter: &Interrupter) {
///         self.model.attach(interrupter);
///     }
///     fn report(&self, error: MlaError) {
///         self.model.report(error);
///     }
///     fn try_train_step(&self, mut batch: Batch) -> Result<TrainOutput<StepOutput>> {
///         batch.inputs.0 = None;
///         let mut output = self.model.try_step(batch)?;
///         output.item.modality = Some(1);
///         Ok(output)
///     }
///     fn try_inference_step(&self, batch: Batch) -> Result<EvaluationOutput> {
///         self.model.try_evaluate(batch)
///     }
/// }
///
/// /// For Burn's own loop; a `ResumableTraining` calls `try_train_step`.
/// impl TrainStep for TextOnly {
///     type Input = Batch;
///     type Output = StepOutput;
///
///     fn step(&self, batch: Batch) -> TrainOutput<StepOutput> {
///         self.try_train_step(batch).expect("a batch with texts")
///     }
///     fn optimize(
///         mut self,
///         optimizer: &mut ModuleOptimizer,
///         learning_rate: ModuleLearningRate,
///         gradients: GradientsParams,
///     ) -> Self {
///         self.model = self.model.optimize(optimizer, learning_rate, gradients);
///         self
///     }
/// }
///
/// impl InferenceStep for TextOnly {
///     type Input = Batch;
///     type Output = EvaluationOutput;
///
///     fn step(&self, batch: Batch) -> EvaluationOutput {
///         InferenceStep::step(&self.model, batch)
///     }
/// }
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
pub trait MultimodalMethod:
    LearnerModel
    + TrainStep<Output = StepOutput>
    + InferenceStep<Input = MultimodalBatch<Self::Inputs>, Output = EvaluationOutput>
{
    /// The inputs of all modalities of a batch.
    type Inputs: ModalityInputs;

    /// Number of modalities.
    fn n_modalities(&self) -> usize;

    /// Number of classes.
    fn n_classes(&self) -> usize;

    /// What the method trains on, made from batches of paired data, and the position of that
    /// loader. `passes` count the passes over `batches`, in
    /// [`SeededLoader::passes`](crate::loader::SeededLoader::passes).
    ///
    /// # Errors
    ///
    /// Those of the method.
    fn training_loader(
        &self,
        batches: Arc<dyn DataLoader<MultimodalBatch<Self::Inputs>>>,
        passes: Vec<Passes>,
    ) -> Result<TrainingLoader<<Self as TrainStep>::Input>>;

    /// Whose turn it is, `None` for a step of all modalities at once; turns of different modalities
    /// are not accumulated together.
    fn modality(turn: &<Self as TrainStep>::Input) -> Option<usize>;

    /// Gives the model the interrupter of its training, through which it reports an error of
    /// [`TrainStep::optimize`] and those of [`report`](Self::report).
    fn attach(&self, interrupter: &Interrupter);

    /// Stops the training with an error.
    fn report(&self, error: MlaError);

    /// [`TrainStep::step`] with its errors.
    ///
    /// # Errors
    ///
    /// Those of the model; it is as it was then.
    fn try_train_step(&self, turn: <Self as TrainStep>::Input) -> Result<TrainOutput<StepOutput>>;

    /// [`InferenceStep::step`] with its errors.
    ///
    /// # Errors
    ///
    /// Those of the model.
    fn try_inference_step(&self, batch: MultimodalBatch<Self::Inputs>) -> Result<EvaluationOutput>;
}

/// What a [`MultimodalMethod`] trains on.
pub struct TrainingLoader<I> {
    /// The loader of what the method's training step takes.
    pub loader: Arc<dyn DataLoader<I>>,
    /// Its position, for [`ResumableTraining`](crate::checkpoint::ResumableTraining).
    pub handle: LoaderHandle,
}
