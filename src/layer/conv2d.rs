//! Convolutions of images.

use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::layer::convolution::Convolution;
#[cfg(feature = "flex")]
use crate::layer::patches::Patches;
#[cfg(feature = "flex")]
use crate::layer::product;

/// Applies a convolution: [`Conv2d::forward`], by products of patches on flex.
///
/// Both passes are products with the matrix of all patches, made for a few samples at a time. flex's own
/// forward pass gathers patches number by number, and Burn's gradient of the kernel is a convolution whose
/// kernel is as large as the image. Convolutions in several groups are Burn's, and those whose patches of one sample
/// would take more than 16 MB, such as of 64 channels of 3 x 3 from images of 90 x 90 on.
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

/// Entries of the patches of a sample, at most. Each thread holds those of one or several samples.
#[cfg(feature = "flex")]
const LARGEST: usize = 1 << 22;

#[cfg(feature = "flex")]
fn by_products(layer: &Conv2d, x: &Tensor<4>) -> Option<Tensor<4>> {
    let weight = layer.weight.val();
    let [_, channels, height, width] = x.dims();
    let [d_output, d_input, rows, columns] = weight.dims();
    let is_plain = layer.groups == 1 && channels == d_input && layer.kernel_size == [rows, columns];
    if !is_plain || d_output == 0 || x.shape().num_elements() == 0 {
        return None;
    }
    let patches = Patches::new(
        [channels, height, width],
        layer.kernel_size,
        layer.stride,
        layer.dilation,
        &layer.padding,
    )?;
    if patches.len() * patches.patch().max(d_output) > LARGEST {
        return None;
    }
    let convolution = Convolution { patches, d_output };
    let y = product::apply(convolution, x, &weight)?;
    Some(match &layer.bias {
        Some(bias) => y + bias.val().reshape([1, -1, 1, 1]),
        None => y,
    })
}
