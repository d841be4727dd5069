//! Convolutions of images.

#[cfg(feature = "flex")]
mod patches;
#[cfg(feature = "flex")]
mod products;

#[cfg(feature = "flex")]
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::layer::product;
#[cfg(feature = "flex")]
use patches::{Axis, Patches};
#[cfg(feature = "flex")]
use products::Convolution;

/// Applies a convolution: [`Conv2d::forward`], by products of patches on flex.
///
/// Both passes are products with the matrix of all patches, made for a few samples at a time. flex's own
/// forward pass gathers patches number by number, and Burn's gradient of the kernel is a convolution whose
/// kernel is as large as the image. Convolutions in several groups are computed as Burn does.
///
/// # Shapes
///
/// - input: `[batch, channels_in, height_in, width_in]`
/// - output: `[batch, channels_out, height_out, width_out]`
///
/// # Panics
///
/// If the input has other channels than the kernel, or is smaller than it.
pub fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(y) = by_products(layer, &x) {
        return y;
    }
    layer.forward(x)
}

#[cfg(feature = "flex")]
fn by_products(layer: &Conv2d, x: &Tensor<4>) -> Option<Tensor<4>> {
    let weight = layer.weight.val();
    let [batch, channels, height, width] = x.dims();
    if layer.groups != 1 || batch == 0 || channels != weight.dims()[1] {
        return None;
    }
    let axis = |at: usize, size: usize| {
        let (kernel, stride) = (layer.kernel_size[at], layer.stride[at]);
        let padding = padding(&layer.padding, at, size, kernel, stride);
        Axis::new(size, kernel, stride, layer.dilation[at], padding)
    };
    let convolution = Convolution {
        patches: Patches {
            channels,
            rows: axis(0, height)?,
            columns: axis(1, width)?,
        },
        d_output: weight.dims()[0],
    };
    let y = product::apply(convolution, x, &weight)?;
    Some(match &layer.bias {
        Some(bias) => y + bias.val().reshape([1, -1, 1, 1]),
        None => y,
    })
}

/// Padding before and after the image along an axis, as Burn computes it.
#[cfg(feature = "flex")]
fn padding(
    padding: &PaddingConfig2d,
    axis: usize,
    size: usize,
    kernel: usize,
    stride: usize,
) -> [usize; 2] {
    match *padding {
        PaddingConfig2d::Valid => [0, 0],
        PaddingConfig2d::Same => {
            let covered = size.div_ceil(stride).saturating_sub(1) * stride + kernel;
            let total = covered.saturating_sub(size);
            [total / 2, total - total / 2]
        }
        PaddingConfig2d::Explicit(top, left, bottom, right) => [[top, bottom], [left, right]][axis],
    }
}
