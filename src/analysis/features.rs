//! Reading features from the device.

use burn::tensor::Tensor;

use crate::error::{MlaError, Result};

/// Reads features, `[n_samples, d_feature]`, one row per sample, and checks that they are finite.
pub(super) fn read(features: &Tensor<2>, modality: Option<usize>) -> Result<Vec<Vec<f64>>> {
    let [n_samples, d_feature] = features.dims();
    if n_samples * d_feature == 0 {
        return Ok(vec![vec![]; n_samples]);
    }
    let read: Vec<f64> = features
        .try_to_vec_as()
        .map_err(MlaError::read("the features"))?;
    let rows: Vec<Vec<f64>> = read.chunks(d_feature).map(<[f64]>::to_vec).collect();
    let broken = |row: &Vec<f64>| row.iter().any(|x| !x.is_finite());
    match rows.iter().position(broken) {
        Some(sample) => Err(MlaError::NonFiniteFeatures { modality, sample }),
        None => Ok(rows),
    }
}
