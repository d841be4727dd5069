//! Triangular factors on the host, in f64: a thin door to nalgebra.

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use crate::numeric::Numbers;

/// The upper triangular `R` with `R^T R = A^T A`, from the QR decomposition of `A`, `[n, n]` in f32
/// on a [host](crate::numeric::is_host).
pub(crate) fn upper_triangular(matrix: Tensor<2>) -> Tensor<2> {
    let (device, [n, _]) = (matrix.device(), matrix.dims());
    let mut numbers = Numbers::of(matrix);
    let entries = numbers.get().iter().map(|&x| f64::from(x));
    let r = DMatrix::from_row_iterator(n, n, entries).qr().unpack_r();
    // nalgebra stores columns one after the other.
    for (to, &entry) in numbers.get_mut().iter_mut().zip(r.transpose().iter()) {
        *to = entry as f32;
    }
    numbers.into_tensor(&device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_has_the_same_square() {
        for device in crate::test_devices() {
            let a = [[1.0, 2.0, 0.5], [-3.0, 0.0, 1.0], [2.0, 1e-3, 4.0]];
            let a = Tensor::<2>::from_floats(a, &device);
            let r = upper_triangular(a.clone());
            let entries: Vec<f32> = r.to_data().iter().collect();
            assert_eq!([entries[3], entries[6], entries[7]], [0.0; 3]);
            let square = |t: Tensor<2>| t.clone().transpose().matmul(t);
            let error = (square(r) - square(a)).abs().max().into_scalar::<f32>();
            assert!(error < 1e-5, "{error}");
        }
    }
}
