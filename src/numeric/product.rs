//! Matrix products of the projector's state, in full f32 on every device.

use burn::tensor::Tensor;

use crate::numeric::host::multiplies_in_full_f32;

/// `lhs rhs` without the rounding of operands that fast GPU products may do.
///
/// CubeCL's tuner may run an f32 product on tensor cores, which round the operands to TF32's 11
/// significant bits. The recursion of Eq. 5 needs more. On such devices each operand is split into
/// a part of 11 bits, which TF32 holds exactly, and the rest; the three products of the parts are
/// accurate to f32. CPU backends and LibTorch multiply in f32 and need no split.
pub(crate) fn product(lhs: Tensor<2>, rhs: Tensor<2>) -> Tensor<2> {
    if multiplies_in_full_f32(&lhs.device()) {
        return lhs.matmul(rhs);
    }
    // Burn 0.22.1's fusion may overwrite an operand at its last use while a pending operation
    // still reads it (the wgpu tests fail then). A handle held until the end prevents that.
    let _held = (lhs.clone(), rhs.clone());
    let (lhs_high, lhs_low) = split(lhs);
    let (rhs_high, rhs_low) = split(rhs);
    let small = lhs_high.clone().matmul(rhs_low) + lhs_low.matmul(rhs_high.clone());
    lhs_high.matmul(rhs_high) + small
}

/// The leading 11 bits of each number and the rest (Veltkamp's splitting).
fn split(x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let scaled = x.clone() * f32::from(1u16 << 13);
    // Whether or not a compiler contracts the operations, `high` has few bits and `low` is exact.
    let high = (x.clone() + scaled.clone()) - scaled;
    let low = x - high.clone();
    (high, low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn a_split_is_exact_and_its_high_part_fits_tf32() {
        let numbers: Vec<f32> = (1..2000)
            .map(|i| (i as f32 * 0.7371).sin() * 10f32.powi(i % 13 - 6))
            .collect();
        let n = numbers.len();
        let x = Tensor::<2>::from_data(TensorData::new(numbers.clone(), [n, 1]), &Device::flex());
        let (high, low) = split(x);
        let high: Vec<f32> = high.into_data().iter().collect();
        let low: Vec<f32> = low.into_data().iter().collect();
        for ((x, high), low) in numbers.iter().zip(high).zip(low) {
            assert_eq!(high + low, *x);
            assert_eq!(high.to_bits() & 0x1fff, 0, "{high} has more than 11 bits");
            assert!(low.abs() <= x.abs() * 2f32.powi(-11));
        }
    }
}
