//! The trait of a joint model's head: prediction, loss, and what they are computed from.

use burn::module::{Module, ModuleDisplay, ParamId};
use burn::tensor::{Int, Tensor};

use crate::baseline::ModalityFeatures;
use crate::error::Result;
use crate::loss::TrainingLoss;
use crate::modality::Targets;
use crate::module::{Buffer, param_ids, type_name};

/// The part of a [`Joint`](crate::baseline::Joint) model after its encoders. It maps the features of
/// all modalities to one prediction and computes the training loss.
///
/// # Implementing your own
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::Result;
/// use burn_mla::baseline::{Joint, JointConfig, JointHead, JointLogits, ModalityFeatures};
/// use burn_mla::prelude::*;
///
/// /// A layer on the largest of the modalities' features.
/// #[derive(Module, Debug)]
/// struct MaxPooling {
///     output: Linear,
/// }
///
/// impl JointHead for MaxPooling {
///     fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
///         let largest = features.all().iter().cloned().reduce(Tensor::max_pair);
///         let largest = largest.expect("features have a modality");
///         JointLogits::unweighted(self.output.forward(largest))
///     }
///
///     fn n_classes(&self) -> usize {
///         self.output.weight.lazy_shape()[1]
///     }
///
///     fn check(&self, d_features: &[usize]) -> Result<()> {
///         let width = self.output.weight.lazy_shape()[0];
///         match d_features.iter().find(|&&d| d != width) {
///             None => Ok(()),
///             Some(&d_encoder) => Err(MlaError::HeadWidth { d_encoder, d_head: width }),
///         }
///     }
/// }
///
/// let device = Device::flex();
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = MaxPooling { output: LinearConfig::new(16, 4).init(&device) };
/// let model = JointConfig::new().init((audio, text), head)?;
///
/// let inputs = (Tensor::<2>::ones([5, 20], &device), Tensor::<2>::ones([5, 30], &device));
/// let batch = MultimodalBatch::paired(inputs, Targets::new([0; 5], &device));
/// let prediction = model.predict(batch)?;
/// assert_eq!(prediction.fused.dims(), [5, 4]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
pub trait JointHead: Module + ModuleDisplay + Sync + 'static {
    /// The prediction from the features of all modalities.
    ///
    /// # Panics
    ///
    /// An implementation may panic for feature widths that [`check`](Self::check) does not accept.
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits;

    /// The prediction from one modality, `[n_samples, n_classes]`. In `features` only this modality is
    /// present. The default is the prediction of [`fuse`](Self::fuse).
    ///
    /// # Panics
    ///
    /// As [`fuse`](Self::fuse).
    fn unimodal(&self, features: &ModalityFeatures, modality: usize) -> Tensor<2> {
        let _ = modality;
        self.fuse(features).logits
    }

    /// The training loss. The default is [`JointSamples::loss`] of the fused prediction.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for samples that the method cannot train on.
    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        let logits = self.fuse(&samples.features).logits;
        let loss = samples.loss(logits.clone(), samples.targets)?;
        Ok(JointLoss::unobserved(loss, logits))
    }

    /// Whether the loss takes [hidden](crate::modality::MultimodalBatch::hidden) inputs, whose features
    /// are then [`JointSamples::held`]. The default does not, and their encoders do not run.
    fn uses_hidden(&self) -> bool {
        false
    }

    /// Acts on the end of an update, the `n_updates`th of the model, such as by passing to the next stage
    /// of a training. The default does nothing.
    fn after_update(&mut self, n_updates: u64) {
        let _ = n_updates;
    }

    /// Whether predictions are those of the method. A validation in an early stage of a training, in
    /// which they are not, neither selects the best epoch nor counts for the patience. The default is
    /// true.
    fn is_selectable(&self) -> bool {
        true
    }

    /// Returns true if a training with this head can be
    /// [divided over several devices](crate::checkpoint::ResumableTraining::launch_over): the gradient of the
    /// [loss](Self::loss) over a batch is the sum of the gradients over parts of the batch. The default is false.
    fn is_divisible(&self) -> bool {
        false
    }

    /// The parameters of each network of the head, whose gradients
    /// [`clip_norm`](crate::baseline::JointConfig::clip_norm) scales together. The default is one network:
    /// the whole head.
    fn networks(&self) -> Vec<Vec<ParamId>> {
        vec![param_ids(self)]
    }

    /// Number of classes.
    fn n_classes(&self) -> usize;

    /// Checks that the head fits encoders of these feature widths.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for another number of modalities or another width.
    fn check(&self, d_features: &[usize]) -> Result<()>;

    /// The head and the options that change its predictions, as a
    /// [model file](crate::baseline::Joint::save_safetensors) records them. A model loads only files
    /// with the same description. The default is the name of the type.
    fn describe(&self) -> String {
        type_name::<Self>()
    }

    /// Replaces the temperatures that divide each modality's logits before the head combines them, and
    /// returns whether the head has temperatures. The default has none and changes nothing.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for another number of modalities, or a temperature that is not
    /// positive and finite. The head is then unchanged.
    fn set_temperatures(&mut self, temperatures: &[f64]) -> Result<bool> {
        let _ = temperatures;
        Ok(false)
    }

    /// The head's memory for [observations](JointLoss::observed) of training steps, if it has one: a
    /// row per sample of the data set.
    fn memory(&self) -> Option<&Buffer<2>> {
        None
    }

    /// The ids of the buffers that only training uses, which a
    /// [model file](crate::baseline::Joint::save_safetensors) leaves out. The default is the memory.
    fn training_only(&self) -> Vec<ParamId> {
        self.memory().map(Buffer::id).into_iter().collect()
    }

    /// Adds the [observations](JointLoss::observed) of an update's steps to the memory.
    ///
    /// # Shapes
    ///
    /// `at`: `[n]`, rows of the memory, some maybe several times; `observed`: `[n, columns]`.
    fn remember(&mut self, at: Tensor<1, Int>, observed: Tensor<2>) {
        drop((at, observed));
    }
}

