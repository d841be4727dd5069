//! Typed inputs of common modalities, which keep a wrong modality from compiling.

use burn::tensor::{Bool, Device, Int, Tensor};

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

/// Token ids of texts, and which of them are tokens.
///
/// Zero rows are texts without a token: `ids` of 0 and a mask of `false`.
#[derive(Debug, Clone)]
pub struct TokenBatch {
    /// The ids of the tokens, `[batch, length]`.
    pub ids: Tensor<2, Int>,
    /// `true` for a token, `false` for padding, `[batch, length]`.
    pub mask: Tensor<2, Bool>,
}

impl SelectRows for TokenBatch {
    fn n_rows(&self) -> Result<usize> {
        (self.ids.clone(), self.mask.clone()).n_rows()
    }

    fn select_rows(self, rows: &[usize]) -> Result<Self> {
        let (ids, mask) = (self.ids, self.mask).select_rows(rows)?;
        Ok(Self { ids, mask })
    }
}

impl ZeroRows for TokenBatch {
    fn zeros(&self, n_rows: usize, device: &Device) -> Self {
        Self {
            ids: self.ids.zeros(n_rows, device),
            mask: self.mask.zeros(n_rows, device),
        }
    }

    fn place_rows(self, rows: &[usize], n_rows: usize) -> Result<Self> {
        let (ids, mask) = (self.ids, self.mask).place_rows(rows, n_rows)?;
        Ok(Self { ids, mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;

    #[test]
    fn tokens_move_with_their_mask() {
        for device in test_devices() {
            let ids = Tensor::<2, Int>::from_ints([[7, 8], [9, 0], [5, 6]], &device);
            let mask = ids.clone().not_equal_elem(0);
            let tokens = TokenBatch { ids, mask };
            assert_eq!(tokens.n_rows().unwrap(), 3);
            let placed = tokens
                .select_rows(&[1, 0])
                .and_then(|tokens| tokens.place_rows(&[2, 0], 3))
                .unwrap();
            let ids: Vec<i64> = placed.ids.into_data().iter().collect();
            let mask: Vec<bool> = placed.mask.into_data().iter().collect();
            assert_eq!(ids, [7, 8, 0, 0, 9, 0]);
            assert_eq!(mask, [true, true, false, false, true, false]);
        }
    }

    #[test]
    fn a_mask_of_other_rows_is_refused() {
        let device = Device::flex();
        let ids = Tensor::<2, Int>::from_ints([[7, 8]], &device);
        let mask = Tensor::<2, Int>::from_ints([[1, 1], [1, 0]], &device).not_equal_elem(0);
        assert!(TokenBatch { ids, mask }.n_rows().is_err());
    }

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
