//! An RGB image in memory, and what moves its pixels.

use super::error::{ImageError, Result};
use crate::cache::CacheItem;

/// An image of 8 bits per channel, red, green and blue, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

impl RgbImage {
    /// Makes an image of pixels, `[height, width, 3]`.
    ///
    /// # Errors
    ///
    /// A width or height of zero, or another number of bytes.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self> {
        let expected = width
            .checked_mul(height)
            .and_then(|pixels| pixels.checked_mul(3));
        if pixels.is_empty() || expected != Some(pixels.len()) {
            return Err(ImageError::Size {
                width,
                height,
                n_bytes: pixels.len(),
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the pixels, `[height, width, 3]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub(super) fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.pixels.chunks_exact(3 * self.width)
    }

    /// Returns a part of the image.
    ///
    /// # Errors
    ///
    /// A region that is empty or not within the image.
    pub fn crop(&self, region: Region) -> Result<Self> {
        let Region {
            left,
            top,
            width,
            height,
        } = region;
        let within = |start: usize, length: usize, extent: usize| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= extent)
        };
        if !within(left, width, self.width) || !within(top, height, self.height) {
            return Err(ImageError::Region {
                left,
                top,
                width,
                height,
            });
        }
        let columns = 3 * left..3 * (left + width);
        let rows = self.rows().skip(top).take(height);
        let pixels = rows
            .flat_map(|row| &row[columns.clone()])
            .copied()
            .collect();
        Self::new(width, height, pixels)
    }

    /// Returns the square in the middle, as torchvision's `CenterCrop`: half a pixel is rounded to the even one, and
    /// a smaller image is surrounded by black.
    ///
    /// # Errors
    ///
    /// A side of 0 or of more than 16384.
    pub fn center_crop(&self, side: usize) -> Result<Self> {
        let holds = (1..=16_384).contains(&side);
        ImageError::check("the side of a crop", side as f64, "1 to 16384", holds)?;
        let padded = self.surrounded(side);
        let image = padded.as_ref().unwrap_or(self);
        let start = |extent: usize| ((extent - side) as f64 / 2.0).round_ties_even() as usize;
        image.crop(Region {
            left: start(image.width),
            top: start(image.height),
            width: side,
            height: side,
        })
    }

    /// The image with black borders where it is smaller than `side`; none where it is not.
    fn surrounded(&self, side: usize) -> Option<Self> {
        if self.width >= side && self.height >= side {
            return None;
        }
        let (width, height) = (self.width.max(side), self.height.max(side));
        let (left, top) = ((width - self.width) / 2, (height - self.height) / 2);
        let mut pixels = vec![0; 3 * width * height];
        let rows = pixels.chunks_exact_mut(3 * width).skip(top);
        for (new, old) in rows.zip(self.rows()) {
            new[3 * left..][..old.len()].copy_from_slice(old);
        }
        Some(Self {
            width,
            height,
            pixels,
        })
    }

    /// Exchanges left and right.
    pub fn flip_horizontal(&mut self) {
        for row in self.pixels.chunks_exact_mut(3 * self.width) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
    }

    /// Exchanges top and bottom.
    pub(super) fn flip_vertical(&mut self) {
        self.pixels = self.rows().rev().flatten().copied().collect();
    }

    /// Exchanges rows and columns.
    pub(super) fn transposed(&self) -> Self {
        let (pixels, _) = self.pixels.as_chunks::<3>();
        let column = |x: usize| pixels.iter().skip(x).step_by(self.width);
        Self {
            width: self.height,
            height: self.width,
            pixels: (0..self.width)
                .flat_map(column)
                .flatten()
                .copied()
                .collect(),
        }
    }
}

/// For a cache: width and height in 4 bytes each, and the pixels.
impl CacheItem for RgbImage {
    fn to_bytes(&self) -> Vec<u8> {
        let size = [self.width as u32, self.height as u32].map(u32::to_le_bytes);
        [size.as_flattened(), &self.pixels].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (width, bytes) = bytes.split_first_chunk::<4>()?;
        let (height, pixels) = bytes.split_first_chunk::<4>()?;
        let [width, height] = [width, height].map(|n| u32::from_le_bytes(*n) as usize);
        Self::new(width, height, pixels.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red is the column, green the row.
    fn image(width: usize, height: usize) -> RgbImage {
        let pixel = |i: usize| [(i % width) as u8, (i / width) as u8, 7];
        RgbImage::new(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn pixels_are_counted() {
        assert!(RgbImage::new(2, 2, vec![0; 12]).is_ok());
        assert!(RgbImage::new(2, 2, vec![0; 11]).is_err());
        assert!(RgbImage::new(0, 2, vec![]).is_err());
        assert!(RgbImage::new(usize::MAX, usize::MAX, vec![0; 3]).is_err());
    }

    #[test]
    fn a_cached_image_is_the_one_that_was_written() {
        let bytes = image(4, 3).to_bytes();
        assert_eq!(RgbImage::from_bytes(&bytes), Some(image(4, 3)));
        assert_eq!(RgbImage::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(RgbImage::from_bytes(&bytes[..7]), None);
    }

    #[test]
    fn crops_are_within_the_image() {
        let region = |left, top, width, height| Region {
            left,
            top,
            width,
            height,
        };
        let part = image(4, 3).crop(region(1, 2, 2, 1)).unwrap();
        assert_eq!(part.pixels(), [1, 2, 7, 2, 2, 7]);
        for refused in [
            region(3, 0, 2, 1),
            region(0, 3, 1, 1),
            region(0, 0, 0, 1),
            region(usize::MAX, 0, 2, 1),
        ] {
            let error = image(4, 3).crop(refused).unwrap_err();
            assert!(error.to_string().contains("not within the image"));
        }
    }

    /// `int(round((size - side) / 2))` of Python: 0.5 to 0, 1.5 to 2, 2.5 to 2.
    #[test]
    fn the_middle_is_rounded_to_even() {
        for (width, left) in [(3, 0), (5, 2), (7, 2), (9, 4)] {
            let middle = image(width, 2).center_crop(2).unwrap();
            assert_eq!(middle.pixels()[0], left, "{width}");
        }
        let padded = image(1, 1).center_crop(4).unwrap();
        let center = 3 * (4 + 1);
        assert_eq!(padded.pixels()[center..center + 3], [0, 0, 7]);
        assert_eq!(padded.pixels().iter().filter(|x| **x > 0).count(), 1);
        assert!(image(1, 1).center_crop(0).is_err());
        assert!(image(1, 1).center_crop(100_000).is_err());
    }

    #[test]
    fn flips_move_whole_pixels() {
        let mut flipped = image(3, 2);
        flipped.flip_horizontal();
        assert_eq!(flipped.pixels()[..6], [2, 0, 7, 1, 0, 7]);
        flipped.flip_vertical();
        assert_eq!(flipped.pixels()[..6], [2, 1, 7, 1, 1, 7]);
        let transposed = image(3, 2).transposed();
        assert_eq!((transposed.width(), transposed.height()), (2, 3));
        assert_eq!(transposed.pixels()[..9], [0, 0, 7, 0, 1, 7, 1, 0, 7]);
    }
}
