//! The model: encoders, shared head, projector and fusion in one module.

use std::fmt;
use std::sync::Arc;

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, ParamId};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result, fraction};
use crate::fusion::UncertaintyFusion;
use crate::head::{ProtectedLayer, SharedHead};
use crate::loss::{CrossEntropy, CrossEntropyConfig, TrainingLoss};
use crate::mla::{Projection, ProjectionConfig};
use crate::module::{
    ModelNames, check_distinct, draw_parameters, float_params, module_fields, unshared,
};
use crate::projector::OrthogonalProjector;

/// Options of an [`Mla`] model. The defaults are the paper's.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `projection` | the paper's | how the projector is used | |
/// | `label_smoothing` | none | smooths the labels of the loss | `[0, 1)` |
/// | `modality_label_smoothing` | none | label smoothing of each modality's turns, in place of `label_smoothing` | each `[0, 1)`, one per modality |
/// | `class_weights` | none | weight of each class in the loss | each (0, inf), one per class |
/// | `ranking` | none | order of turns by the losses of the epoch before, for [`training_loader`](crate::method::MultimodalMethod::training_loader) and [`fit`](crate::fit::fit); the paper's round robin without one | |
/// | `finite_check` | true | refuses a step with non-finite features or loss, at the cost of one device read per step; without it such a step corrupts the model | |
#[derive(Config, Debug)]
pub struct MlaConfig {
    /// How the projector is used.
    #[config(default = "ProjectionConfig::new()")]
    pub projection: ProjectionConfig,
    /// Smooths the labels of the training loss.
    pub label_smoothing: Option<f64>,
    /// Label smoothing of each modality's turns, in place of `label_smoothing`. [Fused
    /// turns](crate::mla::FusedTurns) keep the common value.
    pub modality_label_smoothing: Option<Vec<f64>>,
    /// Weight of each class in the training loss.
    pub class_weights: Option<Vec<f64>>,
    /// Order of turns by the losses of the epoch before. A loader that you build ignores it: see
    /// [`AlternatingLoader::with_ranking`](crate::loader::AlternatingLoader::with_ranking).
    #[cfg(feature = "train")]
    pub ranking: Option<crate::loader::LossRanking>,
    /// Whether a step with non-finite features or loss is refused.
    #[config(default = true)]
    pub finite_check: bool,
}

/// A multimodal model trained by alternating unimodal adaptation.
///
/// - `E`: the [`Encoders`], a tuple of 2 to 8 or a `Vec`;
/// - `H`: the [`SharedHead`];
/// - `P`: the rule of the [`OrthogonalProjector`];
/// - `F`: the [`UncertaintyFusion`].
///
/// A Burn module: save, load, move and freeze it like any other. Parameters of encoder `m` have
/// the path `encoders.m`, those of the head `head`. The state of the projector is part of the
/// record.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let image = CnnEncoderConfig::new(3, 64).with_stages(vec![8, 16]).init(&device)?;
/// let text = MlpEncoderConfig::new(100, 64).init(&device)?;
/// let model = Mla::new(
///     (image, text),
///     LinearHeadConfig::new(64, 8).init(&device)?,
///     RlsProjectorConfig::new().init()?,
///     EntropyFusionConfig::new(2).init(&device)?,
/// )?;
///
/// let images = Tensor::<4>::zeros([5, 3, 32, 32], &device);
/// let texts = Tensor::<2>::zeros([5, 100], &device);
/// let batch = MultimodalBatch::paired((images, texts), Targets::new([0; 5], &device));
/// let prediction = model.predict(batch)?;
/// assert_eq!(prediction.fused.dims(), [5, 8]);
/// assert_eq!(prediction.weights.dims(), [5, 2]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug)]
pub struct Mla<E, H, P: OrthogonalProjector, F> {
    /// The encoders.
    pub encoders: E,
    /// The shared head.
    pub head: H,
    /// The fusion.
    pub fusion: F,
    pub(crate) projection: Projection<P>,
    pub(crate) config: MlaConfig,
    /// Replaces the cross-entropy of the configuration.
    pub(crate) loss: Option<Arc<dyn TrainingLoss>>,
    pub(crate) names: ModelNames,
    #[cfg(feature = "train")]
    pub(crate) interruption: crate::method::Interruption,
}

