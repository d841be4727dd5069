//! Linear layers.

#[cfg(feature = "flex")]
use burn::backend::{Flex, flex::FlexTensor, ops::FloatTensorOps};
use burn::nn::Linear;
#[cfg(feature = "flex")]
use burn::tensor::Shape;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::layer::product::{self, Product};

/// Applies a linear layer: [`Linear::forward`], with a faster backward pass on flex.
///
/// flex packs a transposed second operand number by number. There the gradient of the input is computed
/// as `(W dy^T)^T` instead of `dy W^T`, which packs `dy`, where `dy` has fewer rows than `W`. All samples and
/// tokens are the rows of one matrix.
///
/// # Shapes
///
/// - input: `[.., d_input]`, with at least two axes
/// - output: `[.., d_output]`
///
/// # Panics
///
/// If the last axis of the input is not `d_input`.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(y) = by_products(layer, &x) {
        return y;
    }
    layer.forward(x)
}

#[cfg(feature = "flex")]
fn by_products<const D: usize>(layer: &Linear, x: &Tensor<D>) -> Option<Tensor<D>> {
    let weight = layer.weight.val();
    let is_empty = x.shape().num_elements() == 0;
    if D < 2 || is_empty || x.dims()[D - 1] != weight.dims()[0] {
        return None;
    }
    let y = product::apply(Rows, x, &weight)?;
    Some(match &layer.bias {
        Some(bias) => y + bias.val().unsqueeze(),
        None => y,
    })
}

/// `x W`, where the rows of `x` are those of all its matrices.
#[cfg(feature = "flex")]
#[derive(Debug, Clone)]
struct Rows;

#[cfg(feature = "flex")]
impl Product for Rows {
    fn forward(&self, x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        let shape = x.layout().shape().clone();
        with_rows_of(Flex::float_matmul(rows(x), weight), shape)
    }

    #[cfg(feature = "train")]
    fn input_gradient(&self, weight: FlexTensor, dy: FlexTensor) -> FlexTensor {
        let shape = dy.layout().shape().clone();
        let dy = rows(dy);
        // What is packed should be the smaller one.
        let dx = if dy.layout().shape()[0] < weight.layout().shape()[0] {
            Flex::float_matmul(weight, dy.transpose(0, 1)).transpose(0, 1)
        } else {
            Flex::float_matmul(dy, weight.transpose(0, 1))
        };
        with_rows_of(dx, shape)
    }

    #[cfg(feature = "train")]
    fn weight_gradient(&self, x: FlexTensor, dy: FlexTensor) -> FlexTensor {
        Flex::float_matmul(rows(x).transpose(0, 1), rows(dy))
    }
}

/// All rows as one matrix.
#[cfg(feature = "flex")]
fn rows(x: FlexTensor) -> FlexTensor {
    let shape = x.layout().shape();
    let width = shape[shape.num_dims() - 1];
    if shape.num_dims() == 2 {
        return x;
    }
    let n = shape.num_elements() / width.max(1);
    x.reshape(Shape::new([n, width]))
}

/// The inverse of [`rows`]: `shape` but for the last axis.
#[cfg(feature = "flex")]
fn with_rows_of(matrix: FlexTensor, mut shape: Shape) -> FlexTensor {
    let last = shape.num_dims() - 1;
    if last == 1 {
        return matrix;
    }
    shape[last] = matrix.layout().shape()[1];
    matrix.reshape(shape)
}
