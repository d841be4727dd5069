//! A learnt fusion as it is stored, before its numbers are checked against each other.

use serde::Deserialize;

use crate::error::{MlaError, Result, at_least_one, same_size};
use crate::evaluation::stacking::Stacking;
use crate::evaluation::stacking::design::Residual;

#[derive(Deserialize)]
pub(super) struct Stored {
    n_modalities: usize,
    n_classes: usize,
    fused: bool,
    weights: Vec<f64>,
    residual: Residual,
    strength: f64,
}

impl TryFrom<Stored> for Stacking {
    type Error = MlaError;

    fn try_from(stored: Stored) -> Result<Self> {
        let Stored {
            n_modalities,
            n_classes,
            fused,
            weights,
            residual,
            strength,
        } = stored;
        at_least_one("n_modalities", n_modalities)?;
        at_least_one("n_classes", n_classes)?;
        let n_sources = n_modalities.saturating_add(usize::from(fused));
        same_size(
            "weights of a stored fusion (one per source)",
            n_sources,
            weights.len(),
        )?;
        residual.check(n_sources, n_classes)?;
        Ok(Self {
            n_modalities,
            n_classes,
            fused,
            weights,
            residual,
            strength,
        })
    }
}
