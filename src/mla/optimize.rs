use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::{ProtectedLayer, SharedHead};
use crate::method::Parameters;
use crate::mla::Mla;
use crate::mla::{Factors, LayerChange, ProjectionTarget};
use crate::projector::OrthogonalProjector;

impl<E, H, P, F> Mla<E, H, P, F>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    /// The update of one modality's turn (Eq. 3-5): takes the mean feature into the projector,
    /// projects the head's change, and lets the optimizer step.
    ///
    /// Gradients that were summed over several backward passes, of micro-batches or of several
    /// devices, are divided by their number: parts of the same size make the update that the whole
    /// batch would have made. (Not so for a head without protected layers: there nothing tells
    /// their number.)
    ///
    /// The first step is not projected. Parameters without a gradient, those of every other
    /// encoder, are not touched, nor is their optimizer state.
    ///
    /// # Errors
    ///
    /// - [`MlaError::NoMeanFeature`] for gradients that do not come from
    ///   [`try_step`](Self::try_step);
    /// - [`MlaError::MixedModalities`] for gradients summed over several modalities;
    /// - [`MlaError::MissingHeadGradient`] when a trainable protected weight got no gradient, so
    ///   that the projector would act on nothing;
    /// - [`MlaError::NotPositive`] when the projector was to switch to its square root and has
    ///   none.
    ///
    /// After an error the model and the optimizer are as they were. A head without protected
    /// layers takes any gradients but none at all: there is no mean feature to tell whose they are.
    pub fn try_optimize(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        mut gradients: GradientsParams,
    ) -> Result<()> {
        let learning_rate = learning_rate.into();
        let protected = self.head.protected();
        if protected.is_empty() {
            if gradients.is_empty() {
                return Err(MlaError::NoMeanFeature);
            }
            self.step_optimizer(optimizer, learning_rate, gradients);
            self.projection.advance(0, vec![]);
            return Ok(());
        }
        let accumulated = gradients
            .remove::<1>(self.projection.single_pass())
            .is_none();
        let (modality, features) = self.take_features(&mut gradients)?;
        if accumulated {
            let passes = self.projection.layers()[0].passes_of(&features[0]);
            Parameters::of(&self.encoders, &self.head).divide(&mut gradients, passes);
        }
        self.check_head_gradients(&protected, &gradients, modality)?;
        self.projection.stabilize()?;

        let projected = self.projection.advance(modality, features);
        match self.projection.config().target {
            _ if !projected => self.step_optimizer(optimizer, learning_rate, gradients),
            ProjectionTarget::Gradient => {
                self.project_gradients(&protected, modality, &mut gradients);
                self.step_optimizer(optimizer, learning_rate, gradients);
            }
            ProjectionTarget::Update => {
                let before = Layers::of(&self.head, &protected);
                self.step_optimizer(optimizer, learning_rate, gradients);
                self.project_update(&protected, modality, before);
            }
        }
        Ok(())
    }

    fn step_optimizer(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) {
        let parameters = Parameters::of(&self.encoders, &self.head);
        let parameters = optimizer.step(learning_rate, parameters, gradients);
        self.encoders = parameters.encoders;
        self.head = parameters.head;
    }

    /// Takes the carriers' gradients out: whose turn it was, and the sum of the features of each
    /// layer.
    fn take_features(&self, gradients: &mut GradientsParams) -> Result<(usize, Vec<Tensor<1>>)> {
        let layers = self.projection.layers();
        let mut found: Option<(usize, Vec<Tensor<1>>)> = None;
        for modality in 0..self.n_modalities() {
            let sums: Vec<Tensor<1>> = layers
                .iter()
                .filter_map(|layer| gradients.remove::<1>(layer.carriers()[modality].id))
                .collect();
            if sums.is_empty() {
                continue;
            }
            if let Some((first, _)) = found {
                return Err(MlaError::MixedModalities {
                    first,
                    second: modality,
                });
            }
            if sums.len() != layers.len() {
                return Err(MlaError::NoMeanFeature);
            }
            found = Some((modality, sums));
        }
        found.ok_or(MlaError::NoMeanFeature)
    }

    fn check_head_gradients(
        &self,
        protected: &[ProtectedLayer],
        gradients: &GradientsParams,
        modality: usize,
    ) -> Result<()> {
        for (layer, named) in protected.iter().enumerate() {
            let missing = gradients.get::<2>(named.weight).is_none();
            if missing && Trainable::of(&self.head).0.contains(&named.weight) {
                return Err(MlaError::MissingHeadGradient {
                    layer,
                    modality,
                    step: self.projection.n_steps(),
                });
            }
        }
        Ok(())
    }

    fn project_gradients(
        &self,
        protected: &[ProtectedLayer],
        modality: usize,
        gradients: &mut GradientsParams,
    ) {
        for (layer, named) in protected.iter().enumerate() {
            // What is frozen has no gradient.
            let change = LayerChange {
                weight: gradients.remove(named.weight),
                bias: named.bias.and_then(|id| gradients.remove(id)),
            };
            let factors = self.take_factors(layer, gradients);
            let change = self.projection.project(layer, modality, change, factors);
            if let Some(weight) = change.weight {
                gradients.register(named.weight, weight);
            }
            if let Some((id, bias)) = named.bias.zip(change.bias) {
                gradients.register(id, bias);
            }
        }
    }

    fn take_factors(&self, layer: usize, gradients: &mut GradientsParams) -> Option<Factors> {
        let ids = self.projection.layers()[layer].factors();
        Some(Factors {
            inputs: gradients.remove(ids.inputs)?,
            errors: gradients.remove(ids.errors)?,
        })
    }

    fn project_update(&mut self, protected: &[ProtectedLayer], modality: usize, before: Layers) {
        let after = Layers::of(&self.head, protected);
        let mut replaced = Replaced::default();
        let pairs = before.0.into_iter().zip(after.0);
        for (layer, (named, (before, after))) in protected.iter().zip(pairs).enumerate() {
            let weights = before.weight.clone().zip(after.weight);
            let biases = before.bias.clone().zip(after.bias);
            let change = LayerChange {
                weight: weights.map(|(old, new)| new - old),
                bias: biases.map(|(old, new)| new - old),
            };
            let change = self.projection.project(layer, modality, change, None);
            if let Some((old, change)) = before.weight.zip(change.weight) {
                replaced.weights.push((named.weight, old + change));
            }
            // A bias that is not protected keeps what the optimizer gave it, to the last bit.
            let biases = before.bias.zip(change.bias);
            if let Some((id, (old, change))) = named.bias.zip(biases)
                && self.projection.config().protect_bias
            {
                replaced.biases.push((id, old + change));
            }
        }
        self.head = self.head.clone().map(&mut replaced);
    }
}

