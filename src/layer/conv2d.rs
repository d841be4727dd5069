//! Convolutions of images.

use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::layer::patches::Patches;
#[cfg(feature = "flex")]
use crate::layer::product;
#[cfg(feature = "flex")]
use crate::layer::products::Convolution;

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
    let convolution = Convolution {
        patches: Patches::new(
            [channels, height, width],
            layer.kernel_size,
            layer.stride,
            layer.dilation,
            &layer.padding,
        )?,
        d_output: weight.dims()[0],
    };
    let y = product::apply(convolution, x, &weight)?;
    Some(match &layer.bias {
        Some(bias) => y + bias.val().reshape([1, -1, 1, 1]),
        None => y,
    })
}
