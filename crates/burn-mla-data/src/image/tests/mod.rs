//! Tests of the image front end against Pillow and torchvision, and with malformed files.

mod kinds;
mod malformed;
mod parity;

use super::{ImageReader, RgbImage};
use crate::fixtures;

pub(super) fn read(name: &str) -> RgbImage {
    ImageReader::new().read(&fixtures::path(name)).unwrap()
}

/// The largest difference of two images, in levels.
#[track_caller]
pub(super) fn difference(found: &RgbImage, (shape, expected): (Vec<usize>, Vec<u8>)) -> u8 {
    assert_eq!([found.height(), found.width(), 3].as_slice(), shape);
    let pairs = found.pixels().iter().zip(&expected);
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}
