//! Joint training, to compare with: every modality in one loss.

mod concat;

pub use concat::{JointConcat, JointConcatConfig, JointPrediction};
