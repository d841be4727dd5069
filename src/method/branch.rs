//! The predictions of a multimodal model that a metric can score.

/// A prediction of a multimodal model: of one modality alone, or fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// The prediction of one modality alone, for the samples that have it.
    Modality(usize),
    /// The fused prediction, for all samples.
    Fused,
}
