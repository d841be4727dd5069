//! A picture of a class.

use std::path::Path;

use jpeg_encoder::{ColorType, Encoder};
use rand::{Rng, RngExt};

use super::MiniatureError;
use crate::image::{ImageError, RgbImage};

/// Stripes in a colour and a direction of the class, moved by `phase`, with noise.
pub(crate) fn picture(
    class: usize,
    width: usize,
    height: usize,
    phase: f32,
    numbers: &mut impl Rng,
) -> Result<RgbImage, ImageError> {
    let hue = class as f32 * 0.381_966;
    let channel = |shift: f32| 0.5 + 0.5 * (std::f32::consts::TAU * (hue + shift)).cos();
    let colour = [0.0, 1.0 / 3.0, 2.0 / 3.0].map(channel);
    let (sin, cos) = (class as f32 * 0.7).sin_cos();
    let phase = phase + numbers.random_range(0.0..1.0);
    let mut pixels = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let along = (x as f32 * cos + y as f32 * sin) / width as f32;
            let light = 0.6 + 0.4 * (std::f32::consts::TAU * (3.0 * along + phase)).sin();
            for colour in colour {
                let noise = numbers.random_range(-20.0..20.0);
                pixels.push((230.0 * colour * light + noise).clamp(0.0, 255.0) as u8);
            }
        }
    }
    RgbImage::new(width, height, pixels)
}

/// Writes a JPEG of quality 95.
pub(crate) fn save_jpeg(path: &Path, image: &RgbImage) -> Result<(), MiniatureError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let (width, height) = (
        u16::try_from(image.width())?,
        u16::try_from(image.height())?,
    );
    let encoder = Encoder::new_file(path, 95)?;
    Ok(encoder.encode(image.pixels(), width, height, ColorType::Rgb)?)
}
