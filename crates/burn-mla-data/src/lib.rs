//! Data for multimodal models on Burn: front ends and data sets for `burn-mla`.
#![deny(missing_docs)]

#[cfg(feature = "audio")]
pub mod audio;
pub mod cache;
mod content;
pub mod dataset;
#[cfg(any(feature = "audio", feature = "image", feature = "video"))]
mod draw;
mod error;
pub mod features;
#[cfg(all(test, any(feature = "audio", feature = "image")))]
mod fixtures;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "image")]
pub mod image;
mod line_ends;
pub mod manifest;
pub mod prepare;
mod sha256;
pub mod text;
#[cfg(feature = "video")]
pub mod video;

pub use content::ContentType;
#[cfg(any(feature = "audio", feature = "image", feature = "video"))]
pub use draw::DrawKey;
pub use error::{DataError, Result};

/// The page on your own data, whose snippets are doc tests.
#[cfg(all(doctest, feature = "image", feature = "text"))]
#[doc = include_str!("../../../docs/own_data.md")]
mod own_data_page {}

/// The page on data sets.
#[cfg(all(doctest, feature = "audio", feature = "video"))]
#[doc = include_str!("../../../docs/datasets.md")]
mod datasets_page {}