/// A prediction of a [`JointHead`].
#[derive(Debug, Clone)]
pub struct JointLogits {
    /// Class scores before the softmax, `[n_samples, n_classes]`.
    pub logits: Tensor<2>,
    /// The weight of each modality, `[n_samples, n_modalities]`, for a method that has weights.
    pub weights: Option<Tensor<2>>,
}

impl JointLogits {
    /// The logits of a method that does not weight its modalities.
    pub fn unweighted(logits: Tensor<2>) -> Self {
        Self {
            logits,
            weights: None,
        }
    }
}

/// A batch to train a [`JointHead`] on.
#[derive(Debug, Clone)]
pub struct JointSamples<'a> {
    /// The features of the samples.
    pub features: ModalityFeatures,
    /// The labels of the samples, classes of the head.
    pub targets: &'a Targets,
    /// The positions of the samples in the data set, if the batch
    /// [has them](crate::modality::MultimodalBatch::samples).
    pub samples: Option<&'a [usize]>,
    /// The loss of the model.
    pub training_loss: &'a dyn TrainingLoss,
    /// The features, and in addition those of [hidden](crate::modality::MultimodalBatch::hidden) inputs,
    /// which are constants from the encoders in evaluation mode. `None` unless the batch has hidden
    /// inputs and the head [uses](JointHead::uses_hidden) them.
    pub held: Option<ModalityFeatures>,
    /// Number of updates of the model so far.
    pub step: u64,
}

impl JointSamples<'_> {
    /// The mean [loss](Self::training_loss) of logits `[n_samples, n_classes]`, `[1]`.
    ///
    /// # Errors
    ///
    /// As [`TrainingLoss::loss`].
    pub fn loss(&self, logits: Tensor<2>, targets: &Targets) -> Result<Tensor<1>> {
        self.training_loss.loss(logits, targets)
    }
}

/// The result of [`JointHead::loss`].
#[derive(Debug, Clone)]
pub struct JointLoss {
    /// The loss to minimise, `[1]`.
    pub loss: Tensor<1>,
    /// The fused logits, `[n_samples, n_classes]`.
    pub logits: Tensor<2>,
    /// Observations for [`JointHead::remember`], `[n_samples, columns]` with the columns of the
    /// [memory](JointHead::memory), without autodiff. A head with a memory has them in every step, and
    /// the samples must have positions in the data set.
    pub observed: Option<Tensor<2>>,
}

impl JointLoss {
    /// The loss of a head without memory.
    pub(in crate::baseline) fn unobserved(loss: Tensor<1>, logits: Tensor<2>) -> Self {
        Self {
            loss,
            logits,
            observed: None,
        }
    }
}
