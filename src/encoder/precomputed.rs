//! Features that are computed elsewhere, in the place of an encoder.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::encoder::Encoder;
use crate::error::{MlaError, Result, at_least_one};

/// Passes on feature vectors as they are: the encoder of a modality whose features are the data.
///
/// It has no parameters. Methods that train on fixed features, such as
/// [`Cra`](crate::baseline::Cra), take it for data sets of feature vectors.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::encoder::{Encoder, Precomputed};
///
/// let encoder = Precomputed::new(3)?;
/// let features = Tensor::<2>::ones([2, 3], &Device::flex());
/// assert_eq!(encoder.encode(features).dims(), [2, 3]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Module, Debug)]
pub struct Precomputed {
    width: usize,
}

impl Precomputed {
    /// Takes features `[batch, width]`.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a width of 0.
    pub fn new(width: usize) -> Result<Self> {
        at_least_one("width", width)?;
        Ok(Self { width })
    }
}

impl Encoder for Precomputed {
    type Input = Tensor<2>;

    /// # Errors
    ///
    /// [`MlaError::InputShape`] for features of another width.
    fn check(&self, input: &Tensor<2>) -> Result<()> {
        let [_, width] = input.dims();
        if width == self.width {
            return Ok(());
        }
        let expected = format!("[batch, {}], features", self.width);
        Err(MlaError::input_shape(input.dims(), expected))
    }

    fn encode(&self, input: Tensor<2>) -> Tensor<2> {
        input
    }

    fn d_feature(&self) -> usize {
        self.width
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn features_of_another_width_are_refused() {
        let device = Device::flex();
        let encoder = Precomputed::new(3).unwrap();
        assert!(encoder.check(&Tensor::zeros([2, 3], &device)).is_ok());
        let error = encoder.check(&Tensor::zeros([2, 4], &device)).unwrap_err();
        let text = "the input has the shape [2, 4], expected [batch, 3], features";
        assert_eq!(error.to_string(), text);
        assert!(Precomputed::new(0).is_err());
    }
}
