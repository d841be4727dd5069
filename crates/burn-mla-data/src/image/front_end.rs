//! From a file of an image to the input of an encoder: the whole recipe as one configuration.

use std::path::Path;

use burn::config::Config;
use burn::tensor::TensorData;
use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{ImageError, Result};
use super::jitter::ColorJitter;
use super::normalization::ImageNormalization;
use super::reader::ImageReader;
use super::resize::Filter;
use super::rgb::RgbImage;
use crate::draw;

/// A step of an [`ImageFrontEnd`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ImageStep {
    /// [`RgbImage::resize`]: both sides, the aspect is not kept.
    Resize {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// The filter.
        filter: Filter,
    },
    /// [`RgbImage::resize_shorter`]: the shorter side, the aspect is kept.
    ResizeShorter {
        /// Length of the shorter side.
        side: usize,
        /// The filter.
        filter: Filter,
    },
    /// [`RgbImage::center_crop`].
    CenterCrop {
        /// Side of the square.
        side: usize,
    },
    /// [`RgbImage::random_region`], resized to a square. torchvision's ranges are 0.08 to 1 and 3/4 to 4/3.
    RandomResizedCrop {
        /// Side of the square.
        side: usize,
        /// Range of the share of the area.
        scale: (f64, f64),
        /// Range of width by height.
        ratio: (f64, f64),
        /// The filter.
        filter: Filter,
    },
    /// Exchanges left and right at random.
    RandomFlip {
        /// Probability of the exchange.
        probability: f64,
    },
    /// [`ColorJitter::apply`].
    ColorJitter(ColorJitter),
}

/// A reader of image files that computes the input of an encoder. It is the recipe that a model was trained with:
/// save it with the model.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `steps` | required | what is done to the pixels, in this order | |
/// | `normalization` | required | mean and standard deviation | |
/// | `reader` | [`ImageReader::new`] | limits and orientation | |
///
/// ```no_run
/// use burn_mla_data::DrawKey;
/// use burn_mla_data::image::ImageFrontEnd;
///
/// let front_end = ImageFrontEnd::resnet_train();
/// let key = DrawKey { seed: 0, pass: 0, index: 17 };
/// let pixels = front_end.read("clip/00000.jpg".as_ref(), &mut key.numbers(0))?;
/// assert_eq!(pixels.shape().as_slice(), [3, 224, 224]);
/// # Ok::<(), burn_mla_data::image::ImageError>(())
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct ImageFrontEnd {
    /// What is done to the pixels.
    pub steps: Vec<ImageStep>,
    /// Mean and standard deviation.
    pub normalization: ImageNormalization,
    /// Limits and orientation.
    #[config(default = "ImageReader::new()")]
    pub reader: ImageReader,
}

impl ImageFrontEnd {
    /// MLA's and OGM-GE's for the ResNet at test time: 224 x 224, bilinear, the aspect is not kept.
    pub fn resnet() -> Self {
        let resize = ImageStep::Resize {
            width: 224,
            height: 224,
            filter: Filter::Bilinear,
        };
        Self::new(vec![resize], ImageNormalization::IMAGENET)
    }

    /// MLA's and OGM-GE's for the ResNet in training: a random resized crop of 224, and a flip.
    pub fn resnet_train() -> Self {
        let crop = ImageStep::RandomResizedCrop {
            side: 224,
            scale: (0.08, 1.0),
            ratio: (3.0 / 4.0, 4.0 / 3.0),
            filter: Filter::Bilinear,
        };
        let flip = ImageStep::RandomFlip { probability: 0.5 };
        Self::new(vec![crop, flip], ImageNormalization::IMAGENET)
    }

    /// MLA's for CAV-MAE: the shorter side 224, bicubic, and the middle.
    pub fn cav_mae() -> Self {
        let normalization = ImageNormalization::IMAGENET;
        Self::middle(224, 224, Filter::Bicubic, normalization)
    }

    /// MLA's for M3AE at test time: the shorter side 256, bicubic, and the middle.
    pub fn m3ae() -> Self {
        let normalization = ImageNormalization::IMAGENET;
        Self::middle(256, 256, Filter::Bicubic, normalization)
    }

    /// MLA's for M3AE in training: a random resized crop of 256, bicubic, a flip, and random brightness, contrast and
    /// saturation, each by a factor from 0 to 2.
    ///
    /// MLA calls timm's `create_transform` with `color_jitter=True`, which timm converts to a strength of 1.0.
    pub fn m3ae_train() -> Self {
        let crop = ImageStep::RandomResizedCrop {
            side: 256,
            scale: (0.08, 1.0),
            ratio: (3.0 / 4.0, 4.0 / 3.0),
            filter: Filter::Bicubic,
        };
        let flip = ImageStep::RandomFlip { probability: 0.5 };
        let jitter = ColorJitter::new()
            .with_brightness(1.0)
            .with_contrast(1.0)
            .with_saturation(1.0);
        let steps = vec![crop, flip, ImageStep::ColorJitter(jitter)];
        Self::new(steps, ImageNormalization::IMAGENET)
    }

