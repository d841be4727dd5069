//! Measures of the features that a model has learnt.

mod features;
mod modality_gap;
mod pca;

pub use modality_gap::ModalityGap;
pub use pca::Pca;
