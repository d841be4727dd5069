//! Precision of intermediate results.

use burn::tensor::{DType, Tensor};

/// Half precision as f32, in which the numbers of a formula neither overflow nor vanish. Other types
/// are returned unchanged.
pub(crate) fn widened<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.dtype() {
        DType::F16 | DType::BF16 => tensor.cast(DType::F32),
        _ => tensor,
    }
}
