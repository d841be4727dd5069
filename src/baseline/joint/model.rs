//! The joint model: encoders and a head in one module, its options and its prediction.

use std::fmt;
use std::sync::Arc;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, ParamId};
use burn::tensor::{DType, Tensor};

use crate::baseline::{JointHead, ModalityFeatures, OgmConfig};
use crate::encoder::{self, Encoders, run_placed};
use crate::error::{MlaError, Result, output_shape, positive};
use crate::fusion::{ModalityLogits, temperatures};
use crate::loss::{CrossEntropy, CrossEntropyConfig, TrainingLoss};
use crate::modality::{MultimodalBatch, ZeroRows};
use crate::module::{
    Buffer, Counter, ModelNames, ModelThread, check_distinct, draw_parameters, module_fields,
    unshared,
};
use crate::numeric::{first_not_finite, not_finite_rows};

/// Options of a [`Joint`] model.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `label_smoothing` | none | smooths the labels of the loss | `[0, 1)` |
/// | `class_weights` | none | weight of each class in the loss | each (0, inf), one per class |
/// | `modulation` | none | OGM or OGM-GE | |
/// | `accumulation` | false | keeps the observations of a head with a memory ([`Qmf`](crate::baseline::Qmf)) in a sum of gradients over several batches or devices; time and memory of a step then grow with the number of samples: about 1.5 GB for a million samples and two modalities | |
/// | `clip_norm` | none | largest Euclidean norm of the gradient of a network: of each encoder, and of each of the head's [networks](JointHead::networks); Burn's optimizers clip each tensor on its own | (0, inf) |
/// | `finite_check` | true | reads a few numbers per step from the device and rejects a step whose features or loss are not finite; without it such a step corrupts the model | |
#[derive(Config, Debug)]
pub struct JointConfig {
    /// Smooths the labels of the training loss.
    pub label_smoothing: Option<f64>,
    /// Weight of each class in the training loss.
    pub class_weights: Option<Vec<f64>>,
    /// Modulates the gradients of the encoders.
    pub modulation: Option<OgmConfig>,
    /// Whether the observations of a head with a memory are kept in a sum of gradients.
    #[config(default = false)]
    pub accumulation: bool,
    /// Largest norm of the gradient of a network.
    pub clip_norm: Option<f64>,
    /// Whether a step with non-finite features or loss is rejected.
    #[config(default = true)]
    pub finite_check: bool,
}

/// A multimodal model that trains jointly: all encoders at once, with one loss.
///
/// - `E`: the [`Encoders`], as in an [`Mla`](crate::Mla), but with any feature widths;
/// - `H`: the [`JointHead`].
///
/// It is a Burn module. Parameters of encoder `m` have the path `encoders.m`, those of the head `head`.
/// With the feature `train` it is a `MultimodalMethod` and trains in the same loop as an
/// [`Mla`](crate::Mla), with the same checkpoints and metrics.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::baseline::{ConcatConfig, JointConfig};
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let image = CnnEncoderConfig::new(3, 64).with_stages(vec![8, 16]).init(&device)?;
/// let text = MlpEncoderConfig::new(100, 32).init(&device)?;
/// let head = ConcatConfig::new(vec![64, 32], 8).init(&device)?;
/// let model = JointConfig::new().init((image, text), head)?;
///
/// let images = Tensor::<4>::zeros([5, 3, 32, 32], &device);
/// let texts = Tensor::<2>::zeros([5, 100], &device);
/// let batch = MultimodalBatch::paired((images, texts), Targets::new([0; 5], &device));
/// let prediction = model.predict(batch)?;
/// assert_eq!(prediction.fused.dims(), [5, 8]);
/// assert_eq!(prediction.modalities.modality(1).dims(), [5, 8]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug)]
pub struct Joint<E, H> {
    /// The encoders.
    pub encoders: E,
    /// The head.
    pub head: H,
    /// Its gradient is the total weight of the samples in the loss that the gradients are sums over.
    pub(crate) weight: Buffer<1>,
    /// Divides the fused logits in predictions, `[1]`.
    pub(crate) temperature: Buffer<1>,
    pub(crate) n_steps: Counter,
    /// Holds the observations of a single backward pass.
    pub(crate) observed: ParamId,
    pub(crate) config: JointConfig,
    /// Replaces the cross-entropy of the configuration.
    pub(crate) loss: Option<Arc<dyn TrainingLoss>>,
    pub(crate) names: ModelNames,
    #[cfg(feature = "train")]
    pub(crate) interruption: crate::method::Interruption,
}

