//! Data sets without the samples that cannot be read.

use super::parallel::in_order;
use super::{FrontEnds, ManifestDataset, ManifestError};

impl<F: FrontEnds> ManifestDataset<F> {
    /// Decodes every sample, on all cores, and leaves out those that fail, of at most `max_share` of the samples. Returns
    /// the rest, and the error of each sample that was left out, which names it.
    ///
    /// Without it, the first unreadable sample stops a training. `progress` is called with the number of
    /// samples done and of all.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Unreadable`] for a larger share.
    pub fn skip_unreadable(
        &self,
        max_share: f64,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<(Self, Vec<ManifestError>), ManifestError> {
        let n_samples = self.len();
        let (mut kept, mut skipped) = (vec![], vec![]);
        let samples = self.samples();
        let error = |index: usize| self.decode(samples[index], None).err();
        in_order(n_samples, error, |index, error| {
            match error {
                None => kept.push(samples[index]),
                Some(error) => skipped.push(error),
            }
            progress(index + 1, n_samples);
        });
        let n = skipped.len();
        // A share that is no number allows nothing.
        let allowed = n as f64 <= max_share * n_samples as f64;
        match skipped.first() {
            Some(first) if !allowed || kept.is_empty() => Err(ManifestError::Unreadable {
                n,
                n_samples,
                max_share,
                first: Box::new(first.clone()),
            }),
            _ => Ok((self.with_samples(kept.into()), skipped)),
        }
    }
}
