//! Analyses of the features that a model has learned.

mod features;
mod modality_gap;
mod pca;

pub use modality_gap::ModalityGap;
pub use pca::Pca;
