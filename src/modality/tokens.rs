//! Texts as token ids.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::error::{MlaError, Result};
use crate::modality::{SelectRows, ZeroRows};

/// Token ids of texts, `[batch, length]`, and a mask that is `true` for a token and `false` for padding.
///
/// Zero rows are texts without a token: ids of 0 and a mask of `false`.
///
/// Text encoders compare the ids with their vocabulary in every step. A batch that was made from ids on
/// the host ([`from_data`](Self::from_data)) remembers their range, also after rows were selected or
/// taken from it. Its ids are then not read back from the device, which would wait for the device.
#[derive(Debug, Clone)]
pub struct TokenBatch {
    ids: Tensor<2, Int>,
    mask: Tensor<2, Bool>,
    /// Where known, a bound that no id exceeds, if no id is negative.
    largest_id: Option<i64>,
}

impl TokenBatch {
    /// Creates a batch from tensors on a device, both `[batch, length]`.
    pub fn new(ids: Tensor<2, Int>, mask: Tensor<2, Bool>) -> Self {
        Self {
            ids,
            mask,
            largest_id: None,
        }
    }

    /// Copies ids and their mask, both `[batch, length]`, to `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError::InputShape`] for data of another rank, or a mask of another shape.
    pub fn from_data(ids: TensorData, mask: TensorData, device: &Device) -> Result<Self> {
        let (of_ids, of_mask) = (ids.shape().to_vec(), mask.shape().to_vec());
        if of_ids.len() != 2 {
            return Err(MlaError::input_shape(of_ids, "token ids [batch, length]"));
        }
        if of_ids != of_mask {
            let expected = format!("a mask {of_ids:?}, as the token ids");
            return Err(MlaError::input_shape(of_mask, expected));
        }
        let smallest = ids.iter::<i64>().min().unwrap_or(0);
        let largest = ids.iter::<i64>().max().unwrap_or(0);
        Ok(Self {
            ids: Tensor::from_data(ids, device),
            mask: Tensor::from_data(mask, device),
            largest_id: (smallest >= 0).then_some(largest),
        })
    }

    /// The ids of the tokens, `[batch, length]`.
    pub fn ids(&self) -> &Tensor<2, Int> {
        &self.ids
    }

    /// `true` for a token, `false` for padding, `[batch, length]`.
    pub fn mask(&self) -> &Tensor<2, Bool> {
        &self.mask
    }

    /// Returns the ids and the mask.
    pub fn into_parts(self) -> (Tensor<2, Int>, Tensor<2, Bool>) {
        (self.ids, self.mask)
    }

    /// Rows of this batch, whose ids therefore stay in its range.
    #[cfg(feature = "train")]
    pub(crate) fn with_rows(&self, ids: Tensor<2, Int>, mask: Tensor<2, Bool>) -> Self {
        Self {
            ids,
            mask,
            largest_id: self.largest_id,
        }
    }

    /// Checks that the mask has the shape of the ids, `[batch, 1 to longest]`, and that all ids are
    /// below `n_tokens`, the size of a vocabulary.
    ///
    /// The ids are read back from the device, unless their range is known and within the vocabulary.
    ///
    /// # Errors
    ///
    /// - [`MlaError::InputShape`] for another length, or a mask of another shape;
    /// - [`MlaError::TokenOutOfRange`] for an id that is not in the vocabulary;
    /// - [`MlaError::DeviceRead`].
    pub fn check(&self, longest: usize, n_tokens: usize) -> Result<()> {
        let (ids, mask) = (self.ids.dims(), self.mask.dims());
        if !(1..=longest).contains(&ids[1]) {
            let expected = format!("token ids [batch, length] with a length from 1 to {longest}");
            return Err(MlaError::input_shape(ids, expected));
        }
        if ids != mask {
            let expected = format!("a mask {ids:?}, as the token ids");
            return Err(MlaError::input_shape(mask, expected));
        }
        let in_vocabulary = 0..n_tokens as i64;
        if self
            .largest_id
            .is_some_and(|largest| in_vocabulary.contains(&largest))
        {
            return Ok(());
        }
        let data = self.ids.try_to_data();
        let data = data.map_err(|error| MlaError::DeviceRead {
            what: "token ids",
            message: error.to_string(),
        })?;
        let mut found = data.iter::<i64>().enumerate();
        match found.find(|(_, id)| !in_vocabulary.contains(id)) {
            None => Ok(()),
            Some((at, token)) => Err(MlaError::TokenOutOfRange {
                token,
                sample: at / ids[1],
                n_tokens,
            }),
        }
    }
}

