use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric, failure};
use crate::projector::Gains;

/// Which of a projector's [`Gains`] a metric shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProjectorGain {
    /// `trace(P) / s`, the share of directions that still pass.
    Mean,
    /// The smallest eigenvalue of `P`.
    Smallest,
    /// The largest eigenvalue of `P`.
    Largest,
}

/// What the projector lets through: one of its [`Gains`], found once an epoch, at the first batch
/// that is evaluated. 0 to 1, but for rules that give up the upper bound; NaN where `P` is not
/// finite, and where there is no such layer or modality.
///
/// Metrics of several gains of the same layer and modality share the work.
#[derive(Debug, Clone)]
pub struct ProjectorGainMetric {
    name: MetricName,
    gain: ProjectorGain,
    layer: usize,
    modality: usize,
    found: Option<Gains>,
}

impl ProjectorGainMetric {
    /// A gain of the first protected layer, for rules that treat all modalities alike:
    /// "Projector gain", or "Projector gain smallest" and "Projector gain largest".
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
            found: None,
        }
    }

    /// Another layer: position in [`SharedHead::protected`](crate::head::SharedHead::protected).
    /// Goes into the name.
    pub fn of_layer(mut self, layer: usize) -> Self {
        self.layer = layer;
        let name = format!("{} layer {layer}", self.name);
        self.with_name(name)
    }

    /// The gain for gradients of modality `modality`, counted from 0, where a rule has one subspace
    /// a modality. The name of the modality goes into that of the metric.
    pub fn of_modality(mut self, modality: usize, name: &str) -> Self {
        self.modality = modality;
        let name = format!("{} {name}", self.name);
        self.with_name(name)
    }

    /// Another name, as a whole.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Arc::new(name.into());
        self
    }
}

impl EpochStatistic<MetricInput> for ProjectorGainMetric {
    const UNIT: Option<&'static str> = None;
    const HIGHER_IS_BETTER: bool = true;
    const DESCRIPTION: &'static str = "Share of a gradient that the projector lets through";

    fn add(&mut self, input: &MetricInput) -> Result<(), TensorReadError> {
        if let (None, Some(evaluated)) = (self.found, input.evaluated()) {
            self.found = evaluated
                .gains(self.layer, self.modality)
                .map_err(failure)?;
        }
        Ok(())
    }

    fn n_samples(&self) -> usize {
        usize::from(self.found.is_some())
    }

    fn value(&self) -> f64 {
        let gain = |gains: Gains| match self.gain {
            ProjectorGain::Mean => gains.mean,
            ProjectorGain::Smallest => gains.smallest,
            ProjectorGain::Largest => gains.largest,
        };
        self.found.map_or(f64::NAN, gain)
    }

    fn reset(&mut self) {
        self.found = None;
    }
}

epoch_metric!(ProjectorGainMetric, MetricInput);
