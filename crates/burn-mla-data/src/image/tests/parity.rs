//! Resizing, cropping, normalization and colours against torchvision on Pillow images.

use rstest::rstest;

use super::{difference, read};
use crate::DrawKey;
use crate::fixtures::{self, Golden, assert_close};
use crate::image::{Filter, ImageFrontEnd, ImageNormalization, RgbImage};

fn file(name: &str) -> RgbImage {
    match name {
        // Decoders of JPEG differ: the resampling is tested from the same pixels.
        "photo" => {
            let (shape, pixels) = Golden::open("images").bytes("photo.decoded_u8");
            RgbImage::new(shape[1], shape[0], pixels).unwrap()
        }
        _ => read(&format!("images/{name}.png")),
    }
}

#[rstest]
fn resized_images_are_those_of_pillow(
    #[values("wide", "photo", "tall", "small", "gray", "rgba", "palette")] name: &str,
) {
    let golden = Golden::open("images");
    let image = file(name);
    let compare = |found: RgbImage, key: &str| {
        let level = difference(&found, golden.bytes(&format!("{name}.{key}")));
        // Pillow 13, which made the golden values, filters the columns of this image first.
        let limit = if name == "tall" { 3 } else { 1 };
        assert!(level <= limit, "{key}: {level}");
    };
    let bicubic = image.resize_shorter(32, Filter::Bicubic).unwrap();
    compare(bicubic.center_crop(32).unwrap(), "bicubic_crop_u8");
    let bilinear = image.resize(32, 32, Filter::Bilinear).unwrap();
    compare(bilinear, "bilinear_u8");
    let rectangle = image.resize(40, 24, Filter::Bilinear).unwrap();
    compare(rectangle, "bilinear_rect_u8");
    if name == "wide" {
        compare(bicubic, "resize_only_u8");
        compare(image.center_crop(72).unwrap(), "crop_larger_u8");
    }
}

#[test]
fn rows_are_filtered_first() {
    let found = file("tall").resize_shorter(32, Filter::Bicubic).unwrap();
    let expected = Golden::open("kinds").bytes("tall.bicubic_rows_first");
    assert!(difference(&found, expected) <= 1);
}

#[rstest]
#[case("wide", "bicubic_crop_imagenet", ImageNormalization::IMAGENET)]
#[case("wide", "bicubic_crop_clip", ImageNormalization::CLIP)]
#[case("wide", "bilinear_imagenet", ImageNormalization::IMAGENET)]
#[case("photo", "bicubic_crop_imagenet", ImageNormalization::IMAGENET)]
#[case("photo", "bicubic_crop_clip", ImageNormalization::CLIP)]
#[case("photo", "bilinear_imagenet", ImageNormalization::IMAGENET)]
fn normalized_images_are_those_of_torchvision(
    #[case] name: &str,
    #[case] key: &str,
    #[case] by: ImageNormalization,
) {
    let image = if key.starts_with("bicubic") {
        let resized = file(name).resize_shorter(32, Filter::Bicubic).unwrap();
        resized.center_crop(32).unwrap()
    } else {
        file(name).resize(32, 32, Filter::Bilinear).unwrap()
    };
    let (shape, expected) = Golden::open("images").floats(&format!("{name}.{key}"));
    let data = image.normalized(by);
    assert_eq!(data.shape().as_slice(), shape);
    // One level.
    let found: Vec<f32> = data.iter().collect();
    assert_close(&found, &expected, 0.0, 0.02);
}

/// The normalization alone, to the rounding of f32.
#[test]
fn pixels_are_normalized_exactly() {
    let golden = Golden::open("images");
    let (shape, pixels) = golden.bytes("wide.bicubic_crop_u8");
    let image = RgbImage::new(shape[1], shape[0], pixels).unwrap();
    for (key, by) in [
        ("imagenet", ImageNormalization::IMAGENET),
        ("clip", ImageNormalization::CLIP),
    ] {
        let (_, expected) = golden.floats(&format!("wide.bicubic_crop_{key}"));
        let found: Vec<f32> = image.normalized(by).iter().collect();
        assert_close(&found, &expected, 1e-6, 1e-6);
    }
}

#[rstest]
#[case("photo.jpg", 3)]
#[case("rgba.png", 0)]
#[case("palette.png", 0)]
fn decoded_images_are_those_of_pillow(#[case] name: &str, #[case] levels: u8) {
    let (stem, _) = name.split_once('.').unwrap();
    let expected = Golden::open("images").bytes(&format!("{stem}.decoded_u8"));
    let level = difference(&read(&format!("images/{name}")), expected);
    assert!(level <= levels, "{level}");
}

#[test]
fn colours_are_those_of_torchvision() {
    let golden = Golden::open("kinds");
    let compare = |change: &dyn Fn(&mut RgbImage), key: &str, levels| {
        let mut image = read("images/wide.png");
        change(&mut image);
        let level = difference(&image, golden.bytes(&format!("wide.{key}")));
        assert!(level <= levels, "{key}: {level}");
    };
    for factor in [0.6, 1.4] {
        let brightness = |image: &mut RgbImage| image.adjust_brightness(factor);
        let contrast = |image: &mut RgbImage| image.adjust_contrast(factor);
        let saturation = |image: &mut RgbImage| image.adjust_saturation(factor);
        compare(&brightness, &format!("brightness_{factor}"), 1);
        compare(&contrast, &format!("contrast_{factor}"), 1);
        compare(&saturation, &format!("saturation_{factor}"), 1);
    }
    // Pillow has 256 hues, of which torchvision shifts by 25 for 0.1: one of them is 6 levels of a pure colour.
    compare(&|image| image.shift_hue(25.0 / 256.0), "hue_0.1", 10);
}

#[test]
fn published_recipes_have_their_shapes() {
    let cases = [
        (ImageFrontEnd::resnet(), 224),
        (ImageFrontEnd::resnet_train(), 224),
        (ImageFrontEnd::cav_mae(), 224),
        (ImageFrontEnd::m3ae(), 256),
        (ImageFrontEnd::m3ae_train(), 256),
        (ImageFrontEnd::clip(), 224),
        (ImageFrontEnd::mmbt(), 224),
    ];
    let path = fixtures::path("images/tall.png");
    for (front_end, side) in cases {
        let read = |index| {
            let key = DrawKey {
                seed: 0,
                pass: 0,
                index,
            };
            front_end.read(&path, &mut key.numbers(0)).unwrap()
        };
        assert_eq!(read(0).shape().as_slice(), [3, side, side]);
        assert_eq!(read(0), read(0));
        let random = [ImageFrontEnd::resnet_train(), ImageFrontEnd::m3ae_train()];
        let is_random = random.contains(&front_end);
        assert_eq!(read(0) != read(1), is_random);
    }
}
