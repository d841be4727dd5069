//! Kinds of images: grey, palette, CMYK, 16 bits, alpha, animated, turned.

use rstest::rstest;

use super::{difference, read};
use crate::fixtures::{self, Golden};
use crate::image::{ExifOrientation, ImageReader};

#[rstest]
#[case("progressive.jpg", 3)]
#[case("subsampled.jpg", 3)]
#[case("grey.jpg", 2)]
#[case("cmyk.jpg", 3)]
#[case("turned.jpg", 3)]
#[case("grey16.png", 0)]
#[case("grey_alpha.png", 0)]
#[case("one_bit.png", 0)]
#[case("one.png", 0)]
#[case("turned.png", 0)]
#[case("lossy.webp", 1)]
#[case("lossless.webp", 0)]
#[case("alpha.webp", 0)]
#[case("turned.webp", 0)]
#[case("moving.webp", 0)]
#[case("moving.gif", 0)]
#[case("still.gif", 0)]
fn kinds_are_those_of_pillow(#[case] name: &str, #[case] levels: u8) {
    let expected = Golden::open("kinds").bytes(name);
    let level = difference(&read(&format!("kinds/{name}")), expected);
    assert!(level <= levels, "{level}");
}

/// The three files are 40 x 30 and to be turned to the right.
#[rstest]
#[case("turned.jpg")]
#[case("turned.png")]
#[case("turned.webp")]
fn the_orientation_is_an_option(#[case] name: &str) {
    let reader = ImageReader::new().with_orientation(ExifOrientation::Apply);
    let path = fixtures::path(&format!("kinds/{name}"));
    let turned = reader.read(&path).unwrap();
    assert_eq!((turned.width(), turned.height()), (30, 40));
    let stored = read(&format!("kinds/{name}"));
    assert_eq!((stored.width(), stored.height()), (40, 30));
    // The lower left corner becomes the upper left one.
    assert_eq!(turned.pixels()[..3], stored.pixels()[29 * 40 * 3..][..3]);
}

#[rstest]
#[case("strip.png")]
#[case("strip.jpg")]
fn a_strip_of_65500_pixels_is_an_image(#[case] name: &str) {
    let strip = read(&format!("kinds/{name}"));
    assert_eq!((strip.width(), strip.height()), (65_500, 1));
}
