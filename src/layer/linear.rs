//! Linear layers.

#[cfg(feature = "flex")]
use burn::backend::{Flex, flex::FlexTensor, ops::FloatTensorOps};
use burn::nn::Linear;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::layer::product::{self, Product};

/// Applies a linear layer: [`Linear::forward`], with a faster backward pass on flex.
///
/// flex packs a transposed second operand number by number. There the gradient of the input is computed
/// as `(W dy^T)^T` instead of `dy W^T`, which packs the smaller `dy`. All samples and tokens are the rows of
/// one matrix.
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
    let [d_input, d_output] = weight.dims();
    let mut dims = x.dims();
    if D < 2 || dims[D - 1] != d_input {
        return None;
    }
    let rows = dims[..D - 1].iter().product();
    let rows = x.clone().reshape([rows, d_input]);
    let mut y = product::apply(Matrix, &rows, &weight)?;
    if let Some(bias) = &layer.bias {
        y = y + bias.val().unsqueeze();
    }
    dims[D - 1] = d_output;
    Some(y.reshape(dims))
}

/// `x W`.
#[cfg(feature = "flex")]
#[derive(Debug, Clone)]
struct Matrix;

#[cfg(feature = "flex")]
impl Product for Matrix {
    fn forward(&self, x: FlexTensor, weight: FlexTensor) -> FlexTensor {
        Flex::float_matmul(x, weight)
    }

    fn input_gradient(&self, weight: FlexTensor, dy: FlexTensor) -> FlexTensor {
        Flex::float_matmul(weight, dy.transpose(0, 1)).transpose(0, 1)
    }

    fn weight_gradient(&self, x: FlexTensor, dy: FlexTensor) -> FlexTensor {
        Flex::float_matmul(x.transpose(0, 1), dy)
    }
}
