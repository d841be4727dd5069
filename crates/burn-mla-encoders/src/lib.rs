//! Pretrained encoders for [`burn_mla`], and strict loading of published weights into Burn modules.
//!
//! | Module | Encoders | Inputs |
//! |---|---|---|
//! | [`resnet`] | ResNet-18, -34, -50 | images, videos, filter banks |
//! | [`m3ae`] | M3AE, text and image | tokens, images |
//! | [`cav_mae`] | CAV-MAE, audio and visual | filter banks, images |
//! | [`clip`] | CLIP, image and text towers | images, tokens |
//! | [`bert`] | BERT, MiniLM and relatives | tokens |
//!
//! Each is an [`Encoder`](burn_mla::encoder::Encoder) with a configuration that names the published sizes.
//! [`weights`] loads files of PyTorch and SafeTensors, [`blocks`] freezes parts and gives each block its
//! learning rate, [`Projected`] gives features the width of a shared head, and [`cache`] computes the
//! features of a frozen encoder once.
//!
//! A model of images by ResNet-18 and texts by MiniLM:
//!
//! ```no_run
//! use burn::tensor::Device;
//! use burn_mla::modality::ImageBatch;
//! use burn_mla::prelude::*;
//! use burn_mla_encoders::Projected;
//! use burn_mla_encoders::bert::{Bert, BertConfig};
//! use burn_mla_encoders::resnet::ResNetConfig;
//! use burn_mla_encoders::weights::WeightFile;
//!
//! let device = Device::flex();
//! let image = ResNetConfig::resnet18().init::<ImageBatch>(&device)?;
//! let file = WeightFile::new("resnet18-f37072fd.pth").with_ignored("fc");
//! let image = Projected::init(file.load(image)?, 128, vec![], 0.1, &device)?;
//!
//! let text = BertConfig::from_hugging_face("all-MiniLM-L6-v2")?.init(&device)?;
//! let file = Bert::weight_file("all-MiniLM-L6-v2").with_ignored("pooler");
//! let text = Projected::init(file.load(text)?, 128, vec![], 0.1, &device)?;
//!
//! let head = LinearHeadConfig::new(128, 8).init(&device)?;
//! let model = MlaConfig::new().init_default((image, text), head)?;
//! # let _ = model;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
