//! Images: files to RGB, RGB to the input of an encoder.
//!
//! [`ImageFrontEnd`] is a whole recipe, with the published ones by name. Its parts can be used alone: [`ImageReader`],
//! [`RgbImage`], [`ColorJitter`], [`ImageNormalization`].

mod decode;
mod error;
mod front_end;
mod jitter;
mod normalization;
mod orientation;
mod random_crop;
mod reader;
mod resize;
mod rgb;
#[cfg(test)]
mod tests;

pub use error::ImageError;
pub use front_end::{ImageFrontEnd, ImageStep};
pub use jitter::ColorJitter;
pub use normalization::ImageNormalization;
pub use orientation::ExifOrientation;
pub use reader::ImageReader;
pub use resize::Filter;
pub use rgb::{Region, RgbImage};
