//! The gain of the projector as a Burn metric.

use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric, failure};
use crate::projector::Gains;

/// The value of a projector's [`Gains`] that a metric reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProjectorGain {
    /// `trace(P) / s`, the mean over all directions.
    Mean,
    /// The smallest eigenvalue of `P`.
    Smallest,
    /// The largest eigenvalue of `P`.
    Largest,
}

/// Share of a gradient that the projector passes: one of its [`Gains`], computed at the first
/// evaluated batch of an epoch.
///
/// The value is from 0 to 1, except for rules without this upper bound. It is NaN if `P` is not finite
/// or if there is no such layer or modality. Metrics of several gains of the same layer and modality
/// share the computation.
#[derive(Debug, Clone)]
pub struct ProjectorGainMetric {
    name: MetricName,
    gain: ProjectorGain,
    layer: usize,
    modality: usize,
    gains: Option<Gains>,
}

impl ProjectorGainMetric {
    /// The metric of the first protected layer, for rules that treat all modalities alike.
    ///
    /// It is called "Projector gain", "Projector gain smallest" or "Projector gain largest".
    pub fn new(gain: ProjectorGain) -> Self {
        let name = match gain {
            ProjectorGain::Mean => "Projector gain",
            ProjectorGain::Smallest => "Projector gain smallest",
            ProjectorGain::Largest => "Projector gain largest",
        };
        Self {
            name: Arc::new(name.to_string()),
            gain,
            layer: 0,
            modality: 0,
            gains: None,
        }
    }

    /// Selects a layer by its position in
    /// [`SharedHead::protected`](crate::head::SharedHead::protected), and appends it to the name.
    pub fn of_layer(mut self, layer: usize) -> Self {
        self.layer = layer;
        let name = format!("{} layer {layer}", self.name);
        self.with_name(name)
    }

    /// Selects the gain for gradients of modality `modality`, counted from 0, for rules with one
    /// subspace per modality, and appends the name of the modality to that of the metric.
    pub fn of_modality(mut self, modality: usize, name: &str) -> Self {
        self.modality = modality;
        let name = format!("{} {name}", self.name);
        self.with_name(name)
    }
}

impl EpochStatistic for ProjectorGainMetric {
    const UNIT: Option<&'static str> = None;
    const HIGHER_IS_BETTER: bool = true;
    const DESCRIPTION: &'static str = "Share of a gradient that the projector passes";

    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError> {
        if let (None, Some(evaluated)) = (self.gains, input.evaluated()) {
            self.gains = evaluated
                .gains(self.layer, self.modality)
                .map_err(failure)?;
        }
        Ok(())
    }

    fn n_samples(&self) -> usize {
        usize::from(self.gains.is_some())
    }

    fn value(&self) -> f64 {
        let gain = |gains: Gains| match self.gain {
            ProjectorGain::Mean => gains.mean,
            ProjectorGain::Smallest => gains.smallest,
            ProjectorGain::Largest => gains.largest,
        };
        self.gains.map_or(f64::NAN, gain)
    }

    fn reset(&mut self) {
        self.gains = None;
    }
}

epoch_metric!(ProjectorGainMetric);
