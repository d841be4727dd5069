//! The scores of each modality alone, and how far one is ahead of the others: what methods that balance
//! modalities compare.

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};

use crate::baseline::{JointHead, ModalityFeatures};
use crate::error::Result;
use crate::modality::Targets;

/// Computes the mean probability that each modality alone gives to the true class, over the samples that
/// have it, `[1]` in f32; `None` for a modality that is missing in the batch.
///
/// `head` and `features` are without autodiff. The targets have one label per sample.
pub(in crate::baseline) fn unimodal_scores<H: JointHead>(
    head: &H,
    features: &ModalityFeatures,
    targets: &Targets,
) -> Result<Vec<Option<Tensor<1>>>> {
    let score = |modality: usize| {
        let rows = features.presence().rows(modality);
        if rows.is_empty() {
            return Ok(None);
        }
        let alone = features.restricted(&rows, &[modality])?;
        let logits = head.unimodal(&alone, modality).cast(DType::F32);
        let labels = if rows.len() == targets.len() {
            targets.clone()
        } else {
            targets.select(&rows)
        };
        let labels = labels.tensor().without_autodiff().unsqueeze_dim::<2>(1);
        Ok(Some(softmax(logits, 1).gather(1, labels).mean()))
    };
    (0..features.n_modalities()).map(score).collect()
}

/// Divides the score of a modality by the mean score of the others, `[1]`; `None` for a modality without
/// a score, or the only one with a score.
pub(in crate::baseline) fn ratio_to_others(
    scores: &[Option<Tensor<1>>],
    modality: usize,
) -> Option<Tensor<1>> {
    let others = mean_of_others(scores, modality)?;
    Some(scores[modality].clone()? / others.clamp_min(f32::MIN_POSITIVE))
}

/// The mean of the scores of all modalities except one, `[1]`; `None` without a score.
pub(in crate::baseline) fn mean_of_others(
    scores: &[Option<Tensor<1>>],
    modality: usize,
) -> Option<Tensor<1>> {
    let others = scores.iter().enumerate();
    let others: Vec<Tensor<1>> = others
        .filter(|(m, _)| *m != modality)
        .filter_map(|(_, score)| score.clone())
        .collect();
    let n_others = others.len() as f64;
    let sum = others.into_iter().reduce(|sum, score| sum + score)?;
    Some(sum / n_others)
}
