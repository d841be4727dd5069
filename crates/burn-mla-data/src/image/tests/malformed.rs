//! Files that are no image, or not all of it: each is a typed error.

use std::fs;

use rstest::rstest;

use crate::ContentType;
use crate::fixtures;
use crate::image::{ExifOrientation, ImageError, ImageReader};

fn error(bytes: &[u8]) -> ImageError {
    ImageReader::new().decode(bytes).unwrap_err()
}

#[rstest]
#[case(b"", ContentType::Empty)]
#[case(
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    ContentType::GitLfsPointer
)]
#[case(b"<html>404</html>", ContentType::Unknown)]
#[case(&[0; 4096], ContentType::Unknown)]
#[case(b"RIFF\0\0\0\0WAVEfmt ", ContentType::Wav)]
fn other_content_is_named(#[case] bytes: &[u8], #[case] expected: ContentType) {
    let error = error(bytes);
    assert!(matches!(error, ImageError::Content(found) if found == expected));
    assert!(error.to_string().contains(&expected.to_string()));
}

#[rstest]
fn a_cut_image_is_an_error(
    #[values(
        "images/photo.jpg",
        "images/rgba.png",
        "kinds/progressive.jpg",
        "kinds/grey.jpg",
        "kinds/cmyk.jpg",
        "kinds/lossy.webp",
        "kinds/lossless.webp",
        "kinds/still.gif"
    )]
    name: &str,
    #[values(10, 50, 70, 90)] keep: usize,
) {
    let mut bytes = fixtures::bytes(name);
    bytes.truncate(bytes.len() * keep / 100);
    let error = error(&bytes);
    assert!(matches!(error, ImageError::Malformed { .. }), "{error:?}");
}

/// The claimed sizes need 12 gigabytes each. The header's checksum of the PNG is right.
#[test]
fn a_giant_header_takes_no_memory() {
    let mut jpeg = fixtures::bytes("images/photo.jpg");
    let frame = jpeg
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x01\0\0\0\x01\0\0\x08\x02\0\0\0\xe3\xe6\xa7\xb4";
    let mut gif = fixtures::bytes("kinds/still.gif");
    gif[6..10].fill(0xff);
    for (bytes, size) in [
        (jpeg.as_slice(), "65535 x 65535"),
        (png, "65536 x 65536"),
        (&gif, "65535 x 65535"),
    ] {
        let error = error(bytes);
        let expected = format!("{size} pixels are more than the limit of 89478485");
        assert_eq!(error.to_string(), expected);
    }
}

#[rstest]
#[case("images/photo.jpg", 97 * 61)]
#[case("images/rgba.png", 97 * 61)]
#[case("kinds/lossy.webp", 1200)]
#[case("kinds/still.gif", 1200)]
fn the_limit_is_in_pixels(#[case] name: &str, #[case] n_pixels: u64) {
    let path = fixtures::path(name);
    let reader = ImageReader::new().with_max_pixels(n_pixels);
    assert!(reader.read(&path).is_ok());
    let error = reader
        .with_max_pixels(n_pixels - 1)
        .read(&path)
        .unwrap_err();
    assert!(error.to_string().contains("more than the limit"), "{error}");
}

#[test]
fn a_size_of_zero_is_an_error() {
    let mut jpeg = fixtures::bytes("images/photo.jpg");
    let frame = jpeg
        .windows(2)
        .position(|marker| marker == [0xff, 0xc0])
        .unwrap();
    jpeg[frame + 5..frame + 9].fill(0);
    assert!(matches!(error(&jpeg), ImageError::Malformed { .. }));
    let mut gif = fixtures::bytes("kinds/still.gif");
    gif[6..10].fill(0);
    assert!(ImageReader::new().decode(&gif).is_err());
}

#[test]
fn the_extension_does_not_decide() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("-picture.wav");
    fs::copy(fixtures::path("kinds/still.gif"), &path).unwrap();
    assert_eq!(ImageReader::new().read(&path).unwrap().width(), 40);
    let missing = ImageReader::new().read(&folder.path().join("gone.png"));
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("gone.png: cannot be read"), "{error}");
    let small = ImageReader::new().with_max_bytes(100).read(&path);
    let error = small.unwrap_err().to_string();
    assert!(
        error.ends_with("more than the limit of 100 bytes"),
        "{error}"
    );
}

/// Whatever one byte is, the result is an image or a typed error, and never a panic.
#[rstest]
fn a_changed_byte_is_no_panic(
    #[values(
        "kinds/cmyk.jpg",
        "kinds/progressive.jpg",
        "kinds/turned.png",
        "kinds/alpha.webp",
        "kinds/lossy.webp",
        "kinds/turned.webp",
        "kinds/still.gif"
    )]
    name: &str,
) {
    let whole = fixtures::bytes(name);
    let reader = ImageReader::new().with_orientation(ExifOrientation::Apply);
    for at in 0..whole.len().min(300) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        if let Ok(image) = reader.decode(&bytes) {
            assert_eq!(image.pixels().len(), 3 * image.width() * image.height());
        }
    }
}
