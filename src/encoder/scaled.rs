//! Features on a common scale.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;

use crate::encoder::Encoder;
use crate::error::{MlaError, Result, at_least_one, same_size};
use crate::module::Buffer;
use crate::numeric::{not_finite_rows, widened};

/// Constants that [`Scaled`] subtracts from features and divides them by.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// The mean and the standard deviation of each column. Zeros in place of missing features are then
    /// means.
    Columns,
    /// The mean of all columns together, and their largest value minus the smallest. The code of CPM-Nets
    /// and of GCNet scales the features of [`CpmNet`](crate::baseline::CpmNet) and
    /// [`Cca`](crate::baseline::Cca) in this way, but by constants of each split.
    Range,
}

/// An encoder whose features are scaled by constants of the training data.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::encoder::{Encoder, Precomputed, Scaled, Scaling};
///
/// let device = Device::flex();
/// // The rows of the training samples that have the modality.
/// let train = Tensor::<2>::from_floats([[1.0, 10.0], [3.0, 30.0]], &device);
/// let encoder = Scaled::new(Precomputed::new(2)?, &train, Scaling::Columns)?;
/// let features = encoder.encode(train).into_data();
/// assert_eq!(features.iter::<f32>().collect::<Vec<_>>(), [-1.0, -1.0, 1.0, 1.0]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Module, Debug)]
pub struct Scaled<E: Module> {
    encoder: E,
    /// `[d_feature]`
    shift: Buffer<1>,
    /// `[d_feature]`
    scale: Buffer<1>,
}

/// The smallest scale: constant columns become 0.
const SMALLEST: f64 = 1e-6;

impl<E: Encoder> Scaled<E> {
    /// Scales the features of `encoder`. The constants are those of `features`, `[n_samples, d_feature]`:
    /// the encoder's features of the training samples that have the modality. Those of validation or test
    /// samples would leak into the model.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] for features of another width, [`MlaError::HyperParameter`] without a sample,
    /// [`MlaError::NonFiniteFeatures`], [`MlaError::DeviceRead`].
    pub fn new(encoder: E, features: &Tensor<2>, scaling: Scaling) -> Result<Self> {
        let [n_samples, width] = features.dims();
        same_size("columns of the features", encoder.d_feature(), width)?;
        at_least_one("number of samples to scale by", n_samples)?;
        let features = widened(features.clone().without_autodiff());
        if let Some(&sample) = not_finite_rows(&features)?.first() {
            return Err(MlaError::NonFiniteFeatures {
                modality: None,
                sample,
            });
        }
        // The mean of differences from a sample is exact for a constant, unlike that of large values.
        let (shift, scale) = match scaling {
            Scaling::Columns => {
                let first = features.clone().slice([0..1, 0..width]);
                let mean = first.clone() + (features.clone() - first).mean_dim(0);
                let variance = (features - mean.clone()).square().mean_dim(0);
                (mean, variance.sqrt())
            }
            Scaling::Range => {
                let all = |value: Tensor<1>| value.reshape([1, 1]).expand([1, width]);
                let range = features.clone().max() - features.clone().min();
                let first = features.clone().slice([0..1, 0..1]);
                let mean = first.clone().reshape([1]) + (features - first).mean();
                (all(mean), all(range))
            }
        };
        Ok(Self {
            encoder,
            shift: Buffer::new(shift.reshape([width])),
            scale: Buffer::new(scale.clamp_min(SMALLEST).reshape([width])),
        })
    }

    /// The wrapped encoder.
    pub fn encoder(&self) -> &E {
        &self.encoder
    }
}

impl<E: Encoder> Encoder for Scaled<E> {
    type Input = E::Input;

    /// # Errors
    ///
    /// Those of the wrapped encoder.
    fn check(&self, input: &Self::Input) -> Result<()> {
        self.encoder.check(input)
    }

