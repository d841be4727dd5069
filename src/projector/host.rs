use std::fmt::{self, Write};

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Whether tensors of the device lie in the memory of this process, so that reading one is no
/// transfer.
///
/// There a chain of operations on a few hundred numbers costs more to dispatch than to compute, and
/// is computed at once instead.
pub(super) fn is_host(device: &Device) -> bool {
    ["Device<Flex", "Device<NdArray"]
        .into_iter()
        .any(|name| debug_starts_with(device, name))
}

/// Whether the device belongs to CubeCL.
pub(super) fn is_cube(device: &Device) -> bool {
    debug_starts_with(device, "Device<Cube")
}

/// Burn has no typed way to ask for the backend that does not depend on the backends it was built
/// with; a device's `Debug` names its backend first.
fn debug_starts_with(device: &Device, prefix: &str) -> bool {
    let mut expected = Expect { rest: prefix };
    // An error ends the formatting, whose rest nobody reads.
    let _ = write!(expected, "{device:?}");
    expected.rest.is_empty()
}

/// Takes text for as long as it agrees with what is expected, and fails once that is decided.
struct Expect<'a> {
    rest: &'a str,
}

impl Write for Expect<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let n = text.len().min(self.rest.len());
        match self.rest.strip_prefix(text.get(..n).ok_or(fmt::Error)?) {
            Some(rest) if !rest.is_empty() => {
                self.rest = rest;
                Ok(())
            }
            Some(rest) => {
                self.rest = rest;
                Err(fmt::Error)
            }
            None => Err(fmt::Error),
        }
    }
}

/// The numbers of an f32 tensor on a [host](is_host), row by row.
pub(super) struct Numbers(TensorData);

impl Numbers {
    /// Copies nothing where nothing else holds the tensor.
    pub(super) fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        Self(tensor.into_data())
    }

    pub(super) fn get(&self) -> &[f32] {
        self.0.as_slice().expect(AN_F32_TENSOR)
    }

    pub(super) fn get_mut(&mut self) -> &mut [f32] {
        self.0.as_mut_slice().expect(AN_F32_TENSOR)
    }

    /// The tensor again.
    pub(super) fn into_tensor<const D: usize>(self, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.0, (device, DType::F32))
    }
}

const AN_F32_TENSOR: &str = "projector states and features are f32";

/// `a^T b`.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Independent sums, which the compiler keeps in vector registers.
    const LANES: usize = 16;
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

/// `y + factor x`, in place.
pub(super) fn add_scaled(y: &mut [f32], factor: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_backends_are_hosts() {
        for device in crate::test_devices() {
            assert!(is_host(&device), "{device:?}");
            assert!(!is_cube(&device), "{device:?}");
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

    #[test]
    fn text_is_expected_whatever_the_pieces() {
        for (pieces, expected) in [
            (vec!["Device<", "Flex"], true),
            (vec!["Device<Flexible"], true),
            (vec!["D", "evice<Flex(", "x"], true),
            (vec!["Device<Fle"], false),
            (vec!["Device<", "Cube"], false),
            (vec![], false),
        ] {
            let mut text = Expect {
                rest: "Device<Flex",
            };
            let _ = pieces.iter().try_for_each(|piece| text.write_str(piece));
            assert_eq!(text.rest.is_empty(), expected, "{pieces:?}");
        }
    }

    #[test]
    fn a_dot_product_takes_every_element() {
        for n in [0, 1, 15, 16, 17, 50] {
            let ones = vec![1.0; n];
            let numbers: Vec<f32> = (1..=n).map(|i| i as f32).collect();
            assert_eq!(dot(&ones, &numbers), (n * (n + 1) / 2) as f32);
        }
    }
}
