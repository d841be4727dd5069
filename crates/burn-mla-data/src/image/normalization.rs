//! Pixels to the numbers that a network sees.

use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use super::rgb::RgbImage;

/// Mean and standard deviation for each channel, of pixels in `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ImageNormalization {
    /// What is subtracted, for red, green and blue.
    pub mean: [f32; 3],
    /// What is divided by.
    pub std: [f32; 3],
}

#[expect(
    clippy::excessive_precision,
    reason = "the digits are those that were published"
)]
impl ImageNormalization {
    /// That of ImageNet, which MLA uses everywhere.
    pub const IMAGENET: Self = Self {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
    /// That of CLIP.
    pub const CLIP: Self = Self {
        mean: [0.48145466, 0.4578275, 0.40821073],
        std: [0.26862954, 0.26130258, 0.27577711],
    };
    /// That of MMBT and QMF.
    pub const MMBT: Self = Self {
        mean: [0.46777044, 0.44531429, 0.40661017],
        std: [0.12221994, 0.12145835, 0.14380469],
    };
}

impl RgbImage {
    /// Returns `(pixel / 255 - mean) / std`, `[3, height, width]`.
    pub fn normalized(&self, by: ImageNormalization) -> TensorData {
        let (pixels, _) = self.pixels().as_chunks::<3>();
        let channel = |c: usize| {
            let value = |level: usize| (level as f32 / 255.0 - by.mean[c]) / by.std[c];
            let table: [f32; 256] = std::array::from_fn(value);
            pixels.iter().map(move |pixel| table[usize::from(pixel[c])])
        };
        let mut values = Vec::with_capacity(3 * pixels.len());
        (0..3).for_each(|c| values.extend(channel(c)));
        TensorData::new(values, [3, self.height(), self.width()])
    }
}