impl SelectRows for TokenBatch {
    fn n_rows(&self) -> Result<usize> {
        (self.ids.clone(), self.mask.clone()).n_rows()
    }

    fn select_rows(self, rows: &[usize]) -> Result<Self> {
        let largest_id = self.largest_id;
        let (ids, mask) = self.into_parts().select_rows(rows)?;
        Ok(Self {
            ids,
            mask,
            largest_id,
        })
    }
}

impl ZeroRows for TokenBatch {
    fn zeros(&self, n_rows: usize, device: &Device) -> Self {
        Self {
            ids: self.ids.zeros(n_rows, device),
            mask: self.mask.zeros(n_rows, device),
            largest_id: Some(0),
        }
    }

    fn place_rows(self, rows: &[usize], n_rows: usize) -> Result<Self> {
        let largest_id = self.largest_id;
        let (ids, mask) = self.into_parts().place_rows(rows, n_rows)?;
        Ok(Self {
            ids,
            mask,
            largest_id,
        })
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
            let tokens = TokenBatch::new(ids, mask);
            assert_eq!(tokens.n_rows().unwrap(), 3);
            let placed = tokens
                .select_rows(&[1, 0])
                .and_then(|tokens| tokens.place_rows(&[2, 0], 3))
                .unwrap();
            let (ids, mask) = placed.into_parts();
            let ids: Vec<i64> = ids.into_data().iter().collect();
            let mask: Vec<bool> = mask.into_data().iter().collect();
            assert_eq!(ids, [7, 8, 0, 0, 9, 0]);
            assert_eq!(mask, [true, true, false, false, true, false]);
        }
    }

    #[test]
    fn a_mask_of_other_rows_is_refused() {
        let device = Device::flex();
        let ids = Tensor::<2, Int>::from_ints([[7, 8]], &device);
        let mask = Tensor::<2, Int>::from_ints([[1, 1], [1, 0]], &device).not_equal_elem(0);
        let tokens = TokenBatch::new(ids.clone(), mask.clone());
        assert!(tokens.n_rows().is_err());
        assert!(tokens.check(2, 10).is_err());
        let tokens = TokenBatch::from_data(ids.into_data(), mask.into_data(), &device);
        assert!(matches!(tokens, Err(MlaError::InputShape { .. })));
    }

    /// The same error with and without a known range, after rows were taken and placed, and for a bound
    /// that only other rows reach.
    #[test]
    fn ids_outside_of_the_vocabulary_are_named() {
        for device in test_devices() {
            let ids = TensorData::from([[7, 3], [1, 9], [2, 0]]);
            let mask = TensorData::from([[true, true], [true, true], [true, false]]);
            let known = TokenBatch::from_data(ids.clone(), mask, &device).unwrap();
            let (tensor, mask) = known.clone().into_parts();
            for tokens in [known.clone(), TokenBatch::new(tensor, mask)] {
                assert!(tokens.check(2, 10).is_ok());
                assert!(tokens.check(1, 10).is_err());
                let refused = |tokens: &TokenBatch, n| match tokens.check(2, n).unwrap_err() {
                    MlaError::TokenOutOfRange { token, sample, .. } => (token, sample),
                    other => panic!("{other}"),
                };
                assert_eq!(refused(&tokens, 9), (9, 1));
                let taken = tokens.clone().select_rows(&[2, 1]).unwrap();
                assert_eq!(refused(&taken, 9), (9, 1));
                let placed = taken.clone().place_rows(&[3, 0], 4).unwrap();
                assert_eq!(refused(&placed, 9), (9, 0));
                assert!(taken.select_rows(&[0]).unwrap().check(2, 9).is_ok());
                assert!(tokens.zeros(1, &device).check(2, 1).is_ok());
            }
            let negative = TensorData::from([[-1, 3]]);
            let mask = TensorData::from([[true, true]]);
            let tokens = TokenBatch::from_data(negative, mask, &device).unwrap();
            assert!(tokens.check(2, 10).is_err());
        }
    }

    #[test]
    fn the_range_is_known_where_ids_were_on_the_host() {
        let device = Device::flex();
        let (ids, mask) = (TensorData::from([[4, 2]]), TensorData::from([[true, true]]));
        let tokens = TokenBatch::from_data(ids, mask, &device).unwrap();
        let placed = tokens.clone().place_rows(&[1], 2);
        let placed = placed.and_then(|all| all.select_rows(&[0, 1]));
        assert_eq!(placed.unwrap().largest_id, Some(4));
        let (ids, mask) = tokens.into_parts();
        assert_eq!(TokenBatch::new(ids, mask).largest_id, None);
    }
}
