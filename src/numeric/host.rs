//! Arithmetic on f32 tensors of CPU backends, directly in the memory of this process.
//!
//! Burn's backend extensions would need one implementation for each CPU backend, on its tensor
//! primitive. Here one implementation on the data of a tensor serves all of them, in place.

use burn::tensor::{DType, Device, Tensor, TensorData};
#[allow(unused_imports)] // Its variants are those of the backends enabled.
use burn_dispatch::DispatchDevice;

/// Whether tensors of the device are in the memory of this process, where reading one is no
/// transfer.
///
/// There a chain of operations on a few hundred numbers costs more to dispatch than to compute,
/// and is computed directly. Always false without the crate feature of the backend.
pub(crate) fn is_host(device: &Device) -> bool {
    is_flex(device) || is_ndarray(device)
}

/// Whether the device is flex, one of the [hosts](is_host).
#[allow(unused_variables)]
pub(crate) fn is_flex(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return matches!(device.as_dispatch(), DispatchDevice::Flex(_));
    #[cfg(not(feature = "flex"))]
    false
}

#[allow(unused_variables)]
fn is_ndarray(device: &Device) -> bool {
    #[cfg(feature = "ndarray")]
    return matches!(device.as_dispatch(), DispatchDevice::NdArray(_));
    #[cfg(not(feature = "ndarray"))]
    false
}

/// Whether the device's f32 products use all bits of their operands.
#[allow(unused_variables)]
pub(crate) fn multiplies_in_full_f32(device: &Device) -> bool {
    #[cfg(feature = "tch")]
    if matches!(device.as_dispatch(), DispatchDevice::LibTorch(_)) {
        return true;
    }
    is_host(device)
}

/// The numbers of an f32 tensor on a [host](is_host), in row-major order.
pub(crate) struct Numbers(TensorData);

impl Numbers {
    /// The numbers of `tensor`, without a copy if it has no other owner.
    pub(crate) fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        Self(tensor.into_data())
    }

    pub(crate) fn get(&self) -> &[f32] {
        self.0.as_slice().expect(AN_F32_TENSOR)
    }

    pub(crate) fn get_mut(&mut self) -> &mut [f32] {
        self.0.as_mut_slice().expect(AN_F32_TENSOR)
    }

    /// Turns the numbers back into a tensor.
    pub(crate) fn into_tensor<const D: usize>(self, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.0, (device, DType::F32))
    }
}

const AN_F32_TENSOR: &str = "the tensor is f32";

/// Number of independent partial results, which the compiler keeps in vector registers.
const LANES: usize = 16;

/// `a^T b`.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The sum of `x`.
pub(crate) fn sum(x: &[f32]) -> f32 {
    let (x, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for x in x {
        for i in 0..LANES {
            sums[i] += x[i];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// The largest of `x` without NaN; -inf for an empty slice.
pub(crate) fn largest(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (x, rest) = x.as_chunks::<LANES>();
    let mut found = [f32::NEG_INFINITY; LANES];
    for x in x {
        for i in 0..LANES {
            found[i] = larger(found[i], x[i]);
        }
    }
    let found = found.iter().chain(rest).copied();
    found.fold(f32::NEG_INFINITY, larger)
}

/// `y + factor x`, in place.
pub(crate) fn add_scaled(y: &mut [f32], factor: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

/// Numbers that one thread divides.
#[cfg(feature = "train")]
const BLOCK: usize = 1 << 16;

/// Divides each of `x` by a number, in place and on all cores with the feature `host-kernels`. Returns
/// true if all quotients are finite.
#[cfg(feature = "train")]
pub(crate) fn divide_all(x: &mut [f32], by: f32) -> bool {
    let block = |x: &mut [f32]| {
        let (x, rest) = x.as_chunks_mut::<LANES>();
        // 0 for finite quotients and NaN for others.
        let mut zeros = [0.0; LANES];
        for x in x {
            for i in 0..LANES {
                x[i] /= by;
                zeros[i] += x[i] * 0.0;
            }
        }
        let mut zero: f32 = zeros.iter().sum();
        for x in rest {
            *x /= by;
            zero += *x * 0.0;
        }
        zero == 0.0
    };
    #[cfg(feature = "host-kernels")]
    if x.len() > BLOCK {
        use rayon::{iter::ParallelIterator, slice::ParallelSliceMut};
        return x
            .par_chunks_mut(BLOCK)
            .map(block)
            .reduce(|| true, |a, b| a && b);
    }
    block(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_backends_are_hosts() {
        for device in crate::test_devices() {
            assert!(is_host(&device), "{device:?}");
            assert!(multiplies_in_full_f32(&device), "{device:?}");
        }
    }

    #[test]
    fn numbers_change_in_place_where_nothing_else_holds_them() {
        for device in crate::test_devices() {
            let tensor = Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device);
            let held = tensor.clone();
            let mut numbers = Numbers::of(tensor.transpose());
            assert_eq!(numbers.get(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
            numbers.get_mut()[1] = -4.0;
            let changed: Tensor<2> = numbers.into_tensor(&device);
            let expected = Tensor::<2>::from_floats([[1.0, -4.0], [2.0, 5.0], [3.0, 6.0]], &device);
            changed.into_data().assert_eq(&expected.into_data(), true);
            assert_eq!(held.into_data().iter::<f32>().sum::<f32>(), 21.0);
        }
    }

    #[cfg(feature = "train")]
    #[test]
    fn all_are_divided_and_checked() {
        for n in [0, 1, 15, 16, 17, BLOCK, 2 * BLOCK + 3] {
            let numbers: Vec<f32> = (1..=n).map(|i| i as f32).collect();
            let mut quotients = numbers.clone();
            assert!(divide_all(&mut quotients, 3.0));
            let expected: Vec<f32> = numbers.iter().map(|x| x / 3.0).collect();
            assert_eq!(quotients, expected);
            for at in [0, n / 2, n.saturating_sub(1)] {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut numbers = numbers.clone();
                    if let Some(x) = numbers.get_mut(at) {
                        *x = bad;
                        assert!(!divide_all(&mut numbers, 3.0), "{bad} at {at} of {n}");
                    }
                }
            }
        }
        // The largest number is finite, and its quotient is not.
        assert!(divide_all(&mut [f32::MAX], 1.0) && !divide_all(&mut [f32::MAX], 0.5));
    }

    #[test]
    fn every_element_counts() {
        for n in [1, 15, 16, 17, 50] {
            let ones = vec![1.0; n];
            let numbers: Vec<f32> = (1..=n).map(|i| i as f32).collect();
            let total = (n * (n + 1) / 2) as f32;
            assert_eq!(dot(&ones, &numbers), total);
            assert_eq!(sum(&numbers), total);
            for at in 0..n {
                let mut numbers = vec![f32::NAN; n];
                numbers[at] = -3.0;
                assert_eq!(largest(&numbers), -3.0);
            }
        }
        assert_eq!((dot(&[], &[]), sum(&[])), (0.0, 0.0));
        assert_eq!(largest(&[]), f32::NEG_INFINITY);
    }
}