    fn encode(&self, input: Self::Input) -> Tensor<2> {
        let features = self.encoder.encode(input);
        let constant = |buffer: &Buffer<1>| {
            let constant = buffer.get().cast(features.dtype()).unsqueeze_dim::<2>(0);
            constant.to_device(&features.device())
        };
        let (shift, scale) = (constant(&self.shift), constant(&self.scale));
        (features - shift) / scale
    }

    fn d_feature(&self) -> usize {
        self.encoder.d_feature()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rstest::rstest;

    use super::*;
    use crate::encoder::{MlpEncoderConfig, Precomputed};
    use crate::test_devices;

    fn numbers(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    #[rstest]
    #[case(Scaling::Columns, [-1.0, 0.0, 1.0, 0.0])]
    // Mean 3.5, range 4.
    #[case(Scaling::Range, [-0.625, 0.375, -0.125, 0.375])]
    fn features_are_scaled_by_those_of_the_training(
        #[case] scaling: Scaling,
        #[case] expected: [f32; 4],
    ) {
        for device in test_devices() {
            let train = Tensor::<2>::from_floats([[1.0, 5.0], [3.0, 5.0]], &device);
            let encoder = Precomputed::new(2).unwrap();
            let scaled = Scaled::new(encoder, &train, scaling).unwrap();
            assert_eq!(numbers(scaled.encode(train)), expected);
            // Another sample does not change the scale.
            let one = Tensor::<2>::from_floats([[3.0, 5.0]], &device);
            assert_eq!(numbers(scaled.encode(one)), expected[2..]);
            // Constants are part of the record.
            let zeros = Tensor::zeros([1, 2], &device);
            let other = Scaled::new(Precomputed::new(2).unwrap(), &zeros, scaling).unwrap();
            let loaded = other.load_record(scaled.into_record());
            let one = Tensor::<2>::from_floats([[3.0, 5.0]], &device);
            assert_eq!(numbers(loaded.encode(one)), expected[2..]);
        }
    }

    /// The sum of seven such values is rounded.
    #[rstest]
    fn constant_features_become_0(
        #[values(Scaling::Columns, Scaling::Range)] scaling: Scaling,
        #[values(0.1, 1234.567, -3e7)] value: f32,
    ) {
        for device in test_devices() {
            let train = Tensor::<2>::full([7, 2], value, &device);
            let encoder = Precomputed::new(2).unwrap();
            let scaled = Scaled::new(encoder, &train, scaling).unwrap();
            assert_eq!(numbers(scaled.encode(train)), [0.0; 14]);
        }
    }

    #[cfg(feature = "train")]
    #[test]
    fn an_encoder_that_trains_gets_its_gradient() {
        for device in test_devices() {
            let device = device.autodiff();
            let encoder = MlpEncoderConfig::new(3, 2).init(&device).unwrap();
            let x = Tensor::<2>::from_floats([[1.0, 2.0, 0.5], [3.0, 1.0, 4.0]], &device);
            let features = encoder.encode(x.clone());
            let scaled = Scaled::new(encoder, &features, Scaling::Columns).unwrap();
            let gradients = scaled.encode(x).square().sum().backward();
            let found = burn::optim::GradientsParams::from_grads(gradients, &scaled);
            assert!(!found.is_empty());
        }
    }

    #[test]
    fn features_that_cannot_be_scaled_by_are_refused() {
        let device = Device::flex();
        let error = |features: &Tensor<2>| {
            let encoder = Precomputed::new(2).unwrap();
            let scaled = Scaled::new(encoder, features, Scaling::Columns);
            scaled.unwrap_err()
        };
        let found = error(&Tensor::zeros([2, 3], &device)).to_string();
        assert_eq!(found, "columns of the features: expected 2, got 3");
        let nan = Tensor::from_floats([[1.0, 2.0], [1.0, f32::NAN]], &device);
        let expected = MlaError::NonFiniteFeatures {
            modality: None,
            sample: 1,
        };
        assert_eq!(error(&nan), expected);
    }
}
