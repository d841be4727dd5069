//! The inputs of ResNet encoders, as images.

use std::fmt::Debug;

use burn::tensor::Tensor;
use burn_mla::modality::{FbankBatch, ImageBatch, VideoBatch};
use burn_mla::{MlaError, Result};

/// An input that a [`ResNetEncoder`](super::ResNetEncoder) sees as images: [`FbankBatch`],
/// [`ImageBatch`] or [`VideoBatch`].
pub trait ResNetInput: sealed::Images + Clone + Debug + Send + Sync + 'static {
    /// The channels of the first convolution, unless the configuration decides.
    #[doc(hidden)]
    const CHANNELS: Option<usize> = None;
}

impl ResNetInput for FbankBatch {
    const CHANNELS: Option<usize> = Some(1);
}
impl ResNetInput for ImageBatch {}
impl ResNetInput for VideoBatch {}

pub(super) mod sealed {
    use super::*;

    pub trait Images {
        /// Checks that the input has `channels` channels and at least one pixel.
        fn check(&self, channels: usize) -> Result<()>;

        /// The images, `[batch * frames, channels, height, width]`, and the number of frames.
        fn images(self) -> (Tensor<4>, usize);
    }
}

impl sealed::Images for FbankBatch {
    fn check(&self, channels: usize) -> Result<()> {
        let found = self.0.dims();
        if channels == 1 && found[1..].iter().all(|&size| size >= 1) {
            return Ok(());
        }
        Err(MlaError::input_shape(found, "[batch, frames, bins]"))
    }

    fn images(self) -> (Tensor<4>, usize) {
        (self.0.unsqueeze_dim(1), 1)
    }
}

impl sealed::Images for ImageBatch {
    fn check(&self, channels: usize) -> Result<()> {
        let found = self.0.dims();
        if found[1] == channels && found[2..].iter().all(|&size| size >= 1) {
            return Ok(());
        }
        let expected = format!("[batch, {channels}, height, width]");
        Err(MlaError::input_shape(found, expected))
    }

    fn images(self) -> (Tensor<4>, usize) {
        (self.0, 1)
    }
}

impl sealed::Images for VideoBatch {
    fn check(&self, channels: usize) -> Result<()> {
        let found = self.0.dims();
        if found[1] == channels && found[2..].iter().all(|&size| size >= 1) {
            return Ok(());
        }
        let expected = format!("[batch, {channels}, frames, height, width]");
        Err(MlaError::input_shape(found, expected))
    }

    fn images(self) -> (Tensor<4>, usize) {
        let [batch, channels, frames, height, width] = self.0.dims();
        let frames_first = self.0.swap_dims(1, 2);
        let images = frames_first.reshape([batch * frames, channels, height, width]);
        (images, frames)
    }
}
