use std::fmt;

use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::mla::Mla;
use crate::mla::{LayerChange, Projection};
use crate::modality::{ModalityInputs, Turn};
use crate::module::discard_pending_updates;
use crate::projector::{Gains, OrthogonalProjector};

/// How a projector fares at one protected layer, as one modality meets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectorHealth {
    /// Position in [`SharedHead::protected`].
    pub layer: usize,
    /// What `P` lets through.
    pub gains: Gains,
    /// How much the turn's feature amplifies rounding, for rules that f32 endangers.
    pub kappa: Option<f64>,
    /// Norm of the turn's gradient after projection, relative to that before.
    pub surviving_gradient: f64,
}

impl fmt::Display for ProjectorHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (layer, gains) = (self.layer, self.gains);
        let survives = 100.0 * self.surviving_gradient;
        write!(
            f,
            "layer {layer}: {gains}, {survives:.1} % of the gradient survives"
        )?;
        match self.kappa {
            Some(kappa) => write!(f, ", kappa {kappa:.1e}"),
            None => Ok(()),
        }
    }
}

impl<E, H, P, F> Mla<E, H, P, F>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    /// How the projector fares, one entry a protected layer, by a turn that is tried and not
    /// taken: the model stays as it is.
    ///
    /// Costs a step, and that of [`Gains::of`] for each layer: call it now and then, not at each
    /// step.
    ///
    /// # Errors
    ///
    /// Those of [`try_step`](Self::try_step), and [`MlaError::DeviceRead`].
    pub fn projector_health(
        &self,
        turn: Turn<<E::Inputs as ModalityInputs>::One>,
    ) -> Result<Vec<ProjectorHealth>> {
        let modality = E::Inputs::modality(&turn.input);
        let watcher = self.projection.watcher();
        let wanted = watcher.switch_wanted();
        let output = self.try_step(turn);
        if !wanted {
            // A turn that is only tried must not change the projector's form.
            watcher.forget_switch();
        }
        discard_pending_updates(&self.encoders, Some(&[modality]));
        discard_pending_updates(&self.head, None);
        let mut gradients = output?.grads;

        let protected = self.head.protected();
        let layers = protected.iter().enumerate();
        layers
            .map(|(layer, named)| {
                let carrier = self.projection.layers()[layer].carriers()[modality].id;
                let sum = gradients
                    .remove::<1>(carrier)
                    .ok_or(MlaError::NoMeanFeature)?;
                let gradient = LayerChange {
                    weight: gradients.remove(named.weight),
                    bias: match self.projection.config().protect_bias {
                        true => named.bias.and_then(|id| gradients.remove(id)),
                        false => None,
                    },
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
        sum: Tensor<1>,
        gradient: LayerChange,
    ) -> Result<ProjectorHealth> {
        let of = &self.layers()[layer];
        let (s, device) = (of.d_input(), sum.device());
        let numbers: Vec<f64> = sum
            .try_to_vec_as()
            .map_err(MlaError::read("the mean feature"))?;
        let n_samples = numbers[s];
        let squared_norm: f64 = numbers[..s].iter().map(|x| (x / n_samples).powi(2)).sum();

        let before = norm(&gradient)?;
        let after = norm(&self.project(layer, modality, gradient, None))?;
        Ok(ProjectorHealth {
            layer,
            gains: Gains::of(self.rule(), of.state(), modality, s, &device)?,
            kappa: self
                .rule()
                .conditioning(squared_norm, of.state())
                .map(|conditioning| conditioning.kappa),
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
