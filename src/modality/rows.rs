//! Selection and placement of the rows of an input.

use burn::tensor::kind::Basic;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{MlaError, Result, same_size};
use crate::modality::Indexed;
use crate::modality::one_of::*;

/// An input with one row per sample, whose rows can be selected.
///
/// Implemented by tensors of any kind (rows along the first dimension), `Vec`s, tuples of 2 to 8
/// inputs, inputs tagged with their modality and [`FrozenInput`](crate::encoder::FrozenInput).
///
/// # Implementing your own
///
/// ```
/// use burn::tensor::{Bool, Device, Int, Tensor};
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
///         Ok(Self {
///             ids: self.ids.select_rows(rows)?,
///             padding: self.padding.select_rows(rows)?,
///         })
///     }
/// }
///
/// let ids = Tensor::<2, Int>::from_ints([[1, 2], [3, 0], [4, 5]], &Device::flex());
/// let padding = ids.clone().equal_elem(0);
/// let tokens = Tokens { ids, padding }.select_rows(&[2, 0])?;
/// assert_eq!(tokens.ids.into_data().try_to_vec::<i32>().unwrap(), [4, 5, 1, 2]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
pub trait SelectRows: Sized {
    /// Number of rows.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] when the parts of the input differ in it.
    fn n_rows(&self) -> Result<usize>;

    /// Selects the rows at `rows`, in that order; a row may occur several times.
    ///
    /// # Errors
    ///
    /// [`MlaError::RowOutOfRange`] for a row out of range.
    fn select_rows(self, rows: &[usize]) -> Result<Self>;
}

/// An input that can be padded with rows of zeros.
///
/// A zero is 0 or `false` in a tensor, the default value in a `Vec`, and a zero raw input or zero
/// features in a [`FrozenInput`](crate::encoder::FrozenInput).
pub trait ZeroRows: SelectRows {
    /// `n_rows` rows of zeros on `device`, in the shape and type of the rows of `self`.
    fn zeros(&self, n_rows: usize, device: &Device) -> Self;

    /// Places row `i` of `self` at row `rows[i]` of `n_rows` rows; all others are zeros.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] when the lengths of `self` and `rows` differ,
    /// [`MlaError::RowOutOfRange`] for a row not below `n_rows`.
    fn place_rows(self, rows: &[usize], n_rows: usize) -> Result<Self>;
}

/// Checks that all rows exist.
pub(crate) fn check_rows(rows: &[usize], n_rows: usize) -> Result<()> {
    match rows.iter().find(|&&row| row >= n_rows) {
        None => Ok(()),
        Some(&row) => Err(MlaError::RowOutOfRange { row, n_rows }),
    }
}

/// Whether `rows` lists all of `n_rows` rows, in order.
pub(crate) fn are_all(rows: &[usize], n_rows: usize) -> bool {
    rows.len() == n_rows && rows.iter().enumerate().all(|(i, &row)| i == row)
}

fn check_places(got: usize, rows: &[usize], n_rows: usize) -> Result<()> {
    same_size("rows of an input to place", rows.len(), got)?;
    check_rows(rows, n_rows)
}

/// The source of each of `n_rows` rows: `1 + i` for row `i` of the placed input, 0 for zeros.
fn sources(rows: &[usize], n_rows: usize) -> Vec<usize> {
    let mut sources = vec![0; n_rows];
    for (i, &row) in rows.iter().enumerate() {
        sources[row] = 1 + i;
    }
    sources
}

fn shape_of<const D: usize, K: Basic>(tensor: &Tensor<D, K>, n_rows: usize) -> [usize; D] {
    let mut shape = tensor.dims();
    shape[0] = n_rows;
    shape
}

fn take<const D: usize, K: Basic>(tensor: Tensor<D, K>, rows: &[usize]) -> Tensor<D, K> {
    let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let indices = TensorData::new(indices, [rows.len()]);
    let (device, dtype) = (tensor.device(), tensor.dtype());
    let taken = tensor.select(0, Tensor::<1, Int>::from_data(indices, &device));
    if taken.dtype() == dtype {
        return taken;
    }
    // burn-flex 0.22.1 marks the selected rows of a mask as u8, which later operations refuse.
    Tensor::from_data(taken.into_data().convert_dtype(dtype), (&device, dtype))
}

impl<const D: usize, K: Basic> SelectRows for Tensor<D, K> {
    fn n_rows(&self) -> Result<usize> {
        Ok(self.dims()[0])
    }

    fn select_rows(self, rows: &[usize]) -> Result<Self> {
        check_rows(rows, self.dims()[0])?;
        if rows.is_empty() {
            return Ok(self.zeros(0, &self.device()));
        }
        Ok(take(self, rows))
    }
}

impl<const D: usize, K: Basic> ZeroRows for Tensor<D, K> {
    fn zeros(&self, n_rows: usize, device: &Device) -> Self {
        Tensor::zeros(shape_of(self, n_rows), (device, self.dtype()))
    }

    fn place_rows(self, rows: &[usize], n_rows: usize) -> Result<Self> {
        check_places(self.dims()[0], rows, n_rows)?;
        let device = self.device();
        if rows.is_empty() || n_rows == 0 {
            return Ok(self.zeros(n_rows, &device));
        }
        let zero = self.zeros(1, &device);
        Ok(take(
            Tensor::cat(vec![zero, self], 0),
            &sources(rows, n_rows),
        ))
    }
}

impl<T: Clone> SelectRows for Vec<T> {
    fn n_rows(&self) -> Result<usize> {
        Ok(self.len())
    }

