//! The joint model: encoders and a head in one module, its options and its prediction.

use std::fmt;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, ParamId};
use burn::tensor::Tensor;

use crate::baseline::{JointHead, ModalityFeatures, OgmConfig};
use crate::encoder::{Encoders, run_placed};
use crate::error::{MlaError, NonFinite, Result};
use crate::fusion::ModalityLogits;
use crate::modality::{MultimodalBatch, ZeroRows};
use crate::module::{Buffer, Counter, check_distinct, module_fields};
use crate::numeric::first_not_finite;

/// Options of a [`Joint`] model.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `label_smoothing` | none | smooths the labels of the loss | `[0, 1)` |
/// | `modulation` | none | OGM or OGM-GE | |
/// | `finite_check` | true | reads a few numbers per step from the device and rejects a step whose features or loss are not finite; without it such a step corrupts the model | |
#[derive(Config, Debug)]
pub struct JointConfig {
    /// Smooths the labels of the training loss.
    pub label_smoothing: Option<f64>,
    /// Modulates the gradients of the encoders.
    pub modulation: Option<OgmConfig>,
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
#[derive(Debug, Clone)]
pub struct Joint<E, H> {
    /// The encoders.
    pub encoders: E,
    /// The head.
    pub head: H,
    /// Its gradient is the number of backward passes in a sum of gradients.
    pub(crate) passes: Buffer<1>,
    pub(crate) n_steps: Counter,
    /// Marks the gradients of a single backward pass. A sum of gradients does not contain it.
    pub(crate) single_pass: ParamId,
    pub(crate) config: JointConfig,
    #[cfg(feature = "train")]
    pub(crate) interruption: crate::method::Interruption,
}

module_fields! {
    impl[E: Module, H: Module] Joint[E, H]
    modules: [encoders, head, passes, n_steps],
    others: [single_pass, config, #[cfg(feature = "train")] interruption]
}

impl<E: ModuleDisplay, H: ModuleDisplay> ModuleDisplayDefault for Joint<E, H> {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("Joint")
            .add("encoders", &self.encoders)
            .add("head", &self.head)
            .add_debug_attribute("config", &self.config)
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
    /// The logits from all modalities together, `[n_samples, n_classes]`.
    pub fused: Tensor<2>,
    /// The weight of each modality, `[n_samples, n_modalities]`, for a method that has weights. They
    /// do not have to sum to 1.
    pub weights: Option<Tensor<2>>,
}

impl JointConfig {
    /// Assembles a model.
    ///
    /// # Errors
    ///
    /// - [`MlaError::NoModalities`] without an encoder;
    /// - as [`JointHead::check`] when the head does not fit the encoders;
    /// - [`MlaError::SharedParameter`] when two encoders, or an encoder and the head, are clones;
    /// - [`MlaError::HyperParameter`] for a value outside of the ranges above.
    pub fn init<E: Encoders, H: JointHead>(&self, encoders: E, head: H) -> Result<Joint<E, H>> {
        if let Some(smoothing) = self.label_smoothing {
            crate::error::fraction("label_smoothing", smoothing)?;
        }
        if let Some(modulation) = &self.modulation {
            modulation.check()?;
        }
        if encoders.n_modalities() == 0 {
            return Err(MlaError::NoModalities { what: "the model" });
        }
        head.check(&encoders.d_features())?;
        check_distinct(&encoders, &head)?;
        let device = encoders.devices().into_iter().next().unwrap_or_default();
        Ok(Joint {
            encoders,
            head,
            passes: Buffer::new(Tensor::zeros([1], &device)),
            n_steps: Counter::new(0, &device),
            single_pass: ParamId::new(),
            config: self.clone(),
            #[cfg(feature = "train")]
            interruption: Default::default(),
        })
    }
}

impl<E: Encoders, H: JointHead> Joint<E, H> {
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

    /// Computes the features of the samples of a batch. The encoder of a modality runs on the samples
    /// that have it.
    ///
    /// # Errors
    ///
    /// - as [`MultimodalBatch::presence`] for a batch that is not well formed;
    /// - [`MlaError::ModalityCount`] when it has another number of modalities;
    /// - [`MlaError::Size`] when an encoder returns another number of rows than it was given.
    pub fn features(&self, batch: MultimodalBatch<E::Inputs>) -> Result<ModalityFeatures> {
        self.encode(batch, &mut vec![])
    }

    /// Computes [`features`](Self::features) and appends to `ran` the modalities whose encoders ran,
    /// also when an error follows.
    pub(crate) fn encode(
        &self,
        batch: MultimodalBatch<E::Inputs>,
        ran: &mut Vec<usize>,
    ) -> Result<ModalityFeatures> {
        let (found, presence) = run_placed(batch, self.n_modalities(), |modality, input| {
            ran.push(modality);
            self.encoders.encode(input)
        })?;
        let like = found.iter().flatten().next();
        let like = like.ok_or(MlaError::NothingPresent { sample: 0 })?;
        let options = (&like.device(), like.dtype());
        let n_samples = presence.n_samples();
        let features = found.iter().zip(self.encoders.d_features());
        let features = features.map(|(features, width)| {
            let zeros = || Tensor::zeros([n_samples, width], options);
            features.clone().unwrap_or_else(zeros)
        });
        ModalityFeatures::new(features.collect(), presence)
    }

    /// Predicts the samples of a batch, jointly and from each modality they have. It ignores the
    /// targets.
    ///
    /// Call it on [`valid`](Module::valid).
    ///
    /// # Errors
    ///
    /// As [`features`](Self::features), and, unless the check is off, [`MlaError::NonFinite`] for
    /// predictions of a modality that are not finite, [`MlaError::NonFiniteLogits`] for such a fused
    /// one.
    pub fn predict(&self, batch: MultimodalBatch<E::Inputs>) -> Result<JointPrediction> {
        self.predict_features(&self.features(batch)?)
    }

    pub(crate) fn predict_features(&self, features: &ModalityFeatures) -> Result<JointPrediction> {
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
            each.push(Some(if rows.len() == n_samples {
                logits
            } else {
                logits.place_rows(&rows, n_samples)?
            }));
        }
        let fused = self.head.fuse(features);
        if self.config.finite_check {
            self.check_finite(&each, &fused.logits)?;
        }
        let zeros = || fused.logits.zeros_like();
        let each = each.into_iter();
        let each = each.map(|logits| logits.unwrap_or_else(zeros)).collect();
        Ok(JointPrediction {
            modalities: ModalityLogits::new(each, presence.clone())?,
            weights: fused.weights,
            fused: fused.logits,
        })
    }

    fn check_finite(&self, each: &[Option<Tensor<2>>], fused: &Tensor<2>) -> Result<()> {
        let mut all = each.to_vec();
        all.push(Some(fused.clone()));
        match first_not_finite(&all)? {
            None => Ok(()),
            Some(modality) if modality < each.len() => Err(MlaError::NonFinite {
                what: NonFinite::Logits,
                modality,
                step: self.n_steps(),
            }),
            Some(_) => Err(non_finite_sample(fused)?),
        }
    }
}

/// The error that names the first sample with a logit that is not finite.
fn non_finite_sample(logits: &Tensor<2>) -> Result<MlaError> {
    let n_classes = logits.dims()[1];
    let values: Vec<f32> = logits
        .clone()
        .try_into_vec_as()
        .map_err(MlaError::read("the fused logits"))?;
    let at = values.iter().position(|value| !value.is_finite());
    Ok(MlaError::NonFiniteLogits {
        sample: at.unwrap_or(0) / n_classes,
    })
}
