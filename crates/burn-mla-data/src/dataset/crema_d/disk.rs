//! The files of CREMA-D that are on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::CremaD;
use super::clip::Clip;
use crate::ContentType;
use crate::dataset::published::media::{self, Media};
use crate::dataset::published::{DatasetError, Inventory};

/// The sound and frames of clips.
pub(super) struct Disk {
    audio: BTreeMap<Clip, PathBuf>,
    visual: BTreeMap<Clip, PathBuf>,
    /// The folders that were searched.
    pub(super) folders: Vec<PathBuf>,
    /// True if any media file is a git-lfs pointer.
    pub(super) has_pointers: bool,
}

impl Disk {
    pub(super) fn look(
        options: &CremaD,
        root: &Path,
        inventory: &mut Inventory,
    ) -> Result<Self, DatasetError> {
        let clip = |name: &str| Clip::parse(name).ok();
        let (sounds, kind) = if options.audio_features.is_empty() {
            (vec![root.join("AudioWAV")], Media::Files(&["wav"]))
        } else {
            (options.audio_features.clone(), Media::Files(&["npy"]))
        };
        let audio = media::find(&sounds, kind, clip, inventory)?;
        let pictures = media::frame_folders(root, &options.prepared(root));
        let visual = media::find(&pictures, Media::Frames, clip, inventory)?;
        let pointers = inventory.of(&ContentType::GitLfsPointer.to_string());
        let has_pointers = !pointers.is_empty();
        if audio.is_empty() && visual.is_empty() && !has_pointers {
            let problem =
                "no clip was found; the folder of CREMA-D has `AudioWAV` and `VideoFlash`";
            return Err(DatasetError::layout(&sounds[0], problem));
        }
        Ok(Self {
            audio,
            visual,
            folders: [sounds, pictures].concat(),
            has_pointers,
        })
    }

    /// Clips with at least one modality.
    pub(super) fn clips(&self) -> BTreeSet<Clip> {
        self.audio
            .keys()
            .chain(self.visual.keys())
            .copied()
            .collect()
    }

    /// The cells of sound and frames; empty for a modality that is missing.
    pub(super) fn cells(&self, root: &Path, clip: &Clip) -> Result<Vec<String>, DatasetError> {
        let files = [self.audio.get(clip), self.visual.get(clip)].into_iter();
        files
            .map(|file| file.map_or(Ok(String::new()), |file| media::cell(root, file)))
            .collect()
    }
}
