//! Typed inputs of common modalities, which keep a wrong modality from compiling.

use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::modality::{SelectRows, ZeroRows};

macro_rules! tensor_input {
    ($(#[$doc:meta])* $name:ident, $rank:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub Tensor<$rank>);

        impl From<Tensor<$rank>> for $name {
            fn from(tensor: Tensor<$rank>) -> Self {
                Self(tensor)
            }
        }

        impl SelectRows for $name {
            fn n_rows(&self) -> Result<usize> {
                self.0.n_rows()
            }

            fn select_rows(self, rows: &[usize]) -> Result<Self> {
                self.0.select_rows(rows).map(Self)
            }
        }

        impl ZeroRows for $name {
            fn zeros(&self, n_rows: usize, device: &Device) -> Self {
                Self(self.0.zeros(n_rows, device))
            }

            fn place_rows(self, rows: &[usize], n_rows: usize) -> Result<Self> {
                self.0.place_rows(rows, n_rows).map(Self)
            }
        }
    };
}

tensor_input!(
    /// Images, `[batch, channels, height, width]`.
    ImageBatch,
    4
);

tensor_input!(
    /// Frames of videos, `[batch, channels, frames, height, width]`.
    VideoBatch,
    5
);

tensor_input!(
    /// Filter banks `[batch, frames, bins]`, or spectrograms in the layout of their front end.
    FbankBatch,
    3
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_keep_their_type() {
        let images = ImageBatch::from(Tensor::<4>::ones([2, 3, 4, 5], &Device::flex()));
        let placed = images.place_rows(&[3, 1], 4).unwrap();
        assert_eq!(placed.0.dims(), [4, 3, 4, 5]);
        assert_eq!(placed.0.clone().sum().into_scalar::<f32>(), 120.0);
        let none = placed.zeros(0, &Device::flex());
        assert_eq!(none.n_rows().unwrap(), 0);
    }
}
