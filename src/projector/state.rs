use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, Param};
use burn::tensor::{DType, Device, Tensor};

use crate::error::Result;
use crate::head::ProtectedLayer;
use crate::module_fields::module_fields;
use crate::projector::counter::Counter;
use crate::projector::{Buffer, FeatureMean, FeatureSource, OrthogonalProjector, ProjectionConfig};

/// A projector at work: its rule, its options, and one state a protected layer of the head.
///
/// A module, so that it is saved, loaded and moved with the model.
#[derive(Debug, Clone)]
pub struct Projection<P: OrthogonalProjector> {
    rule: P,
    config: ProjectionConfig,
    n_steps: Counter,
    last_modality: Counter,
    layers: Vec<LayerProjection<P::State>>,
}

/// What the projection of one layer keeps.
#[derive(Debug, Clone)]
pub(crate) struct LayerProjection<S> {
    state: S,
    /// The feature of the last step, for [`FeatureSource::Previous`].
    previous: Option<Buffer<1>>,
    /// Mean feature and number of samples so far, a row a modality, for
    /// [`FeatureMean::Running`].
    running: Option<Buffer<2>>,
    /// One zero vector a modality. Its gradient is made to be the sum of the features and the
    /// number of samples, so that Eq. 4 travels with the gradients through accumulation and
    /// across devices.
    carriers: Vec<Param<Tensor<1>>>,
    d_input: usize,
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
            let zeros = || Buffer::new(Tensor::zeros([d_input], &plain));
            Ok(LayerProjection {
                state: rule.init(d_input, n_modalities, &plain)?,
                previous: (config.source == FeatureSource::Previous).then(zeros),
                running: (config.mean == FeatureMean::Running)
                    .then(|| Buffer::new(Tensor::zeros([n_modalities, d_input + 1], &plain))),
                carriers: (0..n_modalities)
                    .map(|_| Param::from_tensor(Tensor::zeros([d_input + 1], device)))
                    .collect(),
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

    pub(crate) fn layers(&self) -> &[LayerProjection<P::State>] {
        &self.layers
    }

    /// Takes in the features of a step, one a layer, and tells whether this step is projected.
    pub(crate) fn advance(&mut self, modality: usize, sums: Vec<Tensor<1>>) -> bool {
        let started = self.n_steps.get() > 0;
        let last_modality = self.last_modality.get() as usize;
        let layers = std::mem::take(&mut self.layers);
        self.layers = layers
            .into_iter()
            .zip(sums)
            .map(|(mut layer, sum)| {
                let feature = layer.mean_feature(modality, sum);
                let (seen, whose) = match &mut layer.previous {
                    None => (feature, modality),
                    Some(previous) => {
                        let seen = previous.get();
                        previous.set(feature);
                        (seen, last_modality)
                    }
                };
                if started {
                    layer.state = self.rule.update(seen, whose, layer.state);
                }
                layer
            })
            .collect();
        self.last_modality.set(modality as u64);
        self.n_steps.set(self.n_steps.get() + 1);
        started
    }

    /// Projects a weight's and, where it is protected, its bias' change, in their own precision.
    pub(crate) fn project(
        &self,
        layer: usize,
        modality: usize,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
    ) -> (Tensor<2>, Option<Tensor<1>>) {
        let LayerProjection { state, d_input, .. } = &self.layers[layer];
        let (dtype, [rows, _]) = (weight.dtype(), weight.dims());
        let project = |change: Tensor<2>| {
            let projected = self.rule.project(change.cast(DType::F32), modality, state);
            projected.cast(dtype)
        };
        match bias {
            Some(bias) if *d_input > rows => {
                let change = Tensor::cat(vec![weight, bias.unsqueeze_dim(0)], 0);
                let projected = project(change);
                let bias = projected.clone().slice([rows..rows + 1]).squeeze_dim(0);
                (projected.slice([0..rows]), Some(bias))
            }
            bias => (project(weight), bias),
        }
    }
}

impl<S> LayerProjection<S> {
    /// The sum of `input`'s rows, augmented by a 1 a row where the bias is protected, and the
    /// number of rows: `[d_input + 1]`, off the tape, in f32.
    #[cfg_attr(not(feature = "train"), allow(dead_code))]
    pub(crate) fn feature_sum(&self, input: Tensor<2>) -> Tensor<1> {
        let input = input.without_autodiff().cast(DType::F32);
        let [n_samples, width] = input.dims();
        let counts = Tensor::full(
            [self.d_input + 1 - width],
            n_samples as f32,
            &input.device(),
        );
        let sum = input.sum_dim(0).squeeze_dim(0);
        Tensor::cat(vec![sum, counts], 0)
    }

    #[cfg_attr(not(feature = "train"), allow(dead_code))]
    pub(crate) fn carriers(&self) -> &[Param<Tensor<1>>] {
        &self.carriers
    }

    /// Eq. 4, from a sum of features and the number of samples in its last entry.
    fn mean_feature(&mut self, modality: usize, sum: Tensor<1>) -> Tensor<1> {
        let d = self.d_input;
        let count = sum.clone().slice([d..d + 1]);
        let mean = sum.slice([0..d]) / count.clone();
        let Some(running) = &mut self.running else {
            return mean;
        };
        let all = running.get();
        let row = all
            .clone()
            .slice([modality..modality + 1])
            .squeeze_dim::<1>(0);
        let total = row.clone().slice([d..d + 1]) + count.clone();
        let old = row.slice([0..d]);
        let mean = old.clone() + (mean - old) * (count / total.clone());
        let row = Tensor::cat(vec![mean.clone(), total], 0).unsqueeze_dim::<2>(0);
        running.set(all.slice_assign([modality..modality + 1, 0..d + 1], row));
        mean
    }
}

module_fields! {
    impl[S: Module] LayerProjection[S]
    modules: [state, previous, running, carriers], others: [d_input]
}

module_fields! {
    impl[P: OrthogonalProjector] Projection[P]
    modules: [n_steps, last_modality, layers], others: [rule, config]
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
