//! Latent vectors of samples that were not in the training set.

use burn::config::Config;
use burn::tensor::{DType, Tensor};

use crate::baseline::ModalityFeatures;
use crate::baseline::missing::cpm_net::decoder::Decoder;
use crate::error::{Result, at_least_one, not_negative, positive};
use crate::modality::{Presence, SelectRows, ZeroRows};
use crate::numeric::{Eigen, Matrix, Symmetric, cholesky, columns_to_tensor, gram};

/// The latent vectors that predictions of a [`CpmNet`](crate::baseline::CpmNet) use.
#[derive(Config, Debug, Copy, PartialEq)]
pub enum TestLatents {
    /// Least squares: the vector of least norm that reconstructs the modalities present best, of decoders
    /// without ReLU. Ours.
    ClosedForm {
        /// Added to the diagonal of the normal equations, `[0, inf)`; 0 for the pseudo-inverse.
        ridge: f64,
    },
    /// Adam on the reconstruction error of the modalities present, as the authors' code, but from a start
    /// that does not depend on chance or on the number of samples.
    Descent {
        /// Number of steps, at least 1; 1500 in GCNet's README.
        n_steps: usize,
        /// Learning rate, (0, inf); 1e-3 in the authors' code.
        learning_rate: f64,
        /// The first latent vector.
        start: DescentStart,
    },
}

/// The first latent vector of [`TestLatents::Descent`].
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum DescentStart {
    /// 0.
    Zero,
    /// The mean latent vector of the training samples.
    MeanLatent,
}

impl TestLatents {
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::ClosedForm { ridge } => not_negative("ridge", *ridge).map(drop),
            Self::Descent {
                n_steps,
                learning_rate,
                ..
            } => {
                at_least_one("n_steps", *n_steps)?;
                positive("learning_rate", *learning_rate).map(drop)
            }
        }
    }
}

/// Eigenvalues of normal equations below this share of the largest are 0: singular values below 1e-6.
const RANK: f64 = 1e-12;

/// Least squares latent vectors, `[n_samples, d_latent]`. Samples with the same modalities share a
/// factorisation.
pub(super) fn closed_form(
    decoders: &[Decoder],
    features: &ModalityFeatures,
    d_latent: usize,
    ridge: f64,
) -> Result<Tensor<2>> {
    let n_samples = features.n_samples();
    let device = features.device();
    let maps: Vec<(Matrix, Matrix)> = decoders
        .iter()
        .map(|decoder| decoder.affine(d_latent))
        .collect::<Result<_>>()?;
    let mut all = Tensor::zeros([n_samples, d_latent], (&device, DType::F32));
    for (modalities, rows) in patterns(features.presence()) {
        let heights = modalities.iter().map(|&modality| maps[modality].0.nrows());
        let mut map = Matrix::zeros(heights.sum(), d_latent);
        let mut shift = Matrix::zeros(map.nrows(), 1);
        let mut begin = 0;
        for &modality in &modalities {
            let (part, of_part) = &maps[modality];
            map.rows_mut(begin, part.nrows()).copy_from(part);
            shift.rows_mut(begin, part.nrows()).copy_from(of_part);
            begin += part.nrows();
        }
        // Rows of a tensor are columns here: h = (x - shift)' P'.
        let inverse = pseudo_inverse(&map, ridge)?;
        let shift = columns_to_tensor(&shift, &device);
        let inverse = columns_to_tensor(&inverse, &device);
        let parts = modalities.iter().map(|&modality| {
            let part = features.modality(modality).cast(DType::F32);
            part.select_rows(&rows)
        });
        let x = Tensor::cat(parts.collect::<Result<Vec<_>>>()?, 1);
        let found = (x - shift).matmul(inverse);
        all = all + found.place_rows(&rows, n_samples)?;
    }
    Ok(all)
}

/// The modalities that samples have, and the samples of each such set, from the first sample on.
fn patterns(presence: &Presence) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut patterns: Vec<(Vec<usize>, Vec<usize>)> = vec![];
    for sample in 0..presence.n_samples() {
        let has = |&modality: &usize| presence.is_present(sample, modality);
        let modalities: Vec<usize> = (0..presence.n_modalities()).filter(has).collect();
        match patterns.iter_mut().find(|(known, _)| *known == modalities) {
            Some((_, rows)) => rows.push(sample),
            None => patterns.push((modalities, vec![sample])),
        }
    }
    patterns
}

