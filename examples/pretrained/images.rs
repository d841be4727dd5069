//! The images of emoji as inputs of ResNet-18.

use std::error::Error;
use std::path::Path;

use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};
use burn_mla::modality::ImageBatch;
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder};
use burn_mla_encoders::weights::WeightFile;

/// Mean and standard deviation of the channels of ImageNet, for values in 0..1.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// ResNet-18, with the weights of a file of torchvision or initial ones.
pub fn encoder(
    weights: Option<&Path>,
    device: &Device,
) -> Result<ResNetEncoder<ImageBatch>, Box<dyn Error>> {
    let encoder = ResNetConfig::resnet18().init(device)?;
    match weights {
        Some(path) => Ok(WeightFile::new(path).with_ignored("fc").load(encoder)?),
        None => Ok(encoder),
    }
}

/// Scales images, `[batch, 3, height, width]` in -1..1, to `size` pixels, and normalizes their channels as
/// torchvision's networks expect it.
pub fn prepare(images: Tensor<4>, size: u32) -> ImageBatch {
    let device = images.device();
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    let images = interpolate(images, options.with_output_size([size as usize; 2]));
    let channels =
        |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
    ImageBatch(((images + 1.0) / 2.0 - channels(MEAN)) / channels(DEVIATION))
}