module_fields! {
    impl[E: Module, H: Module] Joint[E, H]
    modules: [encoders by unshared, head by unshared, weight, temperature, n_steps],
    others: [observed, config, loss, names, #[cfg(feature = "train")] interruption]
}

/// Unlike clones of Burn's batch normalization, clones of a model share no running statistics.
impl<E: Module, H: Module> Clone for Joint<E, H> {
    fn clone(&self) -> Self {
        Self {
            encoders: unshared(&self.encoders),
            head: unshared(&self.head),
            weight: self.weight.clone(),
            temperature: self.temperature.clone(),
            n_steps: self.n_steps.clone(),
            observed: self.observed,
            config: self.config.clone(),
            loss: self.loss.clone(),
            names: self.names.clone(),
            #[cfg(feature = "train")]
            interruption: self.interruption.clone(),
        }
    }
}

impl<E: ModuleDisplay, H: ModuleDisplay> ModuleDisplayDefault for Joint<E, H> {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("Joint")
            .add("encoders", &self.encoders)
            .add("head", &self.head)
            .add_debug_attribute("config", &self.config)
            .add_debug_attribute("loss", &self.loss)
            .optional()
    }
}

impl<E: ModuleDisplay, H: ModuleDisplay> ModuleDisplay for Joint<E, H> {}

/// The structure of the model, its parameters and their number.
impl<E: Module + ModuleDisplay, H: Module + ModuleDisplay> fmt::Display for Joint<E, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(Default::default()))
    }
}

/// The predictions of a [`Joint`] model for a batch.
#[derive(Debug, Clone)]
pub struct JointPrediction {
    /// The logits from each modality alone, 0 where it is missing.
    pub modalities: ModalityLogits,
    /// The logits from all modalities together, after calibration, `[n_samples, n_classes]`.
    pub fused: Tensor<2>,
    /// The weight of each modality, `[n_samples, n_modalities]`, for a method that has weights. They
    /// do not have to sum to 1.
    pub weights: Option<Tensor<2>>,
}

impl JointConfig {
    /// Assembles a model.
    ///
    /// Parameters that are not drawn yet are drawn here: those of the encoders in their order, then
    /// those of the head, each in the order of its fields.
    ///
    /// # Errors
    ///
    /// - [`MlaError::NoModalities`] without an encoder;
    /// - as [`JointHead::check`] when the head does not fit the encoders;
    /// - [`MlaError::SharedParameter`] when two encoders, or an encoder and the head, are clones;
    /// - [`MlaError::HyperParameter`] for a value outside of the ranges above;
    /// - [`MlaError::Size`] for another number of class weights than classes.
    pub fn init<E: Encoders, H: JointHead>(&self, encoders: E, head: H) -> Result<Joint<E, H>> {
        self.cross_entropy()?.check(head.n_classes())?;
        if let Some(modulation) = &self.modulation {
            modulation.check()?;
        }
        if let Some(norm) = self.clip_norm {
            positive("clip_norm", norm)?;
        }
        if encoders.n_modalities() == 0 {
            return Err(MlaError::NoModalities { what: "the model" });
        }
        head.check(&encoders.d_features())?;
        check_distinct(&encoders, &head)?;
        let (encoders, head) = (draw_parameters(encoders), draw_parameters(head));
        // Encoders of precomputed features have no parameters.
        let devices = encoders.devices().into_iter().chain(head.devices());
        let device = devices.into_iter().next().unwrap_or_default();
        Ok(Joint {
            encoders,
            head,
            weight: Buffer::new(Tensor::zeros([1], (&device, DType::F32))),
            temperature: temperatures::uncalibrated(1, &device)?,
            n_steps: Counter::new(0, &device),
            observed: ParamId::new(),
            config: self.clone(),
            loss: None,
            names: ModelNames::default(),
            #[cfg(feature = "train")]
            interruption: Default::default(),
        })
    }
}

