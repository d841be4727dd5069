//! Pretrained encoders for `burn-mla`, and strict loading of published weights into Burn modules.
#![deny(missing_docs)]

pub mod cav_mae;
pub mod clip;
pub mod m3ae;
mod vit;
pub mod weights;

pub use vit::{Activation, PatchOrder};
