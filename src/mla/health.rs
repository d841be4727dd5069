//! Projector diagnostics from a dry run of one step.

use std::fmt;

use burn::tensor::DType;
use serde::{Deserialize, Serialize};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::mla::carried::{Carried, FeatureSum};
use crate::mla::projection::{LayerChange, LayerProjection};
use crate::mla::{Mla, Projection};
use crate::modality::{ModalityInputs, Turn};
use crate::module::discard_pending_updates;
use crate::projector::{Gains, OrthogonalProjector};

/// Diagnostics of the projector of one protected layer, for one modality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectorHealth {
    /// Position in [`SharedHead::protected`].
    pub layer: usize,
    /// Gains of `P`.
    pub gains: Gains,
    /// Norm of the turn's gradient after projection, divided by the norm before it.
    pub surviving_gradient: f64,
}

impl fmt::Display for ProjectorHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (layer, gains) = (self.layer, self.gains);
        let survives = 100.0 * self.surviving_gradient;
        write!(
            f,
            "layer {layer}: {gains}, {survives:.1} % of the gradient survives"
        )
    }
}

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// Projector diagnostics per protected layer, from a dry run of one step. The model does not
    /// change.
    ///
    /// The cost is that of a step plus [`Gains::of`] for each layer, too much for every step.
    ///
    /// # Errors
    ///
    /// Those of [`try_step`](Self::try_step), and [`MlaError::DeviceRead`].
    pub fn projector_health(
        &self,
        turn: Turn<<E::Inputs as ModalityInputs>::One>,
    ) -> Result<Vec<ProjectorHealth>> {
        let modality = E::Inputs::modality(&turn.input);
        let output = self.try_step(turn);
        discard_pending_updates(&self.encoders, Some(&[modality]));
        discard_pending_updates(&self.head, None);
        let mut gradients = output?.grads;

        let protected = self.head.protected();
        if protected.is_empty() {
            return Ok(vec![]);
        }
        let carried = Carried::take(&self.projection, &mut gradients)?;
        let protect_bias = self.projection.config().protect_bias;
        let layers = protected.iter().zip(&carried.sums).enumerate();
        layers
            .map(|(layer, (named, sum))| {
                let bias = named.bias.filter(|_| protect_bias);
                let gradient = LayerChange {
                    weight: gradients.remove(named.weight),
                    bias: bias.and_then(|id| gradients.remove(id)),
                };
                self.projection.health(layer, modality, sum, gradient)
            })
            .collect()
    }
}

impl<P: OrthogonalProjector> Projection<P> {
    fn health(
        &self,
        layer: usize,
        modality: usize,
        sum: &FeatureSum,
        gradient: LayerChange,
    ) -> Result<ProjectorHealth> {
        let device = sum.mean().device();
        let LayerProjection { state, d_input, .. } = &self.layers[layer];

        let before = norm(&gradient)?;
        let after = norm(&self.project(layer, modality, gradient, None))?;
        Ok(ProjectorHealth {
            layer,
            gains: Gains::of(self.rule(), state, modality, *d_input, &device)?,
            surviving_gradient: if before > 0.0 { after / before } else { 1.0 },
        })
    }
}

fn norm(change: &LayerChange) -> Result<f64> {
    let weight = change.weight.clone().map(|weight| weight.square().sum());
    let bias = change.bias.clone().map(|bias| bias.square().sum());
    let mut squares = 0.0;
    for sum in [weight, bias].into_iter().flatten() {
        let sum: f32 = sum
            .cast(DType::F32)
            .try_into_scalar()
            .map_err(MlaError::read("the norm of a gradient"))?;
        squares += f64::from(sum);
    }
    Ok(squares.sqrt())
}
