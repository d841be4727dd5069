//! Sound that is silent: files of the right length in which nothing is heard.

use super::{Cell, Manifest, ManifestError};
use crate::audio::AudioReader;
use crate::dataset::SampleId;

impl Manifest {
    /// The samples whose sound has no value above `peak`, where 1 is full scale: 0.001 is -60 dB.
    ///
    /// Silent files are as long as others and decode without an error. `progress` is called with the number of
    /// samples done and of all.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Column`] for a column that is not a modality of files, and [`ManifestError::Cell`] for a
    /// file that cannot be decoded.
    pub fn silent_samples(
        &self,
        column: &str,
        reader: &AudioReader,
        peak: f32,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Vec<SampleId>, ManifestError> {
        let modality = self.modalities().position(|(name, _)| name == column);
        let not_files = || ManifestError::column(self.path(), column, "is not a modality of files");
        let modality = modality.ok_or_else(not_files)?;
        let mut silent = vec![];
        for sample in 0..self.len() {
            match self.cell(sample, modality)? {
                Some(Cell::File(path)) => {
                    let waveform = reader.read(&path);
                    let waveform =
                        waveform.map_err(|e| self.unreadable(sample, modality, e.into()))?;
                    if waveform.peak() <= peak {
                        silent.push(self.id(sample));
                    }
                }
                Some(_) => return Err(not_files()),
                None => {}
            }
            progress(sample + 1, self.len());
        }
        Ok(silent)
    }
}
