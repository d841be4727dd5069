//! Pretrained encoders for `burn-mla`: strict loading of published weights into Burn modules.
#![deny(missing_docs)]

pub mod bert;
pub mod cache;
mod hugging_face;
pub mod weights;

pub use hugging_face::HuggingFaceError;

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
