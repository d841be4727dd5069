//! The modality mask of a batch or a split.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::error::{MlaError, Result, same_size};
use crate::modality::rows::check_rows;

/// Modality mask: the modalities that each sample has.
///
/// Every sample has at least one modality; constructors return an error with the first sample that
/// has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    n_samples: usize,
    n_modalities: usize,
    /// Row-major `[n_samples][n_modalities]`; `None` when everything is present.
    mask: Option<Vec<bool>>,
}

impl Presence {
    /// A complete mask, in which every sample has every modality.
    pub fn all(n_samples: usize, n_modalities: usize) -> Self {
        Self {
            n_samples,
            n_modalities,
            mask: None,
        }
    }

    /// A mask from row-major entries, `mask[sample * n_modalities + modality]`, `true` for present.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] for `n_modalities = 0`, [`MlaError::Size`] when the length of
    /// `mask` is no multiple of it, [`MlaError::NothingPresent`] for a sample without any modality.
    pub fn from_mask(mask: Vec<bool>, n_modalities: usize) -> Result<Self> {
        if n_modalities == 0 {
            return Err(MlaError::NoModalities {
                what: "a modality mask",
            });
        }
        let n_samples = mask.len() / n_modalities;
        if n_samples * n_modalities != mask.len() {
            return Err(MlaError::Size {
                what: "entries of a modality mask, a whole number of rows",
                expected: (n_samples + 1).saturating_mul(n_modalities),
                got: mask.len(),
            });
        }
        if let Some(sample) = mask
            .chunks_exact(n_modalities)
            .position(|row| !row.contains(&true))
        {
            return Err(MlaError::NothingPresent { sample });
        }
        let mask = mask.contains(&false).then_some(mask);
        Ok(Self {
            n_samples,
            n_modalities,
            mask,
        })
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Number of modalities.
    pub fn n_modalities(&self) -> usize {
        self.n_modalities
    }

    /// Whether every sample has every modality.
    pub fn is_complete(&self) -> bool {
        self.mask.is_none()
    }

    /// Whether `sample` has `modality`.
    ///
    /// # Panics
    ///
    /// If either is out of range.
    pub fn is_present(&self, sample: usize, modality: usize) -> bool {
        assert!(sample < self.n_samples && modality < self.n_modalities);
        self.mask
            .as_ref()
            .is_none_or(|mask| mask[sample * self.n_modalities + modality])
    }

    /// The samples that have `modality`, in order.
    pub fn rows(&self, modality: usize) -> Vec<usize> {
        (0..self.n_samples)
            .filter(|&sample| self.is_present(sample, modality))
            .collect()
    }

    /// The samples that have at least one of `modalities`, in order.
    ///
    /// # Panics
    ///
    /// If there are samples and a modality is out of range.
    pub fn rows_with_any(&self, modalities: &[usize]) -> Vec<usize> {
        (0..self.n_samples)
            .filter(|&sample| modalities.iter().any(|&m| self.is_present(sample, m)))
            .collect()
    }

    /// The mask of the samples at `samples`, reduced to `modalities`.
    ///
    /// # Errors
    ///
    /// [`MlaError::RowOutOfRange`] for a sample out of range, [`MlaError::NothingPresent`] for one
    /// that has none of the modalities. Both name the sample by its position in this mask.
    pub fn restricted(&self, samples: &[usize], modalities: &[usize]) -> Result<Self> {
        check_rows(samples, self.n_samples)?;
        let mask = samples.iter().flat_map(|&sample| {
            let kept = move |m| modalities.contains(&m) && self.is_present(sample, m);
            (0..self.n_modalities).map(kept)
        });
        let restricted = Self::from_mask(mask.collect(), self.n_modalities);
        restricted.map_err(|error| error.located(Some(samples), None))
    }

    /// The mask of the samples at `samples`, in that order, for example of a batch of the split.
    ///
    /// # Errors
    ///
    /// [`MlaError::RowOutOfRange`] for a sample out of range.
    pub fn select(&self, samples: &[usize]) -> Result<Self> {
        check_rows(samples, self.n_samples)?;
        let Some(mask) = &self.mask else {
            return Ok(Self::all(samples.len(), self.n_modalities));
        };
        let row = |&sample: &usize| {
            let begin = sample * self.n_modalities;
            &mask[begin..begin + self.n_modalities]
        };
        Self::from_mask(
            samples.iter().flat_map(row).copied().collect(),
            self.n_modalities,
        )
    }

    /// The entries present in both masks, which must have the same samples.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] for another number of samples, [`MlaError::ModalityCount`] for another
    /// number of modalities, [`MlaError::NothingPresent`] for a sample without any common modality.
    pub fn intersection(&self, other: &Self) -> Result<Self> {
        same_size(
            "samples of the modality mask",
            self.n_samples,
            other.n_samples,
        )?;
        if self.n_modalities != other.n_modalities {
            return Err(MlaError::ModalityCount {
                what: "the modality mask",
                expected: self.n_modalities,
                got: other.n_modalities,
            });
        }
        match (&self.mask, &other.mask) {
            (_, None) => Ok(self.clone()),
            (None, _) => Ok(other.clone()),
            (Some(mask), Some(others)) => {
                let both = mask.iter().zip(others).map(|(&one, &other)| one && other);
                Self::from_mask(both.collect(), self.n_modalities)
            }
        }
    }

    /// Share of the samples that lack `modality`; NaN without samples.
    ///
    /// # Panics
    ///
    /// If there are samples and `modality` is out of range.
    pub fn missing_share(&self, modality: usize) -> f64 {
        1.0 - self.rows(modality).len() as f64 / self.n_samples as f64
    }

    /// The missing entries as `true`, `[n_samples, n_modalities]`; `None` when nothing is missing.
    pub fn missing(&self, device: &Device) -> Option<Tensor<2, Bool>> {
        let mask = self.mask.as_ref()?;
        let missing: Vec<bool> = mask.iter().map(|present| !present).collect();
        let data = TensorData::new(missing, [self.n_samples, self.n_modalities]);
        Some(Tensor::from_data(data, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_with_nothing_present_is_named() {
        let mask = vec![true, false, false, false, true, true];
        assert_eq!(
            Presence::from_mask(mask, 2),
            Err(MlaError::NothingPresent { sample: 1 })
        );
    }

    #[test]
    fn a_full_mask_is_complete() {
        let presence = Presence::from_mask(vec![true; 6], 3).unwrap();
        assert_eq!(presence, Presence::all(2, 3));
        assert!(presence.is_complete());
    }

    #[test]
    fn rows_are_the_samples_that_have_a_modality() {
        let presence = Presence::from_mask(vec![true, false, true, true, false, true], 2).unwrap();
        assert_eq!(presence.rows(0), [0, 1]);
        assert_eq!(presence.rows(1), [1, 2]);
        assert!(!presence.is_present(0, 1));
    }

    #[test]
    fn a_restriction_has_nothing_but_what_it_keeps() {
        let presence = Presence::from_mask(vec![true, false, true, true, false, true], 2).unwrap();
        assert_eq!(presence.rows_with_any(&[1]), [1, 2]);
        assert_eq!(presence.rows_with_any(&[1, 0]), [0, 1, 2]);
        assert!(presence.rows_with_any(&[]).is_empty());
        let second = presence.restricted(&[2, 1], &[1]).unwrap();
        let expected = Presence::from_mask(vec![false, true, false, true], 2).unwrap();
        assert_eq!(second, expected);
        assert_eq!(
            presence.restricted(&[1, 0], &[1]),
            Err(MlaError::NothingPresent { sample: 0 })
        );
        assert!(presence.restricted(&[3], &[0]).is_err());
    }

    #[test]
    fn a_batch_is_selected_from_a_split() {
        let split = Presence::from_mask(vec![true, false, true, true, false, true], 2).unwrap();
        let batch = split.select(&[2, 1, 2]).unwrap();
        let expected = Presence::from_mask(vec![false, true, true, true, false, true], 2);
        assert_eq!(Ok(batch), expected);
        assert!(split.select(&[1]).unwrap().is_complete());
        assert_eq!(split.select(&[]).unwrap().n_samples(), 0);
        assert_eq!(
            split.select(&[0, 3]).unwrap_err().to_string(),
            "row 3 does not exist: there are 3, counted from 0"
        );
        let complete = Presence::all(3, 2);
        assert_eq!(complete.select(&[0, 0]), Ok(Presence::all(2, 2)));
        assert!(complete.select(&[3]).is_err());
    }

    #[test]
    fn the_intersection_has_what_both_have() {
        let masked = |mask: [bool; 4]| Presence::from_mask(mask.to_vec(), 2).unwrap();
        let first = masked([true, false, true, true]);
        let both = first.intersection(&masked([true, true, false, true]));
        assert_eq!(both, Ok(masked([true, false, false, true])));
        assert_eq!(first.intersection(&Presence::all(2, 2)), Ok(first.clone()));
        assert_eq!(Presence::all(2, 2).intersection(&first), Ok(first.clone()));
        assert_eq!(
            first.intersection(&masked([false, true, true, true])),
            Err(MlaError::NothingPresent { sample: 0 })
        );
        assert!(first.intersection(&Presence::all(3, 2)).is_err());
        assert!(first.intersection(&Presence::all(2, 3)).is_err());
        assert_eq!((first.missing_share(0), first.missing_share(1)), (0.0, 0.5));
    }

    #[test]
    fn a_ragged_mask_is_refused() {
        assert!(matches!(
            Presence::from_mask(vec![true; 5], 2),
            Err(MlaError::Size {
                got: 5,
                expected: 6,
                ..
            })
        ));
        assert!(Presence::from_mask(vec![], 0).is_err());
    }
}
