//! The check that computed values are finite.

use burn::tensor::{DType, Tensor};

use crate::error::{MlaError, Result};

/// Position of the first tensor with a non-finite value, by one device read.
pub(crate) fn first_not_finite<const D: usize>(
    tensors: &[Option<Tensor<D>>],
) -> Result<Option<usize>> {
    let (at, probes): (Vec<usize>, Vec<Tensor<1>>) = (tensors.iter().enumerate())
        .filter_map(|(at, tensor)| Some((at, finite_probe(tensor.as_ref()?.clone()))))
        .unzip();
    Ok(first_failed(probes)?.map(|first| at[first]))
}

/// 0 for finite values and NaN for others, `[1]` in f32.
pub(crate) fn finite_probe<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    // 0 * x is 0 for finite x and NaN otherwise, and cannot overflow when summed.
    (values.without_autodiff() * 0.0).sum().cast(DType::F32)
}

/// Position of the first [probe](finite_probe) that is not 0, by one device read.
pub(crate) fn first_failed(probes: Vec<Tensor<1>>) -> Result<Option<usize>> {
    if probes.is_empty() {
        return Ok(None);
    }
    let probes: Vec<f32> = Tensor::cat(probes, 0)
        .try_into_vec_as()
        .map_err(MlaError::read("the finiteness of values"))?;
    Ok(probes.iter().position(|&probe| probe != 0.0))
}

/// Positions of the rows with a non-finite value. Reads all values, to explain an error.
pub(crate) fn not_finite_rows(rows: &Tensor<2>) -> Result<Vec<usize>> {
    let width = rows.dims()[1].max(1);
    let values: Vec<f32> = rows
        .try_to_vec_as()
        .map_err(MlaError::read("non-finite values"))?;
    let rows = values.chunks(width).enumerate();
    let bad = rows.filter(|(_, row)| row.iter().any(|value| !value.is_finite()));
    Ok(bad.map(|(at, _)| at).collect())
}

/// The first of the non-finite rows, unless all of several rows are: batch normalization then spread
/// the values of one sample over all of them.
#[cfg(feature = "train")]
pub(crate) fn culprit(not_finite: &[usize], n_rows: usize) -> Option<usize> {
    let all = not_finite.len() == n_rows && n_rows > 1;
    not_finite.first().copied().filter(|_| !all)
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
