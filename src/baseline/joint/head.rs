//! The trait of a joint model's head: prediction, loss, and what they are computed from.

use burn::module::{Module, ModuleDisplay, ParamId};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::Tensor;

use crate::baseline::ModalityFeatures;
use crate::error::Result;
use crate::modality::Targets;
use crate::module::type_name;

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
pub trait JointHead: Module + ModuleDisplay + 'static {
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

    /// The training loss. The default is the cross-entropy of the fused prediction.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for samples that the method cannot train on.
    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        let logits = self.fuse(&samples.features).logits;
        Ok(JointLoss {
            loss: samples.cross_entropy(logits.clone(), samples.targets),
            logits,
            observed: None,
        })
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

    /// The id of the head's [`Buffer`](crate::module::Buffer) for [observations](JointLoss::observed)
    /// of training steps, if it has one. Observations have the shape of the buffer.
    fn memory(&self) -> Option<ParamId> {
        None
    }

    /// Adds the sum of the [observations](JointLoss::observed) of an update's steps to the memory.
    fn remember(&mut self, observed: Tensor<2>) {
        drop(observed);
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
    /// Smooths the labels of the loss.
    pub label_smoothing: Option<f64>,
}

impl JointSamples<'_> {
    /// Mean cross-entropy, `[1]`, with the label smoothing of the model.
    pub fn cross_entropy(&self, logits: Tensor<2>, targets: &Targets) -> Tensor<1> {
        CrossEntropyLossConfig::new()
            .with_smoothing(self.label_smoothing.map(|smoothing| smoothing as f32))
            .init(&logits.device())
            .forward(logits, targets.tensor())
    }
}

/// The result of [`JointHead::loss`].
#[derive(Debug, Clone)]
pub struct JointLoss {
    /// The loss to minimise, `[1]`.
    pub loss: Tensor<1>,
    /// The fused logits, `[n_samples, n_classes]`.
    pub logits: Tensor<2>,
    /// Input of [`JointHead::remember`], without autodiff.
    pub observed: Option<Tensor<2>>,
}
