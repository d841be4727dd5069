//! The modality gap of features.

use std::error::Error;

use burn::tensor::Tensor;
use burn_mla::analysis::{ModalityGap, Pca};

use crate::compare::cell::Gap;

/// Computes the gap from batches of features, one tensor per modality, all of the same width.
pub fn measure(batches: Vec<Vec<Tensor<2>>>) -> Result<Gap, Box<dyn Error>> {
    let n_modalities = batches.first().map_or(0, Vec::len);
    let mut gap = ModalityGap::new(n_modalities)?;
    let mut each = vec![vec![]; n_modalities];
    for batch in batches {
        for (modality, features) in batch.into_iter().enumerate() {
            gap.add(modality, &features)?;
            each[modality].push(normalized(features));
        }
    }
    let each: Vec<Tensor<2>> = each
        .into_iter()
        .map(|batches| Tensor::cat(batches, 0))
        .collect();
    let pca = Pca::fit(&Tensor::cat(each.clone(), 0), 2)?;
    let [first, second] = pca.explained_variance_ratio()[..] else {
        return Err("expected two principal components".into());
    };
    let points = each.iter().map(|features| {
        let rows = pca.transform(features)?;
        Ok(rows.into_iter().map(|row| [row[0], row[1]]).collect())
    });
    Ok(Gap {
        distance: gap.mean()?,
        explained: [first, second],
        points: points.collect::<Result<_, burn_mla::MlaError>>()?,
    })
}

/// Scales rows to length 1. Rows of zeros do not change.
fn normalized(features: Tensor<2>) -> Tensor<2> {
    let length = features.clone().square().sum_dim(1).sqrt();
    features / length.clamp_min(f32::MIN_POSITIVE)
}
