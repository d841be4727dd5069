//! The networks of the bench `encoders`, built of Burn's layers alone, and how they are timed.

pub mod passes;
pub mod resnet;
pub mod vit;
