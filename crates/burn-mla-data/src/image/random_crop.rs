//! Random crops of random aspect, as torchvision's `RandomResizedCrop`.

use rand::Rng;

use super::error::{ImageError, Result};
use super::rgb::{Region, RgbImage};
use crate::draw;

/// Attempts before the crop is the largest one in the middle.
const ATTEMPTS: usize = 10;

impl RgbImage {
    /// Draws a region whose share of the area is uniform in `scale`, and the logarithm of whose aspect (width by
    /// height) is uniform in that of `ratio`. Ten regions that are not within the image give the largest one in the
    /// middle whose aspect is in range.
    ///
    /// # Errors
    ///
    /// Ranges that are not positive, or whose ends are exchanged.
    pub fn random_region(
        &self,
        scale: (f64, f64),
        ratio: (f64, f64),
        numbers: &mut impl Rng,
    ) -> Result<Region> {
        for (name, (low, high)) in [("scale", scale), ("ratio", ratio)] {
            let holds = low > 0.0 && low <= high && high.is_finite();
            ImageError::check(name, low, "positive, and from low to high", holds)?;
        }
        let (width, height) = (self.width(), self.height());
        for _ in 0..ATTEMPTS {
            let area = (width * height) as f64 * draw::between(numbers, scale.0, scale.1);
            let aspect = draw::between(numbers, ratio.0.ln(), ratio.1.ln()).exp();
            let w = (area * aspect).sqrt().round_ties_even() as usize;
            let h = (area / aspect).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                return Ok(Region {
                    top: draw::up_to(numbers, height - h),
                    left: draw::up_to(numbers, width - w),
                    width: w,
                    height: h,
                });
            }
        }
        let aspect = (width as f64 / height as f64).clamp(ratio.0, ratio.1);
        let round = |x: f64, extent| (x.round_ties_even() as usize).clamp(1, extent);
        let w = round(height as f64 * aspect, width);
        let h = round(width as f64 / aspect, height);
        Ok(Region {
            left: (width - w) / 2,
            top: (height - h) / 2,
            width: w,
            height: h,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DrawKey;

    fn numbers(index: u64) -> impl Rng {
        let key = DrawKey {
            seed: 5,
            pass: 0,
            index,
        };
        key.numbers(0)
    }

    #[test]
    fn regions_have_the_drawn_area_and_aspect() {
        let image = RgbImage::new(200, 100, vec![0; 60_000]).unwrap();
        for index in 0..200 {
            let ratio = (3.0 / 4.0, 4.0 / 3.0);
            let region = image.random_region((0.08, 0.4), ratio, &mut numbers(index));
            let region = region.unwrap();
            let area = (region.width * region.height) as f64 / 20_000.0;
            assert!((0.07..0.42).contains(&area), "{region:?}");
            let aspect = region.width as f64 / region.height as f64;
            assert!((0.72..1.4).contains(&aspect), "{region:?}");
            assert!(image.crop(region).is_ok());
        }
    }

    #[test]
    fn a_strip_is_cropped_in_the_middle() {
        let strip = RgbImage::new(1000, 10, vec![0; 30_000]).unwrap();
        let region = strip.random_region((1.0, 1.0), (0.75, 4.0 / 3.0), &mut numbers(0));
        let expected = Region {
            left: 493,
            top: 0,
            width: 13,
            height: 10,
        };
        assert_eq!(region.unwrap(), expected);
        for (scale, ratio) in [((0.0, 1.0), (1.0, 1.0)), ((0.5, 0.4), (1.0, 1.0))] {
            assert!(strip.random_region(scale, ratio, &mut numbers(0)).is_err());
        }
    }
}
