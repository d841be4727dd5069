#[cfg(feature = "train")]
use burn::module::ParamId;
use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, Param};
use burn::tensor::{DType, Device, Tensor};

use crate::error::Result;
use crate::head::ProtectedLayer;
use crate::mla::{FeatureMean, FeatureSource, ProjectionConfig};
use crate::module::Buffer;
use crate::module::Counter;
use crate::module::module_fields;
use crate::projector::OrthogonalProjector;
#[cfg(feature = "train")]
use crate::projector::Watch;

/// A projector at work: its rule, its options, and one state a protected layer of the head.
///
/// A module, so that it is saved, loaded and moved with the model.
#[derive(Debug, Clone)]
pub struct Projection<P: OrthogonalProjector> {
    pub(super) rule: P,
    pub(super) config: ProjectionConfig,
    pub(super) n_steps: Counter,
    pub(super) last_modality: Counter,
    pub(super) layers: Vec<LayerProjection<P::State>>,
    #[cfg(feature = "train")]
    pub(super) watch: Watch,
    /// Id under which the gradients of a single backward pass are marked as such; no parameter has
    /// it, so that the mark is gone once gradients are added up.
    #[cfg(feature = "train")]
    pub(super) single_pass: ParamId,
}

/// What the projection of one layer keeps.
#[derive(Debug, Clone)]
pub(crate) struct LayerProjection<S> {
    pub(super) state: S,
    /// The feature of the last step, for [`FeatureSource::Previous`].
    pub(super) previous: Option<Buffer<1>>,
    /// Mean feature and number of samples so far, a row a modality, for
    /// [`FeatureMean::Running`].
    pub(super) running: Option<Buffer<2>>,
    /// One zero vector a modality. Its gradient is made to be the sum of the features, the number
    /// of samples and the number of backward passes, 1, so that Eq. 4 travels with the gradients
    /// through accumulation and across devices.
    pub(super) carriers: Vec<Param<Tensor<1>>>,
    /// Ids under which the factors of the weight's gradient travel with the gradients. No
    /// parameter has them: what adds up gradients over the model's parameters leaves them out.
    #[cfg(feature = "train")]
    pub(super) factors: FactorIds,
    /// Width of the layer's input.
    pub(super) width: usize,
    /// The same, and 1 more where the bias is protected.
    pub(super) d_input: usize,
}

/// Where the factors of a gradient `H^T D` are.
#[cfg(feature = "train")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct FactorIds {
    /// Of the inputs `H`, `[n_samples, width]`.
    pub(crate) inputs: ParamId,
    /// Of the errors `D`, `[n_samples, d_output]`.
    pub(crate) errors: ParamId,
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
                    .map(|_| Tensor::zeros([d_input + 2], (device, DType::F32)))
                    .map(Param::from_tensor)
                    .collect(),
                #[cfg(feature = "train")]
                factors: FactorIds {
                    inputs: ParamId::new(),
                    errors: ParamId::new(),
                },
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
            #[cfg(feature = "train")]
            watch: Watch::default(),
            #[cfg(feature = "train")]
            single_pass: ParamId::new(),
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

    /// Number of steps taken: `t` of the next one, which is not projected when it is 0.
    pub fn n_steps(&self) -> u64 {
        self.n_steps.get()
    }

    /// Number of protected layers.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// What the rule knows of a protected layer.
    ///
    /// # Panics
    ///
    /// If there is no such layer.
    pub fn state(&self, layer: usize) -> &P::State {
        &self.layers[layer].state
    }
}

module_fields! {
    impl[S: Module] LayerProjection[S]
    modules: [state, previous, running, carriers], others: [#[cfg(feature = "train")] factors, width, d_input]
}

module_fields! {
    impl[P: OrthogonalProjector] Projection[P]
    modules: [n_steps, last_modality, layers], others: [rule, config, #[cfg(feature = "train")] watch, #[cfg(feature = "train")] single_pass]
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
