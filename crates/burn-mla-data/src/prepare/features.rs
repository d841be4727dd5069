//! Features of sound, computed once.

use std::path::Path;

use super::{Job, PrepareConfig, PrepareError, PrepareReport, check_recipe};
use crate::audio::AudioFrontEnd;
use crate::dataset::{DatasetError, file_names, safe_name};
use crate::features::Features;
use crate::manifest::{Cell, Manifest};

/// The recipe of the files of a folder, beside them.
const RECIPE: &str = "front_end.json";

impl PrepareConfig {
    /// Computes the filter banks or spectrograms of a column of sound, and writes each to `<folder>/<id>.npy`.
    ///
    /// Nothing is augmented: an excerpt begins at the first sample. The front end is written to
    /// `front_end.json` in the folder. A folder with files of another front end, or with files but without
    /// `front_end.json` as MLA's script leaves them, is refused. A
    /// [`FeaturesFrontEnd`](crate::manifest::FeaturesFrontEnd) reads the files.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`PrepareError::Dataset`] for a column that is unknown or has no files, and an
    /// identity that cannot be the name of a file.
    pub fn save_features(
        &self,
        manifest: &Manifest,
        column: &str,
        front_end: &AudioFrontEnd,
        folder: &Path,
        progress: impl FnMut(usize, usize),
    ) -> Result<PrepareReport, PrepareError> {
        let refused = |problem: String| DatasetError::layout(manifest.path(), problem);
        let mut names = manifest.modalities();
        let modality = names.position(|(name, _)| name == column);
        let modality = modality.ok_or_else(|| refused(format!("no modality `{column}`")))?;
        let names = if folder.is_dir() {
            file_names(folder)?
        } else {
            vec![]
        };
        let first = names.iter().find(|name| name.ends_with(".npy"));
        let first = first.map(|name| folder.join(name));
        check_recipe(front_end.config(), folder, RECIPE, first.as_deref())?;
        let mut jobs = vec![];
        for sample in 0..manifest.len() {
            let id = manifest.id(sample);
            safe_name(id.as_str()).map_err(refused)?;
            if manifest.text(sample, column).is_none() {
                continue;
            }
            let output = folder.join(format!("{id}.npy"));
            jobs.push(Job::new(id, output, move |output: &Path| {
                let Some(Cell::File(path)) = manifest.cell(sample, modality)? else {
                    return Err(format!("`{column}` has no file of sound").into());
                };
                let features = front_end.read(&path)?;
                let features = Features {
                    shape: features.shape().to_vec(),
                    values: features.values().to_vec(),
                };
                features
                    .save_npy(output)
                    .map_err(super::run::BoxError::from)
            }));
        }
        self.run(&jobs, progress)
    }
}
