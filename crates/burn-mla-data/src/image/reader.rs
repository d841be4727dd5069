//! Files of images to RGB.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use burn::config::Config;

use super::decode;
use super::error::{ImageError, Result};
use super::orientation::{self, ExifOrientation};
use super::rgb::RgbImage;
use crate::ContentType;
use crate::content;

/// A reader of JPEG, PNG, WebP and GIF files.
///
/// The content decides the format, not the extension. Everything becomes RGB of 8 bits as by Pillow's
/// `convert("RGB")`: grey is repeated, palettes are looked up, CMYK is converted, alpha is dropped, not blended. Of 16
/// bits the higher 8 are kept. Of an animation the first frame is read. Colour profiles are ignored, as by Pillow.
/// A truncated file is an error.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `max_pixels` | 89478485 | largest image, checked before it is decoded; Pillow's warning | |
/// | `max_bytes` | 256 MiB | largest file | |
/// | `orientation` | `Ignore` | the orientation in EXIF data; published pipelines ignore it | |
#[derive(Config, Debug, PartialEq)]
pub struct ImageReader {
    /// Pixels of the largest image.
    #[config(default = 89_478_485)]
    pub max_pixels: u64,
    /// Size of the largest file in bytes.
    #[config(default = 268_435_456)]
    pub max_bytes: u64,
    /// What becomes of the orientation in EXIF data.
    #[config(default = "ExifOrientation::Ignore")]
    pub orientation: ExifOrientation,
}

impl Default for ImageReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ImageReader {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`ImageError::File`] with the path and the problem: what cannot be read, is no image, is malformed, truncated or
    /// beyond a limit.
    pub fn read(&self, path: &Path) -> Result<RgbImage> {
        self.bytes(path)
            .and_then(|bytes| self.decode(&bytes))
            .map_err(ImageError::at(path))
    }

    /// Decodes the content of a file.
    ///
    /// # Errors
    ///
    /// As [`ImageReader::read`], without the path.
    pub fn decode(&self, bytes: &[u8]) -> Result<RgbImage> {
        let content = ContentType::detect(bytes);
        let decode = match content {
            ContentType::Jpeg => decode::jpeg,
            ContentType::Png => decode::png,
            ContentType::WebP => decode::webp,
            ContentType::Gif => decode::gif,
            _ => return Err(ImageError::Content(content)),
        };
        let decoded = content::guarded(|| decode(bytes, self.max_pixels));
        let decoded = decoded.map_err(ImageError::malformed(content))??;
        match (decoded, self.orientation) {
            ((image, Some(exif)), ExifOrientation::Apply) => {
                orientation::apply(image, exif, content)
            }
            ((image, _), _) => Ok(image),
        }
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = self.max_bytes.saturating_add(1);
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > self.max_bytes {
            return Err(ImageError::FileSize {
                limit: self.max_bytes,
            });
        }
        Ok(bytes)
    }
}
