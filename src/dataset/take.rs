//! Rows of inputs for a batch, on the device of the batch.

use std::fmt::Debug;

use burn::tensor::kind::Basic;
use burn::tensor::{Device, Tensor};

use crate::encoder::FrozenInput;
use crate::error::Result;
use crate::modality::one_of::*;
use crate::modality::{
    FbankBatch, ImageBatch, Indexed, KeepPresent, ModalityInput, SelectRows, TokenBatch, VideoBatch,
};

/// An input of a whole data set, of which rows can be taken for a batch.
///
/// Implemented by tensors of any kind, `Vec`s, tuples of 2 to 8 inputs, inputs tagged with their modality, [`FrozenInput`],
/// [`ImageBatch`], [`VideoBatch`], [`FbankBatch`] and [`TokenBatch`].
///
/// # Implementing your own
///
/// ```
/// use burn::tensor::{Bool, Device, Int, Tensor};
/// use burn_mla::dataset::TakeRows;
/// use burn_mla::modality::SelectRows;
/// use burn_mla::Result;
///
/// /// Token ids and their padding mask, both `[batch, length]`.
/// #[derive(Debug, Clone)]
/// struct Tokens {
///     ids: Tensor<2, Int>,
///     padding: Tensor<2, Bool>,
/// }
///
/// impl SelectRows for Tokens {
///     fn n_rows(&self) -> Result<usize> {
///         self.ids.n_rows()
///     }
///
///     fn select_rows(self, rows: &[usize]) -> Result<Self> {
///         let (ids, padding) = (self.ids, self.padding).select_rows(rows)?;
///         Ok(Self { ids, padding })
///     }
/// }
///
/// impl TakeRows for Tokens {
///     fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
///         Ok(Self {
///             ids: self.ids.take_rows(rows, device)?,
///             padding: self.padding.take_rows(rows, device)?,
///         })
///     }
/// }
/// ```
pub trait TakeRows: SelectRows + Clone + Debug + Send + Sync + 'static {
    /// Copies the rows at `rows`, in that order, to `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError::RowOutOfRange`](crate::MlaError::RowOutOfRange) for a row out of range.
    fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self>;
}

/// Rows of a tensor get the precision of the device.
impl<const D: usize, K: Basic> TakeRows for Tensor<D, K>
where
    Self: Clone + Send + Sync,
    K: 'static,
{
    fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
        let taken = self.clone().select_rows(rows)?;
        Ok(Self::from_data(taken.into_data(), device))
    }
}

impl<T: Clone + Debug + Send + Sync + 'static> TakeRows for Vec<T> {
    fn take_rows(&self, rows: &[usize], _device: &Device) -> Result<Self> {
        crate::modality::check_rows(rows, self.len())?;
        Ok(rows.iter().map(|&row| self[row].clone()).collect())
    }
}

impl<I: TakeRows> TakeRows for FrozenInput<I> {
    fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
        Ok(match self {
            Self::Raw(input) => Self::Raw(input.take_rows(rows, device)?),
            Self::Features(features) => Self::Features(features.take_rows(rows, device)?),
        })
    }
}

impl<I: TakeRows> TakeRows for Indexed<I> {
    fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
        Ok(Self {
            modality: self.modality,
            input: self.input.take_rows(rows, device)?,
        })
    }
}

macro_rules! take_tensor {
    ($($name:ident),+) => {$(
        impl TakeRows for $name {
            fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
                self.0.take_rows(rows, device).map(Self)
            }
        }
    )+};
}

take_tensor!(ImageBatch, VideoBatch, FbankBatch);

impl TakeRows for TokenBatch {
    fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
        let ids = self.ids().take_rows(rows, device)?;
        Ok(self.with_rows(ids, self.mask().take_rows(rows, device)?))
    }
}

/// The rows of one modality for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Positions in the modality's input.
    pub rows: Vec<usize>,
    /// The samples of the batch that the rows belong to.
    pub samples: Vec<usize>,
    /// Number of samples of the batch.
    pub n_samples: usize,
}

/// Inputs of all modalities of a data set, of which samples can be taken for a batch. Implemented by
/// the tuples and the `Vec` of [`ModalityInputs`](crate::modality::ModalityInputs) where each input is
/// [`TakeRows`].
pub trait TakeSamples: KeepPresent + Clone + Debug + Sync {
    /// Copies the rows of each modality to `device`, one [`Taken`] per modality.
    ///
    /// # Errors
    ///
    /// As [`TakeRows::take_rows`].
    fn take_samples(&self, taken: &[Taken], device: &Device) -> Result<Self>;
}

fn take<I: TakeRows>(
    part: &Option<ModalityInput<I>>,
    taken: &Taken,
    device: &Device,
) -> Result<Option<ModalityInput<I>>> {
    let Some(part) = part else {
        return Ok(None);
    };
    if taken.rows.is_empty() {
        return Ok(None);
    }
    let input = part.input.take_rows(&taken.rows, device)?;
    Ok(if taken.rows.len() == taken.n_samples {
        Some(ModalityInput::all(input))
    } else {
        ModalityInput::rows(input, taken.samples.clone())
    })
}

impl<I: TakeRows> TakeSamples for Vec<Option<ModalityInput<I>>> {
    fn take_samples(&self, taken: &[Taken], device: &Device) -> Result<Self> {
        let pairs = self.iter().zip(taken);
        pairs
            .map(|(part, taken)| take(part, taken, device))
            .collect()
    }
}

macro_rules! tuple_take {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        impl<$($t: TakeRows),+> TakeRows for ($($t,)+) {
            fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
                Ok(($(self.$i.take_rows(rows, device)?,)+))
            }
        }

        impl<$($t: TakeRows),+> TakeRows for $one<$($t),+> {
            fn take_rows(&self, rows: &[usize], device: &Device) -> Result<Self> {
                Ok(match self {
                    $(Self::$t(input) => Self::$t(input.take_rows(rows, device)?),)+
                })
            }
        }

        impl<$($t: TakeRows),+> TakeSamples for ($(Option<ModalityInput<$t>>,)+) {
            fn take_samples(&self, taken: &[Taken], device: &Device) -> Result<Self> {
                Ok(($(take(&self.$i, &taken[$i], device)?,)+))
            }
        }
    };
}

for_each_arity!(tuple_take);
