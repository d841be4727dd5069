//! The orientation that a camera writes into EXIF data.

use exif::{In, Reader, Tag};
use serde::{Deserialize, Serialize};

use super::error::{ImageError, Result};
use super::rgb::RgbImage;
use crate::ContentType;

/// What becomes of the orientation in EXIF data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExifOrientation {
    /// Pixels as they are stored: Pillow's `Image.open`, and so the published pipelines and their pretrained models.
    Ignore,
    /// The image as its photographer saw it: Pillow's `ImageOps.exif_transpose`.
    Apply,
}

/// Turns the image as its EXIF data say: one of the eight orientations, or none.
pub(super) fn apply(image: RgbImage, exif: Vec<u8>, content: ContentType) -> Result<RgbImage> {
    let parsed = Reader::new()
        .read_raw(exif)
        .map_err(ImageError::malformed(content))?;
    let field = parsed.get_field(Tag::Orientation, In::PRIMARY);
    Ok(turned(
        image,
        field.and_then(|field| field.value.get_uint(0)),
    ))
}

/// Orientations 5 to 8 exchange rows and columns of 1, 4, 2 and 3.
fn turned(mut image: RgbImage, orientation: Option<u32>) -> RgbImage {
    if matches!(orientation, Some(5..=8)) {
        image = image.transposed();
    }
    if matches!(orientation, Some(2 | 3 | 6 | 7)) {
        image.flip_horizontal();
    }
    if matches!(orientation, Some(3 | 4 | 7 | 8)) {
        image.flip_vertical();
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the first pixel of the stored 3 x 2 image goes, as the EXIF standard shows it.
    #[test]
    fn the_first_pixel_goes_where_the_standard_says() {
        let mut pixels = vec![0; 18];
        pixels[0] = 255;
        let image = RgbImage::new(3, 2, pixels).unwrap();
        let cases = [
            (None, 3, 0),
            (Some(1), 3, 0),
            (Some(2), 3, 2),
            (Some(3), 3, 5),
            (Some(4), 3, 3),
            (Some(5), 2, 0),
            (Some(6), 2, 1),
            (Some(7), 2, 5),
            (Some(8), 2, 4),
            (Some(9), 3, 0),
        ];
        for (orientation, width, index) in cases {
            let turned = turned(image.clone(), orientation);
            let found = turned.pixels().iter().position(|x| *x == 255);
            assert_eq!(turned.width(), width, "{orientation:?}");
            assert_eq!(found, Some(3 * index), "{orientation:?}");
        }
    }
}
