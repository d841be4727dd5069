//! Pretrained encoders for `burn-mla`, and strict loading of published weights into Burn modules.
#![deny(missing_docs)]

pub mod bert;
pub mod blocks;
pub mod cache;
pub mod cav_mae;
pub mod clip;
mod file_error;
mod hugging_face;
pub mod m3ae;
mod projected;
pub mod resnet;
mod vit;
pub mod weights;

pub use file_error::FileError;
pub use hugging_face::HuggingFaceError;
pub use projected::Projected;
pub use vit::{Activation, PatchOrder};

/// The CPU backends of the unit tests: flex, and with the feature `ndarray` also ndarray, which Burn
/// marks as deprecated.
#[cfg(test)]
#[allow(deprecated)]
pub(crate) fn test_devices() -> Vec<burn::tensor::Device> {
    vec![
        burn::tensor::Device::flex(),
        #[cfg(feature = "ndarray")]
        burn::tensor::Device::ndarray(),
    ]
}

/// The page on encoders, whose snippets are doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/encoders.md")]
mod page {}
