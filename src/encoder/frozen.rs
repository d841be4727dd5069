//! A frozen encoder, whose features can be cached.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::encoder::Encoder;
use crate::error::{MlaError, Result};
use crate::modality::{SelectRows, ZeroRows};

/// An encoder whose weights do not train, and whose features can be computed once and reused.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::encoder::{Encoder, Frozen, FrozenInput, MlpEncoderConfig};
///
/// let device = Device::flex();
/// let encoder = Frozen::new(MlpEncoderConfig::new(8, 4).init(&device)?);
/// let data: Tensor<2> = Tensor::ones([100, 8], &device);
/// // Once, for the whole data set:
/// let features = encoder.features(data.clone());
/// // At each step, rows of it:
/// let batch = features.clone().slice([0..16]);
/// let cached = encoder.encode(FrozenInput::Features(batch));
/// // The same as running the encoder again:
/// let again = encoder.encode(FrozenInput::Raw(data.slice([0..16])));
/// cached.into_data().assert_eq(&again.into_data(), true);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
///
/// The encoder runs without autodiff, in inference mode: no dropout, and batch normalization uses its
/// running statistics and does not update them.
#[derive(Module, Debug)]
pub struct Frozen<E: Module> {
    encoder: E,
}

/// The input of a [`Frozen`] encoder.
#[derive(Debug, Clone)]
// Inputs hold tensors as well; a box would only add an allocation per step.
#[allow(clippy::large_enum_variant)]
pub enum FrozenInput<I> {
    /// An input of the wrapped encoder.
    Raw(I),
    /// Features from an earlier call of [`Frozen::features`], `[batch, d_feature]`.
    Features(Tensor<2>),
}

impl<E: Encoder> Frozen<E> {
    /// Freezes `encoder`.
    pub fn new(encoder: E) -> Self {
        Self {
            encoder: encoder.freeze(),
        }
    }

    /// The wrapped encoder.
    pub fn encoder(&self) -> &E {
        &self.encoder
    }

    /// Computes the features of `input`, `[batch, d_feature]`, without autodiff.
    ///
    /// # Panics
    ///
    /// Where the encoder panics on an unsupported shape.
    pub fn features(&self, input: E::Input) -> Tensor<2> {
        self.encoder.valid().encode(input).without_autodiff()
    }
}

impl<E: Encoder> Encoder for Frozen<E> {
    type Input = FrozenInput<E::Input>;

    /// # Errors
    ///
    /// [`MlaError::InputShape`] if cached features are not `[batch, d_feature]`, and those of the
    /// encoder for a raw input.
    fn check(&self, input: &Self::Input) -> Result<()> {
        match input {
            FrozenInput::Raw(input) => self.encoder.check(input),
            FrozenInput::Features(features) => {
                let (found, d_feature) = (features.dims(), self.d_feature());
                if found[1] == d_feature {
                    return Ok(());
                }
                let expected = format!("[batch, {d_feature}], cached features");
                Err(MlaError::input_shape(found, expected))
            }
        }
    }

    /// # Panics
    ///
    /// If cached features are not `[batch, d_feature]`, and where the encoder panics.
    fn encode(&self, input: Self::Input) -> Tensor<2> {
        match input {
            FrozenInput::Raw(input) => self.features(input),
            FrozenInput::Features(features) => {
                let d_feature = self.d_feature();
                burn::tensor::assert_shape!(features, [_, d_feature]);
                features.without_autodiff()
            }
        }
    }

    fn d_feature(&self) -> usize {
        self.encoder.d_feature()
    }
}

impl<I: SelectRows> SelectRows for FrozenInput<I> {
    fn n_rows(&self) -> Result<usize> {
        match self {
            Self::Raw(input) => input.n_rows(),
            Self::Features(features) => features.n_rows(),
        }
    }

    fn select_rows(self, rows: &[usize]) -> Result<Self> {
        Ok(match self {
            Self::Raw(input) => Self::Raw(input.select_rows(rows)?),
            Self::Features(features) => Self::Features(features.select_rows(rows)?),
        })
    }
}

impl<I: ZeroRows> ZeroRows for FrozenInput<I> {
    fn zeros(&self, n_rows: usize, device: &Device) -> Self {
        match self {
            Self::Raw(input) => Self::Raw(input.zeros(n_rows, device)),
            Self::Features(features) => Self::Features(features.zeros(n_rows, device)),
        }
    }

    fn place_rows(self, rows: &[usize], n_rows: usize) -> Result<Self> {
        Ok(match self {
            Self::Raw(input) => Self::Raw(input.place_rows(rows, n_rows)?),
            Self::Features(features) => Self::Features(features.place_rows(rows, n_rows)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_frozen_encoders_stay_what_they_are() {
        let device = Device::flex();
        let raw = FrozenInput::Raw(vec![1, 2]);
        assert_eq!(raw.n_rows(), Ok(2));
        let raw = raw.select_rows(&[1]).unwrap().place_rows(&[1], 3).unwrap();
        assert!(matches!(&raw, FrozenInput::Raw(rows) if *rows == [0, 2, 0]));
        assert!(matches!(raw.zeros(1, &device), FrozenInput::Raw(rows) if rows == [0]));

        let features = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
        let features = FrozenInput::<Vec<i32>>::Features(features);
        assert_eq!(features.n_rows(), Ok(2));
        assert!(
            matches!(features.zeros(3, &device), FrozenInput::Features(f) if f.dims() == [3, 2])
        );
        let features = features.select_rows(&[1]).unwrap();
        let FrozenInput::Features(features) = features.place_rows(&[1], 2).unwrap() else {
            panic!("features stay features")
        };
        let values: Vec<f32> = features.into_data().iter().collect();
        assert_eq!(values, [0.0, 0.0, 3.0, 4.0]);
    }
}
