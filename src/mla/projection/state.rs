//! The state of a projection, one entry per protected layer, as a module.

use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, Param};
use burn::tensor::{DType, Device, Tensor};

#[cfg(feature = "train")]
use crate::error::MlaError;
use crate::error::Result;
use crate::head::ProtectedLayer;
#[cfg(feature = "train")]
use crate::mla::carried::FactorIds;
use crate::mla::carried::{carrier, weight_carrier};
use crate::mla::{FeatureMean, FeatureSource, ProjectionConfig};
use crate::module::{Buffer, Counter, module_fields};
#[cfg(feature = "train")]
use crate::projector::Gains;
use crate::projector::OrthogonalProjector;

/// A projector within a model: its rule, its options, and its state for each protected layer.
///
/// A module that is saved, loaded and moved with the model.
#[derive(Debug, Clone)]
pub struct Projection<P: OrthogonalProjector> {
    pub(in crate::mla) rule: P,
    pub(in crate::mla) config: ProjectionConfig,
    pub(in crate::mla) n_steps: Counter,
    pub(in crate::mla) last_modality: Counter,
    pub(in crate::mla) layers: Vec<LayerProjection<P::State>>,
    /// The [`weight_carrier`] of a head without protected layers.
    pub(in crate::mla) weight: Option<Param<Tensor<1>>>,
}

/// The state of the projection of one layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerProjection<S> {
    pub(in crate::mla) state: S,
    /// The feature of the last step, for [`FeatureSource::Previous`].
    pub(in crate::mla) previous: Option<Buffer<1>>,
    /// Mean feature and number of samples so far, one row per modality, for
    /// [`FeatureMean::Running`].
    pub(in crate::mla) running: Option<Buffer<2>>,
    /// One [carrier] per modality.
    pub(in crate::mla) carriers: Vec<Param<Tensor<1>>>,
    /// Ids of the factors of the weight's gradient.
    #[cfg(feature = "train")]
    pub(in crate::mla) factors: FactorIds,
    /// Width of the layer's input.
    pub(in crate::mla) width: usize,
    /// Width of the protected feature: `width`, plus 1 if the bias is protected.
    pub(in crate::mla) d_input: usize,
}

impl<P: OrthogonalProjector> Projection<P> {
    pub(crate) fn new(
        rule: P,
        config: ProjectionConfig,
        protected: &[ProtectedLayer],
        n_modalities: usize,
        device: &Device,
    ) -> Result<Self> {
        let plain = device.clone().inner();
        let layer = |layer: &ProtectedLayer| -> Result<LayerProjection<P::State>> {
            let augmented = config.protect_bias && layer.bias.is_some();
            let d_input = layer.d_input + usize::from(augmented);
            let single = (&plain, DType::F32);
            let zeros = || Buffer::new(Tensor::zeros([d_input], single));
            Ok(LayerProjection {
                state: rule.init(d_input, n_modalities, &plain)?,
                previous: (config.source == FeatureSource::Previous).then(zeros),
                running: (config.mean == FeatureMean::Running)
                    .then(|| Buffer::new(Tensor::zeros([n_modalities, d_input + 1], single))),
                carriers: (0..n_modalities)
                    .map(|_| carrier(d_input, device))
                    .collect(),
                #[cfg(feature = "train")]
                factors: FactorIds::new(),
                width: layer.d_input,
                d_input,
            })
        };
        let layers = protected.iter().map(layer).collect::<Result<_>>()?;
        Ok(Self {
            rule,
            config,
            n_steps: Counter::new(0, device),
            last_modality: Counter::new(0, device),
            layers,
            weight: protected.is_empty().then(|| weight_carrier(device)),
        })
    }

    /// The rule.
    pub fn rule(&self) -> &P {
        &self.rule
    }

    /// The options.
    pub fn config(&self) -> &ProjectionConfig {
        &self.config
    }

    /// Number of steps so far. The first step is not projected.
    pub fn n_steps(&self) -> u64 {
        self.n_steps.get()
    }

    /// Number of protected layers.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// State of the rule for a protected layer.
    ///
    /// # Panics
    ///
    /// If there is no such layer.
    pub fn state(&self, layer: usize) -> &P::State {
        &self.layers[layer].state
    }

    /// Moves what a turn of `modality` needs to `device`.
    #[cfg(feature = "train")]
    pub(in crate::mla) fn fork_carriers(mut self, modality: usize, device: &Device) -> Self {
        let fork = |carrier: &mut Param<Tensor<1>>| *carrier = carrier.clone().fork(device);
        let carriers = self.layers.iter_mut();
        let carriers = carriers.filter_map(|layer| layer.carriers.get_mut(modality));
        carriers.chain(&mut self.weight).for_each(fork);
        self
    }

    /// The projection for one more modality.
    pub(in crate::mla) fn with_modality(self) -> Self {
        let Self { rule, layers, .. } = self;
        let layers = layers.into_iter().map(|mut layer| {
            layer.state = rule.with_modality(layer.state);
            layer.running = layer.running.map(|running| {
                running.replace(|rows| {
                    let row = rows.clone().slice([0..1]).zeros_like();
                    Tensor::cat(vec![rows, row], 0)
                })
            });
            let device = layer.carriers.first().map(|carrier| carrier.val().device());
            let device = device.unwrap_or_default();
            layer.carriers.push(carrier(layer.d_input, &device));
            layer
        });
        Self {
            layers: layers.collect(),
            rule,
            ..self
        }
    }

    /// Checks the counts of a loaded state, and that its last modality exists.
    #[cfg(feature = "train")]
    pub(in crate::mla) fn check(&self) -> Result<()> {
        self.n_steps.check("n_steps")?;
        for layer in &self.layers {
            self.rule.check(&layer.state)?;
        }
        let n_modalities = self.layers.first().map_or(1, |layer| layer.carriers.len());
        let last = self.last_modality.get();
        if last < n_modalities as u64 {
            return Ok(());
        }
        Err(MlaError::ModalityOutOfRange {
            modality: last.try_into().unwrap_or(usize::MAX),
            n_modalities,
        })
    }

    /// The gains of a protected layer's projector for a modality; `None` where there is no such
    /// layer or modality.
    #[cfg(feature = "train")]
    pub(in crate::mla) fn gains(&self, layer: usize, modality: usize) -> Result<Option<Gains>> {
        let layer = self.layers.get(layer);
        let Some((layer, carrier)) = layer.zip(layer.and_then(|l| l.carriers.get(modality))) else {
            return Ok(None);
        };
        let device = carrier.val().device();
        Gains::of(&self.rule, &layer.state, modality, layer.d_input, &device).map(Some)
    }
}

module_fields! {
    impl[S: Module] LayerProjection[S]
    modules: [state, previous, running, carriers], others: [#[cfg(feature = "train")] factors, width, d_input]
}

module_fields! {
    impl[P: OrthogonalProjector] Projection[P]
    modules: [n_steps, last_modality, layers, weight], others: [rule, config]
}

impl<P: OrthogonalProjector> ModuleDisplayDefault for Projection<P> {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("Projection")
            .add_debug_attribute("rule", &self.rule)
            .add("n_layers", &self.layers.len())
            .add("n_steps", &self.n_steps)
            .optional()
    }
}

impl<P: OrthogonalProjector> ModuleDisplay for Projection<P> {}