module_fields! {
    impl[E: Module, H: Module, P: OrthogonalProjector, F: Module] Mla[E, H, P, F]
    modules: [encoders by unshared, head by unshared, fusion, projection],
    others: [config, loss, names, #[cfg(feature = "train")] interruption]
}

/// Unlike clones of Burn's batch normalization, clones of a model share no running statistics.
impl<E: Module, H: Module, P: OrthogonalProjector, F: Module> Clone for Mla<E, H, P, F> {
    fn clone(&self) -> Self {
        Self {
            encoders: unshared(&self.encoders),
            head: unshared(&self.head),
            fusion: self.fusion.clone(),
            projection: self.projection.clone(),
            config: self.config.clone(),
            loss: self.loss.clone(),
            names: self.names.clone(),
            #[cfg(feature = "train")]
            interruption: self.interruption.clone(),
        }
    }
}

impl<E: ModuleDisplay, H: ModuleDisplay, P: OrthogonalProjector, F: ModuleDisplay>
    ModuleDisplayDefault for Mla<E, H, P, F>
{
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("Mla")
            .add("encoders", &self.encoders)
            .add("head", &self.head)
            .add("fusion", &self.fusion)
            .add("projection", &self.projection)
            .add_debug_attribute("config", &self.config)
            .add_debug_attribute("loss", &self.loss)
            .optional()
    }
}

impl<E: ModuleDisplay, H: ModuleDisplay, P: OrthogonalProjector, F: ModuleDisplay> ModuleDisplay
    for Mla<E, H, P, F>
{
}

/// The structure of the model, its parameters and their number.
impl<E, H, P: OrthogonalProjector, F> fmt::Display for Mla<E, H, P, F>
where
    Self: Module + ModuleDisplay,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(Default::default()))
    }
}

impl MlaConfig {
    /// Builds a model from its parts.
    ///
    /// Parameters that are not drawn yet are drawn here: those of the encoders in their order, then
    /// those of the head, each in the order of its fields.
    ///
    /// # Errors
    ///
    /// - [`MlaError::NoModalities`] without an encoder;
    /// - [`MlaError::FeatureWidths`] when two encoders have different feature widths;
    /// - [`MlaError::HeadWidth`] when the head expects another width;
    /// - [`MlaError::SharedParameter`] when two encoders, or an encoder and the head, are clones;
    /// - [`MlaError::ProtectedLayer`] when the head names a protected parameter that it does not have;
    /// - [`MlaError::HyperParameter`] for a value outside of the ranges above;
    /// - [`MlaError::Size`] for another number of class weights than classes;
    /// - [`MlaError::ModalityCount`] for a fusion, a head or a `modality_label_smoothing` for another
    ///   number of modalities.
    pub fn init<E, H, P, F>(
        &self,
        encoders: E,
        head: H,
        projector: P,
        fusion: F,
    ) -> Result<Mla<E, H, P, F>>
    where
        E: Encoders,
        H: SharedHead,
        P: OrthogonalProjector,
        F: UncertaintyFusion,
    {
        self.cross_entropy(None)?.check(head.n_classes())?;
        self.check_modality_label_smoothing(encoders.n_modalities())?;
        check_widths(&encoders.d_features(), head.d_feature())?;
        fusion.check(encoders.n_modalities())?;
        head.check(encoders.n_modalities())?;
        check_distinct(&encoders, &head)?;
        let protected = head.protected();
        check_protected(&head, &protected)?;
        let (encoders, head) = (draw_parameters(encoders), draw_parameters(head));
        let device = head.devices().into_iter().next().unwrap_or_default();
        let n_modalities = encoders.n_modalities();
        Ok(Mla {
            projection: Projection::new(
                projector,
                self.projection,
                &protected,
                n_modalities,
                &device,
            )?,
            encoders,
            head,
            fusion,
            config: self.clone(),
            loss: None,
            names: ModelNames::default(),
            #[cfg(feature = "train")]
            interruption: Default::default(),
        })
    }
}

