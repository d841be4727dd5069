//! The gains of a projector: how much of a gradient passes.

use std::fmt;

use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::numeric::Symmetric;
use crate::projector::OrthogonalProjector;

/// Gains of a projector. The gain of `P` along a unit vector `v` is `v^T P v`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gains {
    /// `trace(P) / s`, the share of directions that pass. Near 0 the head stops learning.
    pub mean: f64,
    /// The smallest eigenvalue of `P`. Clearly below 0, `P` is invalid.
    pub smallest: f64,
    /// The largest eigenvalue of `P`.
    pub largest: f64,
}

impl Gains {
    /// Computes the gains of a rule for the gradients of a modality. All are NaN if `P` is not
    /// finite.
    ///
    /// Reads the matrix `P` and computes its eigenvalues on the host, which takes time cubic in
    /// `d_input`: for once per epoch, not for every step.
    ///
    /// # Errors
    ///
    /// [`MlaError::DeviceRead`](crate::MlaError::DeviceRead).
    ///
    /// # Panics
    ///
    /// If `d_input` is not that of the state.
    pub fn of<P: OrthogonalProjector>(
        rule: &P,
        state: &P::State,
        modality: usize,
        d_input: usize,
        device: &Device,
    ) -> Result<Self> {
        let identity = Tensor::<2>::eye(d_input, &device.clone().inner()).cast(DType::F32);
        let p = Symmetric::read(rule.project(identity, modality, state))?;
        if !p.is_finite() {
            return Ok(Self {
                mean: f64::NAN,
                smallest: f64::NAN,
                largest: f64::NAN,
            });
        }
        let (smallest, largest) = p.extreme_eigenvalues();
        Ok(Self {
            mean: p.trace() / d_input as f64,
            smallest,
            largest,
        })
    }
}

impl fmt::Display for Gains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mean, low, high) = (self.mean, self.smallest, self.largest);
        write!(f, "gain {mean:.3} ({low:.1e} to {high:.3})")
    }
}
