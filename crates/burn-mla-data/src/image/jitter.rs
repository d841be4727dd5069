//! Random changes of colour, as torchvision's `ColorJitter` on Pillow images.

use burn::config::Config;
use rand::Rng;

use super::error::{ImageError, Result};
use super::rgb::RgbImage;
use crate::draw;

/// Random brightness, contrast, saturation and hue, in random order.
///
/// A factor is drawn uniformly from `max(0, 1 - x)` to `1 + x`, a shift of the hue from `-x` to `x` turns. Brightness,
/// contrast and saturation round as Pillow; the hue is shifted in floating-point numbers, not in Pillow's 256 steps.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `brightness` | 0 | range of the brightness | >= 0 |
/// | `contrast` | 0 | range of the contrast | >= 0 |
/// | `saturation` | 0 | range of the saturation | >= 0 |
/// | `hue` | 0 | range of the hue | 0 to 0.5 |
#[derive(Config, Debug, PartialEq)]
pub struct ColorJitter {
    /// Range of the brightness.
    #[config(default = 0.0)]
    pub brightness: f64,
    /// Range of the contrast.
    #[config(default = 0.0)]
    pub contrast: f64,
    /// Range of the saturation.
    #[config(default = 0.0)]
    pub saturation: f64,
    /// Range of the hue in turns.
    #[config(default = 0.0)]
    pub hue: f64,
}

impl ColorJitter {
    /// Changes the colours in place.
    ///
    /// # Errors
    ///
    /// An option outside of its range.
    pub fn apply(&self, image: &mut RgbImage, numbers: &mut impl Rng) -> Result<()> {
        for (name, value) in [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
        ] {
            let holds = value >= 0.0 && value.is_finite();
            ImageError::check(name, value, "at least 0", holds)?;
        }
        let holds = (0.0..=0.5).contains(&self.hue);
        ImageError::check("hue", self.hue, "0 to 0.5", holds)?;

        let mut order = [0, 1, 2, 3];
        for last in (1..order.len()).rev() {
            order.swap(last, draw::up_to(numbers, last));
        }
        let mut factor = |x: f64| draw::between(numbers, (1.0 - x).max(0.0), 1.0 + x);
        let brightness = factor(self.brightness);
        let contrast = factor(self.contrast);
        let saturation = factor(self.saturation);
        let hue = draw::between(numbers, -self.hue, self.hue);
        for change in order {
            match change {
                0 if self.brightness > 0.0 => image.adjust_brightness(brightness),
                1 if self.contrast > 0.0 => image.adjust_contrast(contrast),
                2 if self.saturation > 0.0 => image.adjust_saturation(saturation),
                3 if self.hue > 0.0 => image.shift_hue(hue),
                _ => {}
            }
        }
        Ok(())
    }
}

impl RgbImage {
    /// Multiplies by a factor: 0 is black, 1 the image.
    pub fn adjust_brightness(&mut self, factor: f64) {
        for value in self.pixels_mut() {
            *value = blend(0, *value, factor);
        }
    }

    /// Moves away from the mean grey by a factor: 0 is grey, 1 the image.
    pub fn adjust_contrast(&mut self, factor: f64) {
        let (pixels, _) = self.pixels().as_chunks::<3>();
        let sum: u64 = pixels.iter().map(|pixel| u64::from(luma(pixel))).sum();
        let mean = (sum as f64 / pixels.len() as f64 + 0.5) as u8;
        for value in self.pixels_mut() {
            *value = blend(mean, *value, factor);
        }
    }

    /// Moves away from the grey image by a factor: 0 is grey, 1 the image.
    pub fn adjust_saturation(&mut self, factor: f64) {
        let (pixels, _) = self.pixels_mut().as_chunks_mut::<3>();
        for pixel in pixels {
            let grey = luma(pixel);
            *pixel = pixel.map(|value| blend(grey, value, factor));
        }
    }

    /// Shifts the hue by a number of turns.
    pub fn shift_hue(&mut self, turns: f64) {
        let (pixels, _) = self.pixels_mut().as_chunks_mut::<3>();
        for pixel in pixels {
            *pixel = with_hue(*pixel, turns as f32);
        }
    }
}

/// `a + factor (b - a)`, cut to a byte and truncated, as Pillow's `Image.blend`.
fn blend(a: u8, b: u8, factor: f64) -> u8 {
    let (a, b) = (f32::from(a), f32::from(b));
    (a + factor as f32 * (b - a)) as u8
}

/// Grey by ITU-R 601-2, in the integers of Pillow.
fn luma([r, g, b]: &[u8; 3]) -> u8 {
    let weighted = 19_595 * u32::from(*r) + 38_470 * u32::from(*g) + 7_471 * u32::from(*b);
    ((weighted + 0x8000) >> 16) as u8
}

fn with_hue(pixel: [u8; 3], turns: f32) -> [u8; 3] {
    let [r, g, b] = pixel.map(f32::from);
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = max - min;
    if chroma == 0.0 {
        return pixel;
    }
    // In sixths of a turn.
    let hue = if max == r {
        (g - b) / chroma
    } else if max == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    let hue = (hue + 6.0 * turns).rem_euclid(6.0);
    let value = |offset: f32| {
        let k = (offset + hue).rem_euclid(6.0);
        max - chroma * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [value(5.0), value(3.0), value(1.0)].map(|x| x.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DrawKey;

    fn one(pixel: [u8; 3]) -> RgbImage {
        RgbImage::new(1, 1, pixel.to_vec()).unwrap()
    }

    #[test]
    fn a_third_of_a_turn_exchanges_the_channels() {
        let mut red = one([200, 30, 10]);
        red.shift_hue(1.0 / 3.0);
        assert_eq!(red.pixels(), [10, 200, 30]);
        red.shift_hue(-1.0 / 3.0);
        assert_eq!(red.pixels(), [200, 30, 10]);
        let mut grey = one([7, 7, 7]);
        grey.shift_hue(0.4);
        assert_eq!(grey.pixels(), [7, 7, 7]);
    }

    #[test]
    fn jitter_is_a_function_of_the_key() {
        let jitter = ColorJitter::new()
            .with_brightness(0.4)
            .with_contrast(0.4)
            .with_saturation(0.4)
            .with_hue(0.1);
        let changed = |index| {
            let key = DrawKey {
                seed: 0,
                pass: 0,
                index,
            };
            let mut image = RgbImage::new(2, 1, vec![200, 100, 50, 10, 20, 30]).unwrap();
            jitter.apply(&mut image, &mut key.numbers(0)).unwrap();
            image
        };
        assert_eq!(changed(1), changed(1));
        assert_ne!(changed(1), changed(2));
        let nothing = ColorJitter::new();
        let mut image = one([1, 2, 3]);
        let mut numbers = DrawKey {
            seed: 0,
            pass: 0,
            index: 0,
        }
        .numbers(0);
        nothing.apply(&mut image, &mut numbers).unwrap();
        assert_eq!(image.pixels(), [1, 2, 3]);
        for refused in [
            ColorJitter::new().with_hue(0.6),
            ColorJitter::new().with_contrast(-1.0),
            ColorJitter::new().with_brightness(f64::NAN),
        ] {
            assert!(refused.apply(&mut image, &mut numbers).is_err());
        }
    }
}