    /// That of CLIP: the shorter side 224, bicubic, and the middle.
    pub fn clip() -> Self {
        Self::middle(224, 224, Filter::Bicubic, ImageNormalization::CLIP)
    }

    /// That of MMBT and QMF: the shorter side 256, bilinear, and the middle 224.
    pub fn mmbt() -> Self {
        Self::middle(256, 224, Filter::Bilinear, ImageNormalization::MMBT)
    }

    fn middle(shorter: usize, side: usize, filter: Filter, by: ImageNormalization) -> Self {
        let resize = ImageStep::ResizeShorter {
            side: shorter,
            filter,
        };
        Self::new(vec![resize, ImageStep::CenterCrop { side }], by)
    }

    /// Reads a file, `[3, height, width]`. Steps that are not random draw no numbers.
    ///
    /// # Errors
    ///
    /// [`ImageError::File`] with the path and the problem.
    pub fn read(&self, path: &Path, numbers: &mut impl Rng) -> Result<TensorData> {
        let image = self.reader.read(path)?;
        self.compute(image, numbers).map_err(ImageError::at(path))
    }

    /// Computes the input of an encoder from an image, `[3, height, width]`.
    ///
    /// # Errors
    ///
    /// An option of a step outside of its range, or a result that is too large.
    pub fn compute(&self, image: RgbImage, numbers: &mut impl Rng) -> Result<TensorData> {
        self.finish(self.apply_fixed(image)?, numbers)
    }

    /// Reads a file and applies the first steps, as far as none is random.
    pub(crate) fn prepare(&self, path: &Path) -> Result<RgbImage> {
        let image = self.reader.read(path)?;
        self.apply_fixed(image).map_err(ImageError::at(path))
    }

    /// Applies the steps from the first random one on.
    pub(crate) fn finish(&self, mut image: RgbImage, numbers: &mut impl Rng) -> Result<TensorData> {
        for step in &self.steps[self.n_fixed()..] {
            image = step.apply(image, numbers)?;
        }
        Ok(image.normalized(self.normalization))
    }

    /// Everything that a prepared image depends on.
    pub(crate) fn prepared_recipe(&self) -> Value {
        json!({"reader": self.reader, "steps": self.steps[..self.n_fixed()]})
    }

    fn n_fixed(&self) -> usize {
        self.steps.iter().take_while(|step| step.is_fixed()).count()
    }

    fn apply_fixed(&self, image: RgbImage) -> Result<RgbImage> {
        let mut none_drawn = ChaCha12Rng::from_seed([0; 32]);
        let mut steps = self.steps[..self.n_fixed()].iter();
        steps.try_fold(image, |image, step| step.apply(image, &mut none_drawn))
    }
}

impl ImageStep {
    /// Whether the step draws no random numbers.
    fn is_fixed(&self) -> bool {
        match self {
            Self::Resize { .. } | Self::ResizeShorter { .. } | Self::CenterCrop { .. } => true,
            Self::RandomResizedCrop { .. } | Self::RandomFlip { .. } | Self::ColorJitter(_) => {
                false
            }
        }
    }

    /// Applies the step.
    ///
    /// # Errors
    ///
    /// An option outside of its range, or a result that is too large.
    pub fn apply(&self, mut image: RgbImage, numbers: &mut impl Rng) -> Result<RgbImage> {
        match self {
            Self::Resize {
                width,
                height,
                filter,
            } => image.resize(*width, *height, *filter),
            Self::ResizeShorter { side, filter } => image.resize_shorter(*side, *filter),
            Self::CenterCrop { side } => image.center_crop(*side),
            Self::RandomResizedCrop {
                side,
                scale,
                ratio,
                filter,
            } => {
                let region = image.random_region(*scale, *ratio, numbers)?;
                image.crop(region)?.resize(*side, *side, *filter)
            }
            Self::RandomFlip { probability } => {
                let holds = (0.0..=1.0).contains(probability);
                ImageError::check("probability", *probability, "0 to 1", holds)?;
                if draw::unit(numbers) < *probability {
                    image.flip_horizontal();
                }
                Ok(image)
            }
            Self::ColorJitter(jitter) => {
                jitter.apply(&mut image, numbers)?;
                Ok(image)
            }
        }
    }
}
