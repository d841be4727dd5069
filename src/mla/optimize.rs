//! The update of a step: Eq. 3 to 5, then the optimizer.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::{ProtectedLayer, SharedHead};
use crate::method::Parameters;
use crate::mla::carried::{Carried, Factors};
use crate::mla::projection::LayerChange;
use crate::mla::{Mla, ProjectionTarget};
use crate::module::{ParamValues, float_params};
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// The update of one modality's turn (Eq. 3-5): updates the projector by the mean feature,
    /// projects the head's change, and runs the optimizer.
    ///
    /// Gradients that were summed over several backward passes, of micro-batches or of several
    /// devices, are divided by their number. Parts of equal size therefore make the update of the
    /// whole batch. A head without protected layers carries no such number, and its gradients are
    /// used as they are.
    ///
    /// The first step is not projected. Parameters without a gradient, those of every other
    /// encoder, and their optimizer state do not change.
    ///
    /// # Errors
    ///
    /// - [`MlaError::NoMeanFeature`] for gradients that do not come from
    ///   [`try_step`](Self::try_step);
    /// - [`MlaError::MixedModalities`] for gradients summed over several modalities;
    /// - [`MlaError::MissingHeadGradient`] when a trainable protected weight has no gradient to
    ///   project;
    /// - [`MlaError::NotPositive`] when the projector has to switch to its square root and has
    ///   none.
    ///
    /// After an error the model and the optimizer are unchanged. A head without protected layers
    /// accepts any gradients except an empty set, because they carry no mean feature.
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
            self.projection.advance(0, &[]);
            return Ok(());
        }
        let carried = Carried::take(&self.projection, &mut gradients)?;
        if let Some(n_passes) = carried.n_passes() {
            Parameters::of(&self.encoders, &self.head).divide(&mut gradients, n_passes);
        }
        let modality = carried.modality;
        self.check_head_gradients(&protected, &gradients, modality)?;

        let projected = self.projection.advance(modality, &carried.sums);
        match self.projection.config().target {
            _ if !projected => self.step_optimizer(optimizer, learning_rate, gradients),
            ProjectionTarget::Gradient => {
                self.project_gradients(&protected, modality, carried.factors, &mut gradients);
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

    fn check_head_gradients(
        &self,
        protected: &[ProtectedLayer],
        gradients: &GradientsParams,
        modality: usize,
    ) -> Result<()> {
        for (layer, named) in protected.iter().enumerate() {
            let missing = gradients.get::<2>(named.weight).is_none();
            let trains = || {
                let params = float_params(&self.head);
                params
                    .iter()
                    .any(|p| p.id == named.weight && p.requires_grad)
            };
            if missing && trains() {
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
        factors: Vec<Option<Factors>>,
        gradients: &mut GradientsParams,
    ) {
        for (layer, (named, factors)) in protected.iter().zip(factors).enumerate() {
            // What is frozen has no gradient.
            let change = LayerChange {
                weight: gradients.remove(named.weight),
                bias: named.bias.and_then(|id| gradients.remove(id)),
            };
            let change = self.projection.project(layer, modality, change, factors);
            if let Some(weight) = change.weight {
                gradients.register(named.weight, weight);
            }
            if let Some((id, bias)) = named.bias.zip(change.bias) {
                gradients.register(id, bias);
            }
        }
    }

    fn project_update(&mut self, protected: &[ProtectedLayer], modality: usize, before: Layers) {
        let after = Layers::of(&self.head, protected);
        let mut replaced = ParamValues::default();
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
                replaced.set(named.weight, old + change);
            }
            // An unprotected bias keeps the exact value that the optimizer computed.
            let biases = before.bias.zip(change.bias);
            if let Some((id, (old, change))) = named.bias.zip(biases)
                && self.projection.config().protect_bias
            {
                replaced.set(id, old + change);
            }
        }
        self.head = replaced.write(self.head.clone());
    }
}

/// The trainable values of the protected layers, off the tape.
struct Layers(Vec<LayerChange>);

impl Layers {
    fn of<H: SharedHead>(head: &H, protected: &[ProtectedLayer]) -> Self {
        let values = ParamValues::read(head, |param| param.requires_grad);
        let layers = protected.iter().map(|named| LayerChange {
            weight: values.get(named.weight).map(Tensor::without_autodiff),
            bias: named
                .bias
                .and_then(|id| values.get(id))
                .map(Tensor::without_autodiff),
        });
        Self(layers.collect())
    }
}