impl JointConfig {
    /// The loss of the options.
    pub(crate) fn cross_entropy(&self) -> Result<CrossEntropy> {
        CrossEntropyConfig::new()
            .with_label_smoothing(self.label_smoothing)
            .with_class_weights(self.class_weights.clone())
            .init()
    }
}

impl<E: Module, H: Module> Joint<E, H> {
    /// The same model with another head. Parameters that both have keep their ids.
    #[cfg(feature = "train")]
    pub(in crate::baseline) fn with_head<G>(&self, head: G) -> Joint<E, G> {
        let Self {
            encoders,
            weight,
            temperature,
            n_steps,
            observed,
            config,
            loss,
            names,
            interruption,
            ..
        } = self.clone();
        Joint {
            encoders,
            head,
            weight,
            temperature,
            n_steps,
            observed,
            config,
            loss,
            names,
            interruption,
        }
    }
}

impl<E: Encoders, H: JointHead> Joint<E, H> {
    /// Trains with `loss` instead of the cross-entropy of the options.
    ///
    /// # Errors
    ///
    /// As [`TrainingLoss::check`].
    pub fn with_loss(mut self, loss: impl TrainingLoss) -> Result<Self> {
        loss.check(self.n_classes())?;
        self.loss = Some(Arc::new(loss));
        Ok(self)
    }

    /// Number of modalities.
    pub fn n_modalities(&self) -> usize {
        self.encoders.n_modalities()
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.head.n_classes()
    }

    /// Number of updates taken.
    pub fn n_steps(&self) -> u64 {
        self.n_steps.get()
    }

    /// The options.
    pub fn config(&self) -> &JointConfig {
        &self.config
    }

    /// Names the modalities and classes, for the model file and those who read it.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModalityCount`] and [`MlaError::Size`] for another number of names,
    /// [`MlaError::NameTwice`] for a name that occurs twice.
    pub fn with_names(mut self, names: ModelNames) -> Result<Self> {
        names.check(self.n_modalities(), self.n_classes())?;
        self.names = names;
        Ok(self)
    }

    /// The names of the modalities and classes; empty lists if they are unknown.
    pub fn names(&self) -> &ModelNames {
        &self.names
    }

    /// Computes the features of the samples of a batch. The encoder of a modality runs on the samples
    /// that have it.
    ///
    /// # Errors
    ///
    /// - as [`MultimodalBatch::presence`] for a batch that is not well formed;
    /// - [`MlaError::ModalityCount`] when it has another number of modalities;
    /// - [`MlaError::Input`] for an input that its encoder refuses, such as one of another shape;
    /// - [`MlaError::EncoderOutput`] when an encoder returns features that are not
    ///   `[n_samples, d_feature]`.
    ///
    /// If the batch has the positions of its samples in the data set, the error of a sample is a
    /// [`MlaError::Sample`].
    pub fn features(&self, batch: MultimodalBatch<E::Inputs>) -> Result<ModalityFeatures> {
        let samples = batch.samples.clone();
        let thread = ModelThread::of(&self.encoders, &self.head);
        let features = thread.run(|| encode(&self.encoders, batch));
        features.map_err(|error| error.located(None, samples.as_deref()))
    }

    /// Predicts the samples of a batch, jointly and from each modality they have. It ignores the
    /// targets.
    ///
    /// Call it on [`valid`](Module::valid).
    ///
    /// # Errors
    ///
    /// As [`features`](Self::features), [`MlaError::OutputShape`] for logits or weights of another shape
    /// than documented, and, unless the check is off, [`MlaError::NonFinitePrediction`] for logits from
    /// one modality that are not finite, [`MlaError::NonFiniteLogits`] for such fused ones.
    ///
    /// If the batch has the positions of its samples in the data set, the error of a sample is a
    /// [`MlaError::Sample`].
    pub fn predict(&self, batch: MultimodalBatch<E::Inputs>) -> Result<JointPrediction> {
        let (_, prediction) = self.features_and_prediction(batch)?;
        Ok(prediction)
    }

    /// The features of a batch, and the prediction from them.
    pub(super) fn features_and_prediction(
        &self,
        batch: MultimodalBatch<E::Inputs>,
    ) -> Result<(ModalityFeatures, JointPrediction)> {
        let samples = batch.samples.clone();
        let thread = ModelThread::of(&self.encoders, &self.head);
        let predicted = thread.run(|| {
            let features = encode(&self.encoders, batch)?;
            let prediction = self.predict_features(&features)?;
            Ok((features, prediction))
        });
        predicted.map_err(|error: MlaError| error.located(None, samples.as_deref()))
    }

