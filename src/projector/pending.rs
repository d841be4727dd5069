use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use crate::module::Buffer;
use crate::module::Counter;
use crate::numeric::product;
use crate::numeric::{Numbers, is_host};

/// Rows not yet folded into a matrix: a correction of low rank that costs a projector's update
/// `O(s)` to add instead of a pass over an `s x s` matrix.
///
/// The rows that are not in use are 0.
#[derive(Module, Debug)]
pub(super) struct PendingRows {
    rows: Buffer<2>,
    len: Counter,
}

impl PendingRows {
    /// Room for `at_most` corrections of a `width x width` matrix.
    ///
    /// There is room for `width / 4` of them only, so that a matrix does not become much smaller
    /// than what its corrections are subtracted from, which would cost digits.
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

    /// The rows in use; of a GPU all, `[capacity, width]`, for the sake of kernels that are made for
    /// a shape.
    pub(super) fn rows(&self) -> Tensor<2> {
        let rows = self.rows.get();
        match is_host(&rows.device()) {
            true => rows.slice([0..self.len()]),
            false => rows,
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

    pub(super) fn len(&self) -> usize {
        self.len.get() as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() == self.rows.dims()[0]
    }

    /// Adds a row, `[1, width]`; there must be room.
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

    /// Adds the row that `row` makes of the rows in use, one after the other, on a
    /// [host](is_host); there must be room.
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

    /// Without rows.
    pub(super) fn clear(mut self) -> Self {
        self.len.set(0);
        Self {
            rows: self.rows.replace(|rows| rows.zeros_like()),
            len: self.len,
        }
    }
}