impl MlaConfig {
    /// The loss of a modality's turn, or with the common label smoothing.
    pub(crate) fn cross_entropy(&self, modality: Option<usize>) -> Result<CrossEntropy> {
        let each = self.modality_label_smoothing.as_deref();
        let own = each
            .zip(modality)
            .and_then(|(each, modality)| each.get(modality).copied());
        CrossEntropyConfig::new()
            .with_label_smoothing(own.or(self.label_smoothing))
            .with_class_weights(self.class_weights.clone())
            .init()
    }

    fn check_modality_label_smoothing(&self, n_modalities: usize) -> Result<()> {
        const NAME: &str = "modality_label_smoothing";
        let Some(each) = &self.modality_label_smoothing else {
            return Ok(());
        };
        if each.len() != n_modalities {
            return Err(MlaError::ModalityCount {
                what: NAME,
                expected: n_modalities,
                got: each.len(),
            });
        }
        for &smoothing in each {
            fraction(NAME, smoothing)?;
        }
        Ok(())
    }
}

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// Trains with `loss` instead of the cross-entropy of the options, whose label smoothing and class
    /// weights then have no effect.
    ///
    /// # Errors
    ///
    /// As [`TrainingLoss::check`].
    pub fn with_loss(mut self, loss: impl TrainingLoss) -> Result<Self> {
        loss.check(self.n_classes())?;
        self.loss = Some(Arc::new(loss));
        Ok(self)
    }

    /// Builds a model with the paper's options; [`MlaConfig`] has others.
    ///
    /// # Errors
    ///
    /// As [`MlaConfig::init`].
    pub fn new(encoders: E, head: H, projector: P, fusion: F) -> Result<Self> {
        MlaConfig::new().init(encoders, head, projector, fusion)
    }

    /// Number of modalities.
    pub fn n_modalities(&self) -> usize {
        self.encoders.n_modalities()
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.head.n_classes()
    }

    /// The projection: its rule, its state and the number of steps.
    pub fn projection(&self) -> &Projection<P> {
        &self.projection
    }

    /// The options.
    pub fn config(&self) -> &MlaConfig {
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

    /// Replaces the fusion, for example by a calibrated one.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModalityCount`] for a fusion with another number of modalities.
    pub fn with_fusion<G: UncertaintyFusion>(self, fusion: G) -> Result<Mla<E, H, P, G>> {
        fusion.check(self.n_modalities())?;
        Ok(Mla {
            encoders: self.encoders,
            head: self.head,
            fusion,
            projection: self.projection,
            config: self.config,
            loss: self.loss,
            names: self.names,
            #[cfg(feature = "train")]
            interruption: self.interruption,
        })
    }
}

pub(super) fn check_widths(d_features: &[usize], d_head: usize) -> Result<()> {
    let Some(&d_first) = d_features.first() else {
        return Err(MlaError::NoModalities { what: "the model" });
    };
    if let Some(second) = d_features.iter().position(|&width| width != d_first) {
        return Err(MlaError::FeatureWidths {
            first: 0,
            d_first,
            second,
            d_second: d_features[second],
        });
    }
    if d_first != d_head {
        return Err(MlaError::HeadWidth {
            d_encoder: d_first,
            d_head,
        });
    }
    Ok(())
}

fn check_protected<H: SharedHead>(head: &H, protected: &[ProtectedLayer]) -> Result<()> {
    let params = float_params(head);
    let shape = |id: ParamId| params.iter().find(|p| p.id == id).map(|p| &p.shape);
    for (layer, named) in protected.iter().enumerate() {
        let wrong = |problem| MlaError::ProtectedLayer { layer, problem };
        let weight = shape(named.weight).ok_or(wrong("the head holds no such weight"))?;
        let [d_input, d_output] = weight[..] else {
            return Err(wrong("the weight is not a matrix [d_input, d_output]"));
        };
        if d_input != named.d_input {
            return Err(wrong("the weight's first dimension is not d_input"));
        }
        if let Some(bias) = named.bias {
            let bias = shape(bias).ok_or(wrong("the head holds no such bias"))?;
            if bias[..] != [d_output] {
                return Err(wrong("the bias does not fit the weight"));
            }
        }
    }
    Ok(())
}
