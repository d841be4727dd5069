//! Hashes of the content of samples.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Cell, Manifest, ManifestError};
use crate::dataset::Split;

/// The hash of a value.
pub(super) struct Content {
    pub(super) sha256: [u8; 32],
    /// Whether a file has no bytes.
    pub(super) has_empty_file: bool,
}

/// Reads a value as a whole.
pub(super) fn content(cell: &Cell<'_>) -> io::Result<Content> {
    let mut hash = Sha256::new();
    let mut has_empty_file = false;
    let mut add = |path: &Path, hash: &mut Sha256| {
        let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
        let n = io::copy(&mut file, hash)?;
        has_empty_file |= n == 0;
        io::Result::Ok(n)
    };
    match cell {
        Cell::Text(text) => hash.update(text),
        Cell::File(path) => {
            add(path, &mut hash)?;
        }
        Cell::Frames { files, .. } => {
            for path in files {
                let n = add(path, &mut hash)?;
                // Frames end where they end.
                hash.update(n.to_le_bytes());
            }
        }
    }
    Ok(Content {
        sha256: hash.finalize().into(),
        has_empty_file,
    })
}

impl Manifest {
    /// The SHA-256 of a sample: of its label and of the names and contents of its modalities.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Cell`] for a file that cannot be read.
    pub fn sha256(&self, sample: usize) -> Result<[u8; 32], ManifestError> {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        let label = self.label(sample).map_or("", |label| &self.classes[label]);
        part(label.as_bytes());
        for (modality, (name, _)) in self.modalities().enumerate() {
            let Some(cell) = self.cell(sample, modality)? else {
                continue;
            };
            let content = content(&cell);
            let content = content.map_err(|e| self.unreadable(sample, modality, e.into()))?;
            part(name.as_bytes());
            part(&content.sha256);
        }
        Ok(hash.finalize().into())
    }

    /// The SHA-256 of the identities, labels and splits of samples, in this order. No file is read.
    ///
    /// # Panics
    ///
    /// If a sample is not below [`len`](Self::len).
    pub fn list_sha256(&self, samples: &[usize]) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        for &sample in samples {
            part(self.ids.cells.get(sample));
            part(self.label(sample).map_or("", |label| &self.classes[label]));
            part(self.split(sample).map_or("", Split::name));
        }
        hash.finalize().into()
    }
}
