//! The update of a step: Eq. 3 to 5, then the optimizer.

use std::ops::Range;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::{ProtectedLayer, SharedHead};
use crate::method::{Checked, Parameters};
use crate::mla::carried::{Carried, Factors};
use crate::mla::projection::LayerChange;
use crate::mla::{Mla, ProjectionTarget};
use crate::module::{ModelThread, ParamValues, float_params};
use crate::numeric::is_host;
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// The update of one modality's turn (Eq. 3-5): updates the projector by the mean feature,
    /// projects the head's change, and runs the optimizer.
    ///
    /// The gradients, of one step or summed over several of micro-batches or devices, are divided by
    /// the number of their samples, or their total weight in a loss that weighs them. The parts of a
    /// batch therefore make the update of the whole batch, whatever their sizes.
    ///
    /// The first step is not projected. Parameters without a gradient, those of every other
    /// encoder, and their optimizer state do not change.
    ///
    /// # Errors
    ///
    /// - [`MlaError::NoMeanFeature`] for gradients that do not come from
    ///   [`try_step`](Self::try_step), or [`MlaError::NoStepGradients`] for a head without protected
    ///   layers;
    /// - [`MlaError::MixedModalities`] for gradients summed over several modalities, unless the head has
    ///   no protected layer;
    /// - [`MlaError::MissingHeadGradient`] when a trainable protected weight has no gradient to
    ///   project;
    /// - [`MlaError::HyperParameter`] for a learning rate that is not finite in f32;
    /// - [`MlaError::NonFiniteGradient`] for a gradient that is not finite, before or after its
    ///   projection, unless [`finite_check`](crate::MlaConfig::finite_check) is off. The check reads one
    ///   number from the device.
    ///
    /// After an error the model and the optimizer are unchanged. On a CPU there is one exception: if
    /// only the projection makes a gradient not finite, as a faulty rule may, the rule has seen the
    /// feature.
    pub fn try_optimize(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: impl Into<ModuleLearningRate>,
        gradients: GradientsParams,
    ) -> Result<()> {
        let learning_rate = learning_rate.into();
        let thread = ModelThread::of(&self.encoders, &self.head);
        thread.run(|| self.update(optimizer, learning_rate, gradients))
    }

    fn update(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        mut gradients: GradientsParams,
    ) -> Result<()> {
        let protected = self.head.protected();
        let carried = Carried::take(&self.projection, &mut gradients)?;
        let turn = carried.modality;
        // Without a protected layer, nothing below is of a modality.
        let modality = turn.unwrap_or(0);
        self.check_head_gradients(&protected, &gradients, modality)?;
        let mut checked = {
            let parameters = Parameters::of(&self.encoders, &self.head);
            parameters.check_learning_rate(&learning_rate, &gradients)?;
            parameters.divide(&mut gradients, &carried.weight)
        };

        let target = self.projection.config().target;
        let projects = self.projection.n_steps() > 0 && target == ProjectionTarget::Gradient;
        // Elsewhere a read makes the device wait, and the state is not updated in place.
        let reads_once = projects && !is_host(&carried.weight.device());
        if !reads_once {
            self.check_gradients(&gradients, turn, &mut checked)?;
        }
        let before = reads_once.then(|| self.projection.clone());
        let projected = self.projection.advance(modality, &carried.sums);
        match target {
            _ if !projected => self.step_optimizer(optimizer, learning_rate, gradients),
            ProjectionTarget::Gradient => {
                self.project_gradients(&protected, modality, carried.factors, &mut gradients);
                for layer in &protected {
                    let ids = std::iter::once(layer.weight).chain(layer.bias);
                    ids.for_each(|id| checked.forget(id));
                }
                if let Err(error) = self.check_gradients(&gradients, turn, &mut checked) {
                    if let Some(before) = before {
                        self.projection = before;
                    }
                    return Err(error);
                }
                self.step_optimizer(optimizer, learning_rate, gradients);
            }
            ProjectionTarget::Update => {
                let before = Layers::of(&self.head, &protected);
                self.step_optimizer(optimizer, learning_rate, gradients);
                self.project_update(&protected, modality..modality + 1, before);
            }
        }
        Ok(())
    }

    pub(super) fn step_optimizer(
        &mut self,
        optimizer: &mut ModuleOptimizer,
        learning_rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) {
        let parameters = Parameters::of(&self.encoders, &self.head);
        let parameters = parameters.step(optimizer, learning_rate, gradients);
        self.encoders = parameters.encoders;
        self.head = parameters.head;
    }

    pub(super) fn check_gradients(
        &self,
        gradients: &GradientsParams,
        modality: Option<usize>,
        checked: &mut Checked,
    ) -> Result<()> {
        if !self.config.finite_check {
            return Ok(());
        }
        let parameters = Parameters::of(&self.encoders, &self.head);
        match parameters.non_finite_gradient(gradients, checked)? {
            None => Ok(()),
            Some(parameter) => Err(MlaError::NonFiniteGradient {
                parameter,
                modality,
                step: self.projection.n_steps(),
            }),
        }
    }

    pub(super) fn check_head_gradients(
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

    pub(super) fn project_gradients(
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

    /// Projects the change since `before`, by the mean of the projections of several modalities.
    pub(super) fn project_update(
        &mut self,
        protected: &[ProtectedLayer],
        modalities: Range<usize>,
        before: Layers,
    ) {
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
            let change = self
                .projection
                .project_mean(layer, modalities.clone(), change);
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
pub(super) struct Layers(Vec<LayerChange>);

impl Layers {
    pub(super) fn of<H: SharedHead>(head: &H, protected: &[ProtectedLayer]) -> Self {
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
