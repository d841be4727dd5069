//! The identity matrix in row-major layout.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// The identity matrix, `[d, d]`, in f32.
///
/// Row-major in memory. Burn's own `eye` has another layout on ndarray, which its results inherit;
/// each product then takes four times as long.
pub(crate) fn eye(d: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; d * d];
    values.iter_mut().step_by(d + 1).for_each(|x| *x = 1.0);
    let data = TensorData::new(values, [d, d]);
    Tensor::from_data(data, (device, DType::F32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_are_on_the_diagonal() {
        for device in crate::test_devices() {
            for d in [1, 2, 5] {
                let expected = Tensor::<2>::eye(d, &device);
                eye(d, &device)
                    .into_data()
                    .assert_eq(&expected.into_data(), true);
            }
        }
    }
}