/// The values of the protected layers that train, off the tape.
struct Layers(Vec<LayerChange>);

impl Layers {
    fn of<H: SharedHead>(head: &H, protected: &[ProtectedLayer]) -> Self {
        let mut values = Values::default();
        head.visit(&mut values);
        let layers = protected.iter().map(|named| LayerChange {
            weight: find(&values.weights, named.weight),
            bias: named.bias.and_then(|id| find(&values.biases, id)),
        });
        Self(layers.collect())
    }
}

fn find<T: Clone>(values: &[(ParamId, T)], id: ParamId) -> Option<T> {
    let found = values.iter().find(|(of, _)| *of == id);
    found.map(|(_, value)| value.clone())
}

#[derive(Default)]
struct Values {
    weights: Vec<(ParamId, Tensor<2>)>,
    biases: Vec<(ParamId, Tensor<1>)>,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let value = param.val().without_autodiff();
        let dims = value.dims();
        match D {
            1 => self.biases.push((param.id, value.reshape([dims[0]]))),
            2 => self
                .weights
                .push((param.id, value.reshape([dims[0], dims[1]]))),
            _ => {}
        }
    }
}

/// Ids of the parameters that train.
struct Trainable(Vec<ParamId>);

impl Trainable {
    fn of<H: SharedHead>(head: &H) -> Self {
        let mut trainable = Self(vec![]);
        head.visit(&mut trainable);
        trainable
    }
}

impl ModuleVisitor for Trainable {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.0.push(param.id);
        }
    }
}

/// New values for parameters, which keep their place on the tape.
#[derive(Default)]
struct Replaced {
    weights: Vec<(ParamId, Tensor<2>)>,
    biases: Vec<(ParamId, Tensor<1>)>,
}

impl ModuleMapper for Replaced {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let dims: [usize; D] = param.dims();
        let value: Option<Tensor<D>> = match D {
            1 => find(&self.biases, param.id).map(|value| value.reshape(dims)),
            2 => find(&self.weights, param.id).map(|value| value.reshape(dims)),
            _ => None,
        };
        let Some(value) = value else {
            return param;
        };
        param.map(|old| {
            let require_grad = old.is_require_grad();
            let mut new = Tensor::from_inner(value);
            if let Some(strategy) = old.gradient_checkpointing_strategy() {
                new = new.with_gradient_checkpointing_strategy(strategy);
            }
            new.set_require_grad(require_grad)
        })
    }
}
