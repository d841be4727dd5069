//! Pretrained encoders for `burn-mla`: strict loading of published weights into Burn modules.
#![deny(missing_docs)]

pub mod weights;