    fn predict_features(&self, features: &ModalityFeatures) -> Result<JointPrediction> {
        let presence = features.presence();
        let n_samples = features.n_samples();
        let mut each = Vec::with_capacity(self.n_modalities());
        for modality in 0..self.n_modalities() {
            let rows = presence.rows(modality);
            if rows.is_empty() {
                each.push(None);
                continue;
            }
            let alone = features.restricted(&rows, &[modality])?;
            let logits = self.head.unimodal(&alone, modality);
            let shape = [rows.len(), self.n_classes()];
            output_shape("the unimodal logits of the head", shape, logits.dims())?;
            each.push(Some(if rows.len() == n_samples {
                logits
            } else {
                logits.place_rows(&rows, n_samples)?
            }));
        }
        let fused = self.head.fuse(features);
        let shape = [n_samples, self.n_classes()];
        output_shape("the logits of the head", shape, fused.logits.dims())?;
        if let Some(weights) = &fused.weights {
            let shape = [n_samples, self.n_modalities()];
            output_shape("the weights of the head", shape, weights.dims())?;
        }
        if self.config.finite_check {
            self.check_finite(&each, &fused.logits)?;
        }
        let zeros = || fused.logits.zeros_like();
        let each = each.into_iter();
        let each = each.map(|logits| logits.unwrap_or_else(zeros)).collect();
        Ok(JointPrediction {
            modalities: ModalityLogits::new(each, presence.clone())?,
            weights: fused.weights,
            fused: self.calibrated(fused.logits),
        })
    }

    /// The fused logits divided by their temperature, `[n_samples, n_classes]`.
    fn calibrated(&self, fused: Tensor<2>) -> Tensor<2> {
        temperatures::divide(&self.temperature, 0, fused)
    }

    /// Checks the logits of each modality and the fused ones, by one device read.
    fn check_finite(&self, each: &[Option<Tensor<2>>], fused: &Tensor<2>) -> Result<()> {
        let mut all = each.to_vec();
        all.push(Some(fused.clone()));
        let Some(at) = first_not_finite(&all)? else {
            return Ok(());
        };
        let rows = match &all[at] {
            Some(logits) => not_finite_rows(logits)?,
            None => vec![],
        };
        let sample = rows.first().copied().unwrap_or_default();
        Err(if at < each.len() {
            let modality = at;
            MlaError::NonFinitePrediction { modality, sample }
        } else {
            MlaError::NonFiniteLogits { sample }
        })
    }
}

/// The features of a batch; see [`Joint::features`].
pub(super) fn encode<E: Encoders>(
    encoders: &E,
    batch: MultimodalBatch<E::Inputs>,
) -> Result<ModalityFeatures> {
    let (found, presence) = run_placed(batch, encoders.n_modalities(), |input, n_samples| {
        encoder::encode(encoders, input, n_samples)
    })?;
    let like = found.iter().flatten().next();
    let like = like.ok_or(MlaError::NothingPresent { sample: 0 })?;
    let options = (&like.device(), like.dtype());
    let n_samples = presence.n_samples();
    let features = found.iter().zip(encoders.d_features());
    let features = features.map(|(features, width)| {
        let zeros = || Tensor::zeros([n_samples, width], options);
        features.clone().unwrap_or_else(zeros)
    });
    ModalityFeatures::new(features.collect(), presence)
}

/// The features of a batch, and those of its hidden inputs, which come from the encoders in evaluation
/// mode without autodiff.
#[cfg(feature = "train")]
pub(super) fn encode_hidden<E: Encoders>(
    encoders: &E,
    features: &ModalityFeatures,
    hidden: E::Inputs,
) -> Result<ModalityFeatures> {
    let encoders = encoders.valid();
    let n_modalities = encoders.n_modalities();
    let hidden = encoder::run_hidden(
        hidden,
        n_modalities,
        features.n_samples(),
        |input, n_samples| {
            let features = encoder::encode(&encoders, input, n_samples)?;
            Ok(features.without_autodiff())
        },
    );
    features.with_hidden(hidden?)
}
