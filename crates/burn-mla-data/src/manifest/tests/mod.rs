//! Manifests of files on the disk.

mod batches;
mod caching;
mod checks;
mod joins;
mod malformed;
mod reading;
mod resuming;
mod size;
mod splits;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::dataset::Split;

/// A folder with files.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        files
            .iter()
            .for_each(|(name, text)| folder.write(name, text));
        folder
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, name: &str) -> Result<Manifest, ManifestError> {
        ManifestConfig::new().open(self.path(name))
    }
}

/// The message of an error, without the folder of its file.
fn message(folder: &Folder, error: impl ToString) -> String {
    let path = format!("{}/", folder.0.path().display());
    error.to_string().replace(&path, "")
}

/// A table of texts, `n` samples in `n_classes` classes.
fn texts(n: usize, n_classes: usize) -> (Folder, Manifest) {
    let row = |i: usize| format!("s{i},class {},first {i},second {i}\n", i % n_classes);
    let rows: String = (0..n).map(row).collect();
    let text = format!("id,label,title,body\n{rows}");
    let folder = Folder::new(&[("data.csv", &text)]);
    let manifest = folder.open("data.csv").unwrap();
    (folder, manifest)
}