/// `A^+`, or `(A'A + ridge I)^-1 A'`, `[d_latent, height]` of `A`, `[height, d_latent]`.
fn pseudo_inverse(a: &Matrix, ridge: f64) -> Result<Matrix> {
    let wide = a.ncols() > a.nrows();
    let mut normal = if wide { gram(a) } else { a.transpose() * a };
    let inverse = if ridge > 0.0 {
        for i in 0..normal.nrows() {
            normal[(i, i)] += ridge;
        }
        cholesky(normal, "the normal equations of latent vectors")?.inverse()
    } else {
        let Eigen { values, vectors } = Symmetric::from(normal).eigen();
        let smallest = RANK * values.first().copied().unwrap_or(0.0);
        let n = values.len();
        let mut inverse = Matrix::zeros(n, n);
        for (value, vector) in values.iter().zip(vectors) {
            if *value > smallest {
                let vector = Matrix::from_vec(n, 1, vector);
                inverse += gram(&vector) / *value;
            }
        }
        inverse
    };
    Ok(if wide {
        a.transpose() * inverse
    } else {
        inverse * a.transpose()
    })
}

/// Latent vectors after Adam steps from `start`, `[n_samples, d_latent]`, on the sum of squared
/// reconstruction errors of the modalities present.
pub(super) fn descent(
    decoders: &[Decoder],
    features: &ModalityFeatures,
    start: Tensor<2>,
    n_steps: usize,
    learning_rate: f64,
) -> Tensor<2> {
    const BETA_1: f64 = 0.9;
    const BETA_2: f64 = 0.999;
    const EPSILON: f64 = 1e-8;
    let mut latents = start;
    let (mut mean, mut square) = (latents.zeros_like(), latents.zeros_like());
    for step in 1..=n_steps {
        let gradient = reconstruction_gradient(decoders, features, latents.clone());
        mean = mean * BETA_1 + gradient.clone() * (1.0 - BETA_1);
        square = square * BETA_2 + gradient.square() * (1.0 - BETA_2);
        let corrected = mean.clone() / (1.0 - BETA_1.powi(step as i32));
        let scale = (square.clone() / (1.0 - BETA_2.powi(step as i32))).sqrt() + EPSILON;
        latents = latents - corrected / scale * learning_rate;
    }
    latents
}

/// The gradient of the sum of squared reconstruction errors of the modalities present.
pub(super) fn reconstruction_gradient(
    decoders: &[Decoder],
    features: &ModalityFeatures,
    latents: Tensor<2>,
) -> Tensor<2> {
    let mut sum = latents.zeros_like();
    for (modality, decoder) in decoders.iter().enumerate() {
        let x = features.modality(modality).cast(DType::F32);
        let mut error = (decoder.forward(latents.clone()) - x) * 2.0;
        if let Some(present) = features.present(modality) {
            let absent = present.equal_elem(0.0).expand(error.dims());
            error = error.mask_fill(absent, 0.0);
        }
        sum = sum + decoder.backward(latents.clone(), error);
    }
    sum
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::tall(5, 3, 3)]
    #[case::wide(3, 5, 3)]
    #[case::without_rank(4, 4, 2)]
    fn a_pseudo_inverse_has_its_four_properties(
        #[case] rows: usize,
        #[case] columns: usize,
        #[case] rank: usize,
    ) {
        let left = Matrix::from_fn(rows, rank, |i, k| ((i + 2 * k + 1) as f64 * 1.3).sin());
        let right = Matrix::from_fn(rank, columns, |k, i| ((3 * i + k + 1) as f64 * 0.7).cos());
        let a = left * right;
        let inverse = pseudo_inverse(&a, 0.0).unwrap();
        let (one, other) = (&a * &inverse, &inverse * &a);
        assert!((&one * &a - &a).amax() < 1e-9);
        assert!((&other * &inverse - &inverse).amax() < 1e-9);
        assert!((&one - one.transpose()).amax() < 1e-9);
        assert!((&other - other.transpose()).amax() < 1e-9);
        let ridge = pseudo_inverse(&a, 1e-9).unwrap();
        assert!((ridge - inverse).amax() < 1e-6);
        assert_eq!(pseudo_inverse(&(a * 0.0), 0.0).unwrap().amax(), 0.0);
    }

    #[test]
    fn samples_with_the_same_modalities_are_together() {
        let mask = vec![true, true, false, true, true, true];
        let presence = Presence::from_mask(mask, 2).unwrap();
        let expected = [(vec![0, 1], vec![0, 2]), (vec![1], vec![1])];
        assert_eq!(patterns(&presence), expected);
    }
}
