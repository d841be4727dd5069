//! The predictions of a multimodal model that a metric can score.

/// A prediction of a multimodal model: of one modality alone, or fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// The prediction of one modality alone, before calibration, for the samples that have it.
    Modality(usize),
    /// The fused prediction, of calibrated logits where the model calibrates, for all samples.
    Fused,
    /// The prediction of one modality alone, after calibration, for the samples that have it. Only an
    /// evaluation of a model that can calibrate has it.
    Calibrated(usize),
    /// The fused prediction of logits before calibration, for all samples. Only an evaluation of a
    /// model that can calibrate has it.
    Uncalibrated,
}

impl Branch {
    /// The name of a metric of this branch: that of the measure, that of the modality or "fused", and
    /// "calibrated" or "uncalibrated" where the calibration differs from that of the plain name.
    pub(crate) fn metric_name(self, measure: &str, name: &str) -> String {
        match self {
            Self::Modality(_) | Self::Fused => format!("{measure} {name}"),
            Self::Calibrated(_) => format!("{measure} {name} calibrated"),
            Self::Uncalibrated => format!("{measure} {name} uncalibrated"),
        }
    }
}
