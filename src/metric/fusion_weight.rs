//! The mean fusion weight of a modality as a Burn metric.

use std::sync::Arc;

use burn::tensor::{DType, TensorReadError};
use burn::train::metric::MetricName;

use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric};

/// Mean weight of one modality in the fused predictions of an epoch (Eq. 8, or that of the fusion in
/// use). NaN without samples, and for a method without weights.
///
/// The mean is over all samples, and the weight is 0 in samples that lack the modality. The weights of a
/// [fusion](crate::fusion::UncertaintyFusion) are in `[0, 1]`, and those of all modalities sum to 1. The
/// weights of [`Qmf`](crate::baseline::Qmf) are energies, which have no range.
#[derive(Debug, Clone)]
pub struct FusionWeightMetric {
    name: MetricName,
    modality: usize,
    sum: f64,
    n_samples: usize,
}

impl FusionWeightMetric {
    /// The metric of modality `modality`, counted from 0, called "Fusion weight `name`".
    pub fn of_modality(modality: usize, name: &str) -> Self {
        Self {
            name: Arc::new(format!("Fusion weight {name}")),
            modality,
            sum: 0.0,
            n_samples: 0,
        }
    }
}

impl EpochStatistic for FusionWeightMetric {
    const UNIT: Option<&'static str> = None;
    const HIGHER_IS_BETTER: bool = true;
    const DESCRIPTION: &'static str = "Mean weight of a modality in the fused prediction";

    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError> {
        let Some(weights) = input.weights() else {
            return Ok(());
        };
        let [n_samples, n_modalities] = weights.dims();
        if self.modality >= n_modalities {
            return Ok(());
        }
        let weights = weights.clone().without_autodiff().cast(DType::F32);
        let column = weights.slice([0..n_samples, self.modality..self.modality + 1]);
        self.sum += column.sum().try_into_scalar::<f64>()?;
        self.n_samples += n_samples;
        Ok(())
    }

    fn n_samples(&self) -> usize {
        self.n_samples
    }

    fn value(&self) -> f64 {
        self.sum / self.n_samples as f64
    }

    fn reset(&mut self) {
        (self.sum, self.n_samples) = (0.0, 0);
    }
}

epoch_metric!(FusionWeightMetric);
