//! Resampling as Pillow does it.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use super::decode::check_pixels;
use super::error::{ImageError, Result};
use super::rgb::RgbImage;

/// Pixels of the largest result. A long strip, made as high as a model wants it, has billions.
const MAX_PIXELS: u64 = 89_478_485;

/// A filter for resampling. Its support grows when an image shrinks (antialiasing), as in Pillow; OpenCV, and
/// torchvision on tensors in old versions, do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    /// A triangle.
    Bilinear,
    /// A cubic with `a = -0.5` (Catmull-Rom), Pillow's; OpenCV has -0.75.
    Bicubic,
}

impl RgbImage {
    /// Returns the image at another size; its aspect is not kept.
    ///
    /// # Errors
    ///
    /// A width or height of 0, or more than 89478485 pixels.
    pub fn resize(&self, width: usize, height: usize, filter: Filter) -> Result<Self> {
        let smallest = width.min(height) as f64;
        ImageError::check("a width or height", smallest, "at least 1", smallest > 0.0)?;
        check_pixels(width as u64, height.max(self.height()) as u64, MAX_PIXELS)?;
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        let filter = match filter {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        // Rows are rounded to bytes before columns are filtered: the order of Pillow before version 13, with which the
        // published models were trained. `fast_image_resize` begins with columns.
        let rows = self.resampled(width, self.height(), &options)?;
        rows.resampled(width, height, &options)
    }

    fn resampled(&self, width: usize, height: usize, options: &ResizeOptions) -> Result<Self> {
        let (from_width, from_height) = (self.width() as u32, self.height() as u32);
        let source = ImageRef::new(from_width, from_height, self.pixels(), PixelType::U8x3)
            .expect("an image has its pixels");
        let mut result = Image::new(width as u32, height as u32, PixelType::U8x3);
        Resizer::new()
            .resize(&source, &mut result, options)
            .expect("both images have three channels");
        Self::new(width, height, result.into_vec())
    }

    /// Returns the image with its shorter side at a length, and its aspect kept: torchvision's `Resize(side)`, whose
    /// longer side is rounded down.
    ///
    /// # Errors
    ///
    /// As [`RgbImage::resize`].
    pub fn resize_shorter(&self, side: usize, filter: Filter) -> Result<Self> {
        let (width, height) = (self.width(), self.height());
        let longer = side.saturating_mul(width.max(height)) / width.min(height);
        if width <= height {
            self.resize(side, longer, filter)
        } else {
            self.resize(longer, side, filter)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_constant_image_stays_constant(
            (width, height) in (1_usize..40, 1_usize..40),
            (new_width, new_height) in (1_usize..60, 1_usize..60),
            color in any::<[u8; 3]>(),
            bicubic in any::<bool>(),
        ) {
            let filter = if bicubic { Filter::Bicubic } else { Filter::Bilinear };
            let image = RgbImage::new(width, height, color.repeat(width * height)).unwrap();
            let resized = image.resize(new_width, new_height, filter).unwrap();
            prop_assert_eq!(resized.pixels(), color.repeat(new_width * new_height));
        }
    }

    #[test]
    fn sizes_are_checked_before_memory_is_taken() {
        let strip = RgbImage::new(65_500, 1, vec![9; 3 * 65_500]).unwrap();
        let error = strip.resize_shorter(224, Filter::Bilinear).unwrap_err();
        assert_eq!(
            error.to_string(),
            "14672000 x 224 pixels are more than the limit of 89478485"
        );
        assert!(strip.resize(0, 5, Filter::Bicubic).is_err());
        assert!(strip.resize(usize::MAX, 5, Filter::Bicubic).is_err());
        let small = strip.resize(224, 224, Filter::Bicubic).unwrap();
        assert!(small.pixels().iter().all(|x| *x == 9));
    }
}
