//! Features of sound, computed once.

use std::path::Path;

use burn_mla::atomic_file;

use super::{Job, PrepareConfig, PrepareError, PrepareReport};
use crate::audio::AudioFrontEnd;
use crate::dataset::{DatasetError, safe_name};
use crate::error::DataError;
use crate::features::Features;
use crate::manifest::{Cell, Manifest};

/// The recipe of the files of a folder, beside them.
const RECIPE: &str = "front_end.json";

impl PrepareConfig {
    /// Computes the filter banks or spectrograms of a column of sound, and writes each to `<folder>/<id>.npy`.
    ///
    /// Nothing is augmented: an excerpt begins at the first sample. The front end is written to
    /// `front_end.json` in the folder, and a folder of another front end is refused. A
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
        check_recipe(front_end, folder)?;
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

/// Compares the front end with that of the files in the folder, and writes it to a new one.
fn check_recipe(front_end: &AudioFrontEnd, folder: &Path) -> Result<(), DataError> {
    let path = folder.join(RECIPE);
    let recipe = serde_json::to_vec_pretty(front_end.config()).map_err(DataError::file(&path))?;
    match std::fs::read(&path) {
        Ok(found) if found == recipe => Ok(()),
        Ok(_) => Err(DataError::File {
            path,
            message: "the folder has features of another front end; choose another folder".into(),
        }),
        Err(_) => {
            std::fs::create_dir_all(folder).map_err(DataError::file(folder))?;
            atomic_file::write(&path, &recipe).map_err(DataError::file(&path))
        }
    }
}
