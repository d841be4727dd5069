//! Images cut in patches.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Order of the values of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PatchOrder {
    /// Channel, row, column, as in MLA's port of M3AE.
    ChannelFirst,
    /// Row, column, channel, as in the JAX original of M3AE.
    ChannelLast,
}

/// Cuts images in square patches, row by row.
///
/// # Shapes
///
/// - images: `[batch, channels, rows * size, columns * size]`
/// - output: `[batch, rows * columns, channels * size * size]`
pub(crate) fn cut(images: Tensor<4>, size: usize, order: PatchOrder) -> Tensor<3> {
    let [batch, channels, height, width] = images.dims();
    let (rows, columns) = (height / size, width / size);
    let grid = images.reshape([batch, channels, rows, size, columns, size]);
    let patches = match order {
        PatchOrder::ChannelFirst => grid.permute([0, 2, 4, 1, 3, 5]),
        PatchOrder::ChannelLast => grid.permute([0, 2, 4, 3, 5, 1]),
    };
    patches.reshape([batch, rows * columns, channels * size * size])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Int;

    use super::*;
    use crate::test_devices;

    #[test]
    fn both_orders_of_a_patch() {
        for device in test_devices() {
            // Two channels, 2x4 pixels: two patches of 2x2.
            let images = Tensor::<1, Int>::arange(0..16, &device).float();
            let images = images.reshape([1, 2, 2, 4]);
            let values = |order| -> Vec<f32> {
                let patches = cut(images.clone(), 2, order);
                assert_eq!(patches.dims(), [1, 2, 8]);
                patches.into_data().iter().collect()
            };
            let first = [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15];
            assert_eq!(values(PatchOrder::ChannelFirst), first.map(|v| v as f32));
            let last = [0, 8, 1, 9, 4, 12, 5, 13, 2, 10, 3, 11, 6, 14, 7, 15];
            assert_eq!(values(PatchOrder::ChannelLast), last.map(|v| v as f32));
        }
    }
}
