//! Pending rows: corrections of low rank that are not yet part of a matrix.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::error::{MlaError, Result};
use crate::module::Buffer;
use crate::module::Counter;
use crate::numeric::product;
use crate::numeric::{Numbers, is_host};

/// Rows not yet folded into a matrix. Adding a row costs `O(s)`, where the `s x s` matrix would
/// cost a full pass.
///
/// Unused rows are 0.
#[derive(Module, Debug)]
pub(super) struct PendingRows {
    rows: Buffer<2>,
    len: Counter,
}

impl PendingRows {
    /// Room for `at_most` corrections of a `width x width` matrix.
    ///
    /// The capacity is at most `width / 4`. With more, the matrix could become much smaller than the
    /// base that the corrections are subtracted from, which costs digits.
    pub(super) fn of_corrections(at_most: usize, width: usize, device: &Device) -> Self {
        Self::new(at_most.min((width / 4).max(1)), width, device)
    }

    /// Room for `capacity` rows.
    pub(super) fn new(capacity: usize, width: usize, device: &Device) -> Self {
        let device = device.clone().inner();
        Self {
            rows: Buffer::new(Tensor::zeros([capacity, width], (&device, DType::F32))),
            len: Counter::new(0, &device),
        }
    }

    /// The rows in use. On a GPU all rows, `[capacity, width]`, since kernels are compiled per shape.
    pub(super) fn rows(&self) -> Tensor<2> {
        let rows = self.rows.get();
        if is_host(&rows.device()) {
            rows.slice([0..self.len()])
        } else {
            rows
        }
    }

    /// `rows^T rows x` for columns `x`, `[width, n]`. There must be a row.
    pub(super) fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let rows = self.rows();
        product(rows.clone().transpose(), product(rows, x))
    }

    /// `x rows^T rows` for rows `x`, `[n, width]`. There must be a row.
    pub(super) fn apply_to_rows(&self, x: Tensor<2>) -> Tensor<2> {
        let rows = self.rows();
        product(product(x, rows.clone().transpose()), rows)
    }

    /// Checks the number of rows in use, for a state that was loaded.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] unless there is room for another row.
    pub(super) fn check(&self) -> Result<()> {
        let [capacity, _] = self.rows.dims();
        let len = usize::try_from(self.len.get()).unwrap_or(usize::MAX);
        if len < capacity {
            return Ok(());
        }
        Err(MlaError::Size {
            what: "pending rows of the projector",
            expected: capacity - 1,
            got: len,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.len.get() as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() == self.rows.dims()[0]
    }

    /// Appends a row, `[1, width]`, which must fit.
    pub(super) fn push(mut self, row: Tensor<2>) -> Self {
        let (at, [_, width]) = (self.len(), row.dims());
        self.len.set(at as u64 + 1);
        Self {
            rows: self
                .rows
                .replace(|rows| rows.slice_assign([at..at + 1, 0..width], row)),
            len: self.len,
        }
    }

    /// Appends the row that `row` computes from the rows in use, in row-major order, on a
    /// [host](is_host). It must fit.
    pub(super) fn push_on_host(mut self, row: impl FnOnce(&[f32]) -> Numbers) -> Self {
        let (at, [_, width]) = (self.len(), self.rows.dims());
        self.len.set(at as u64 + 1);
        let at = at * width;
        Self {
            rows: self.rows.replace(|rows| {
                let device = rows.device();
                let mut rows = Numbers::of(rows);
                let row = row(&rows.get()[..at]);
                rows.get_mut()[at..at + width].copy_from_slice(row.get());
                rows.into_tensor(&device)
            }),
            len: self.len,
        }
    }

    /// The rows with another number of rows in use, as a faulty file has.
    #[cfg(test)]
    pub(super) fn with_len(mut self, len: u64) -> Self {
        self.len.set(len);
        self
    }

    /// Removes all rows.
    pub(super) fn clear(mut self) -> Self {
        self.len.set(0);
        Self {
            rows: self.rows.replace(|rows| rows.zeros_like()),
            len: self.len,
        }
    }
}
