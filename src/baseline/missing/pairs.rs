//! Pairs of modalities, their rows, and the sizes that a correlation analysis of them can have.

use burn::config::Config;

use crate::baseline::joint::check_sizes;
use crate::error::{MlaError, Result, at_least_one, same_size};

/// The rows that the correlation of two modalities is computed from, in training.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum PairRows {
    /// All, with the mean of the training rows that have a modality in place of a missing one. Public code
    /// does this. It shrinks linear correlations by the share of rows that have both, and networks learn
    /// to correlate what is missing.
    Imputed,
    /// The rows that have both modalities, around their own means. Ours.
    CompletePairs,
}

/// The pairs `i < j` of modalities in lexicographic order.
pub(super) fn pairs(n_modalities: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n_modalities).flat_map(move |i| (i + 1..n_modalities).map(move |j| (i, j)))
}

/// Checks the sizes of a head that correlates pairs of modalities.
pub(super) fn check_pairs(
    d_features: &[usize],
    n_classes: usize,
    n_components: usize,
) -> Result<()> {
    check_sizes(d_features, n_classes)?;
    at_least_one("n_components", n_components)?;
    if d_features.len() < 2 {
        return Err(MlaError::HyperParameter {
            name: "the number of modalities",
            requirement: "at least 2",
            value: d_features.len() as f64,
        });
    }
    match d_features.iter().position(|&width| width < n_components) {
        None => Ok(()),
        Some(modality) => Err(MlaError::Components {
            modality,
            width: d_features[modality],
            n_components,
        }),
    }
}

/// Checks imputing means against the widths of the modalities.
pub(super) fn check_means(means: Option<&[Vec<f64>]>, d_features: &[usize]) -> Result<()> {
    let Some(means) = means else {
        return Ok(());
    };
    same_size(
        "imputing means (one list per modality)",
        d_features.len(),
        means.len(),
    )?;
    for (modality, (means, &width)) in means.iter().zip(d_features).enumerate() {
        let checked = same_size("imputing means of a modality", width, means.len());
        checked.map_err(|error| error.of_modality(modality))?;
        if let Some(&value) = means.iter().find(|mean| !(**mean as f32).is_finite()) {
            let error = MlaError::HyperParameter {
                name: "imputing_means",
                requirement: "finite",
                value,
            };
            return Err(error.of_modality(modality));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_in_lexicographic_order() {
        let found: Vec<_> = pairs(4).collect();
        assert_eq!(found, [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]);
        assert_eq!(pairs(1).count(), 0);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let text = |d_features: &[usize], n_components| {
            let checked = check_pairs(d_features, 3, n_components);
            checked.unwrap_err().to_string()
        };
        assert_eq!(
            text(&[4], 2),
            "the number of modalities must be at least 2, got 1"
        );
        assert_eq!(
            text(&[4, 3, 5], 4),
            "modality 1 has features of width 3, and 4 components are requested"
        );
        assert!(check_pairs(&[4, 3], 3, 0).is_err() && check_pairs(&[4, 3], 3, 3).is_ok());
    }

    #[test]
    fn means_of_other_widths_are_refused() {
        let check = |means: Vec<Vec<f64>>| check_means(Some(&means), &[2, 1]);
        assert!(check_means(None, &[2, 1]).is_ok() && check(vec![vec![0.0; 2], vec![1.0]]).is_ok());
        assert!(check(vec![vec![0.0; 2]]).is_err());
        let error = check(vec![vec![0.0; 2], vec![]]).unwrap_err().to_string();
        assert_eq!(
            error,
            "modality 1: imputing means of a modality: expected 1, got 0"
        );
        assert!(check(vec![vec![0.0, f64::NAN], vec![1.0]]).is_err());
    }
}