    fn select_rows(self, rows: &[usize]) -> Result<Self> {
        check_rows(rows, self.len())?;
        Ok(rows.iter().map(|&row| self[row].clone()).collect())
    }
}

impl<T: Clone + Default> ZeroRows for Vec<T> {
    fn zeros(&self, n_rows: usize, _device: &Device) -> Self {
        vec![T::default(); n_rows]
    }

    fn place_rows(self, rows: &[usize], n_rows: usize) -> Result<Self> {
        check_places(self.len(), rows, n_rows)?;
        let mut placed = vec![T::default(); n_rows];
        for (value, &row) in self.into_iter().zip(rows) {
            placed[row] = value;
        }
        Ok(placed)
    }
}

macro_rules! tuple_rows {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        impl<$($t: SelectRows),+> SelectRows for ($($t,)+) {
            fn n_rows(&self) -> Result<usize> {
                let n_rows = self.0.n_rows()?;
                $(same_size("rows of the parts of an input", n_rows, self.$i.n_rows()?)?;)+
                Ok(n_rows)
            }

            fn select_rows(self, rows: &[usize]) -> Result<Self> {
                Ok(($(self.$i.select_rows(rows)?,)+))
            }
        }

        impl<$($t: SelectRows),+> SelectRows for $one<$($t),+> {
            fn n_rows(&self) -> Result<usize> {
                match self {
                    $(Self::$t(input) => input.n_rows(),)+
                }
            }

            fn select_rows(self, rows: &[usize]) -> Result<Self> {
                Ok(match self {
                    $(Self::$t(input) => Self::$t(input.select_rows(rows)?),)+
                })
            }
        }

        impl<$($t: ZeroRows),+> ZeroRows for ($($t,)+) {
            fn zeros(&self, n_rows: usize, device: &Device) -> Self {
                ($(self.$i.zeros(n_rows, device),)+)
            }

            fn place_rows(self, rows: &[usize], n_rows: usize) -> Result<Self> {
                Ok(($(self.$i.place_rows(rows, n_rows)?,)+))
            }
        }
    };
}

for_each_arity!(tuple_rows);

impl<I: SelectRows> SelectRows for Indexed<I> {
    fn n_rows(&self) -> Result<usize> {
        self.input.n_rows()
    }

    fn select_rows(self, rows: &[usize]) -> Result<Self> {
        Ok(Self {
            modality: self.modality,
            input: self.input.select_rows(rows)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;
    use burn::tensor::Bool;

    fn ints<const D: usize>(tensor: Tensor<D, Int>) -> Vec<i64> {
        tensor.into_data().iter().collect()
    }

    #[test]
    fn tensors_of_every_kind_are_selected_and_placed() {
        for device in test_devices() {
            let floats = Tensor::<3>::from_floats([[[1.0, 2.0]], [[3.0, 4.0]]], &device);
            let numbers = Tensor::<2, Int>::from_ints([[1, 2], [3, 4]], &device);
            let flags = Tensor::<1, Bool>::from_bool([true, true], &device);

            let placed = floats.clone().place_rows(&[2, 0], 3).unwrap();
            assert_eq!(placed.dims(), [3, 1, 2]);
            let values: Vec<f32> = placed.clone().into_data().iter().collect();
            assert_eq!(values, [3.0, 4.0, 0.0, 0.0, 1.0, 2.0]);
            let back = placed.select_rows(&[2, 0]).unwrap();
            back.into_data().assert_eq(&floats.into_data(), true);

            let placed = numbers.clone().place_rows(&[2, 0], 3).unwrap();
            assert_eq!(placed.dtype(), numbers.dtype());
            assert_eq!(ints(placed), [3, 4, 0, 0, 1, 2]);
            let twice = numbers.clone().select_rows(&[1, 1]).unwrap();
            assert_eq!(ints(twice), [3, 4, 3, 4]);

            let placed = flags.place_rows(&[1, 3], 4).unwrap();
            let placed: Vec<bool> = placed.into_data().iter().collect();
            assert_eq!(placed, [false, true, false, true]);

            let none = numbers.select_rows(&[]).unwrap();
            assert_eq!(none.dims(), [0, 2]);
            assert_eq!(ints(none.place_rows(&[], 2).unwrap()), [0, 0, 0, 0]);
        }
    }

    #[test]
    fn vectors_and_tuples_go_together() {
        let input = (vec!["a", "b", "c"], vec![1, 2, 3]);
        assert_eq!(input.n_rows(), Ok(3));
        let some = input.select_rows(&[2, 0]).unwrap();
        assert_eq!(some, (vec!["c", "a"], vec![3, 1]));
        let placed = some.place_rows(&[0, 2], 3).unwrap();
        assert_eq!(placed, (vec!["c", "", "a"], vec![3, 0, 1]));
        assert!(matches!(
            (vec![1], vec![1, 2]).n_rows(),
            Err(MlaError::Size {
                expected: 1,
                got: 2,
                ..
            })
        ));
    }

    #[test]
    fn rows_that_do_not_exist_are_named() {
        let error = MlaError::RowOutOfRange { row: 2, n_rows: 2 };
        assert_eq!(vec![1, 2].select_rows(&[0, 2]), Err(error.clone()));
        let tensor = Tensor::<2>::zeros([2, 3], &Device::flex());
        assert_eq!(
            tensor.clone().select_rows(&[2]).unwrap_err(),
            error,
            "{error}"
        );
        assert_eq!(tensor.clone().place_rows(&[0, 2], 2).unwrap_err(), error);
        assert!(tensor.place_rows(&[0], 2).is_err());
        assert!(vec![1, 2].place_rows(&[0], 2).is_err());
    }
}
