//! The check that computed values are finite.

use burn::tensor::{DType, Tensor};

use crate::error::{MlaError, Result};

/// Position of the first tensor with a non-finite value, by one device read.
pub(crate) fn first_not_finite<const D: usize>(
    tensors: &[Option<Tensor<D>>],
) -> Result<Option<usize>> {
    // 0 * x is 0 for finite x and NaN otherwise, and cannot overflow when summed.
    let probe = |x: &Tensor<D>| (x.clone().without_autodiff() * 0.0).sum().cast(DType::F32);
    let (at, probes): (Vec<usize>, Vec<Tensor<1>>) = (tensors.iter().enumerate())
        .filter_map(|(at, tensor)| Some((at, probe(tensor.as_ref()?))))
        .unzip();
    if probes.is_empty() {
        return Ok(None);
    }
    let probes: Vec<f32> = Tensor::cat(probes, 0)
        .try_into_vec_as()
        .map_err(MlaError::read("the finiteness of values"))?;
    let first = probes.iter().position(|&probe| probe != 0.0);
    Ok(first.map(|first| at[first]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told() {
        for device in crate::test_devices() {
            let tensor = |x: f32| Some(Tensor::<1>::from_floats([1.0, x, f32::MAX], &device));
            assert_eq!(first_not_finite::<1>(&[]).unwrap(), None);
            assert_eq!(first_not_finite::<1>(&[None]).unwrap(), None);
            let finite = tensor(f32::MAX);
            assert_eq!(first_not_finite(&[finite.clone(), None]).unwrap(), None);
            for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let tensors = [finite.clone(), None, tensor(x), tensor(x)];
                assert_eq!(first_not_finite(&tensors).unwrap(), Some(2), "{x}");
            }
        }
    }
}
