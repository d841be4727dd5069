//! Data sets in which modalities are missing by a mask.

use burn_mla::MlaError;
use burn_mla::modality::Presence;

use super::{FrontEnds, ManifestDataset, ManifestError};

impl<F: FrontEnds> ManifestDataset<F> {
    /// The modality mask.
    ///
    /// # Errors
    ///
    /// None for a data set that was made without an error.
    pub fn presence(&self) -> Result<Presence, ManifestError> {
        let natural = self.manifest().presence(self.samples())?;
        let n = natural.n_modalities();
        let mask = self.samples().iter().zip(0..).flat_map(|(&sample, row)| {
            let natural = &natural;
            (0..n).map(move |m| natural.is_present(row, m) && self.keeps(sample, m))
        });
        let presence = Presence::from_mask(mask.collect(), n);
        presence.map_err(|error| ManifestError::file(self.manifest().path(), error))
    }

    /// Removes modalities by a mask with one row per sample of this data set, such as of a
    /// [`MissingRate`](burn_mla::modality::MissingRate) drawn within [`presence`](Self::presence). What is
    /// removed is not decoded.
    ///
    /// # Errors
    ///
    /// As [`Presence::intersection`]: another number of samples or modalities, and a sample that is left without any
    /// modality.
    pub fn with_presence(&self, presence: &Presence) -> Result<Self, MlaError> {
        let natural = self.presence().map_err(|error| MlaError::Data {
            message: error.to_string(),
        })?;
        let kept = natural.intersection(presence)?;
        let n = kept.n_modalities();
        let mut all = vec![true; self.manifest().len() * n];
        for (row, &sample) in self.samples().iter().enumerate() {
            for modality in 0..n {
                all[sample * n + modality] = kept.is_present(row, modality);
            }
        }
        let mut masked = self.clone();
        masked.kept = Some(all.into());
        Ok(masked)
    }

    pub(super) fn keeps(&self, sample: usize, modality: usize) -> bool {
        let n = self.manifest().modalities.len();
        self.kept
            .as_ref()
            .is_none_or(|kept| kept[sample * n + modality])
    }
}
