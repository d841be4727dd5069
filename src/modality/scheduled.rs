//! The input of a training step that trains one modality or the fused prediction.

use crate::modality::{ModalityInputs, MultimodalBatch, Targets, Turn};

/// A turn of one modality, or one of all modalities together.
///
/// [`FusedTurnLoader`](crate::loader::FusedTurnLoader) returns them, and a model with
/// [`FusedTurns`](crate::mla::FusedTurns) takes them.
pub enum ScheduledTurn<In: ModalityInputs> {
    /// Trains one modality.
    Unimodal(Turn<In::One>),
    /// Trains the fused prediction of the modalities that each sample has.
    Fused(MultimodalBatch<In>),
}

impl<In: ModalityInputs> ScheduledTurn<In> {
    /// The modality of a unimodal turn; `None` for a fused turn.
    pub fn modality(&self) -> Option<usize> {
        match self {
            Self::Unimodal(turn) => Some(In::modality(&turn.input)),
            Self::Fused(_) => None,
        }
    }

    /// The labels.
    pub fn targets(&self) -> &Targets {
        match self {
            Self::Unimodal(turn) => &turn.targets,
            Self::Fused(batch) => &batch.targets,
        }
    }
}
