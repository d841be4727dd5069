//! The files of Kinetics-Sounds that are on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::KineticsSounds;
use super::annotations::part_folders;
use super::clip::{Clip, Entry};
use crate::dataset::published::media::{self, Media};
use crate::dataset::published::{DatasetError, Inventory, file_names};

/// Containers that clips are downloaded in.
const CONTAINERS: [&str; 4] = ["mp4", "mkv", "webm", "avi"];
/// The extension of an empty file in place of the sound of a clip that has none.
pub(super) const NO_AUDIO: &str = "no-audio";

/// The clip of the name of a video file.
pub(super) fn clip_of(name: &str) -> Option<(Clip, Option<u32>)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_video = CONTAINERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension));
    is_video.then(|| Clip::parse(stem)).flatten()
}

/// Videos of clips, as they were downloaded.
pub(super) struct Videos {
    clips: BTreeMap<Clip, PathBuf>,
    /// Replacements of damaged videos, by the identity of the video.
    replacements: BTreeMap<String, PathBuf>,
}

impl Videos {
    pub(super) fn look(root: &Path) -> Result<Self, DatasetError> {
        let mut clips = BTreeMap::new();
        for part in ["train", "val", "test"] {
            for folder in part_folders(root, part) {
                videos_in(&folder, true, &mut clips)?;
            }
        }
        let folder = root
            .join("replacement")
            .join("replacement_for_corrupted_k400");
        let mut replaced = BTreeMap::new();
        if folder.is_dir() {
            videos_in(&folder, false, &mut replaced)?;
        }
        let replacements = replaced.into_iter().map(|(clip, path)| (clip.video, path));
        Ok(Self {
            clips,
            replacements: replacements.collect(),
        })
    }

    /// The video of a clip, or what replaces it.
    pub(super) fn get(&self, clip: &Clip) -> Option<&PathBuf> {
        let replacement = self.replacements.get(&clip.video);
        replacement.or_else(|| self.clips.get(clip))
    }
}

/// The videos in a folder, and in the folders of classes in it.
fn videos_in(
    folder: &Path,
    with_classes: bool,
    clips: &mut BTreeMap<Clip, PathBuf>,
) -> Result<(), DatasetError> {
    for name in file_names(folder)? {
        let path = folder.join(&name);
        if let Some((clip, _)) = clip_of(&name) {
            clips.entry(clip).or_insert(path);
        } else if with_classes && path.is_dir() {
            videos_in(&path, false, clips)?;
        }
    }
    Ok(())
}

/// Prepared sound and frames of clips.
pub(super) struct Prepared {
    audio: BTreeMap<Clip, PathBuf>,
    visual: BTreeMap<Clip, PathBuf>,
    /// Clips whose video has no sound.
    pub(super) silent: BTreeSet<Clip>,
    /// The folders that were searched.
    pub(super) folders: Vec<PathBuf>,
}

impl Prepared {
    pub(super) fn look(
        options: &KineticsSounds,
        root: &Path,
        inventory: &mut Inventory,
    ) -> Result<Self, DatasetError> {
        let clip = |name: &str| Clip::parse(name).map(|(clip, _)| clip);
        let own = vec![options.prepared(root).join("audio")];
        let (sounds, kind) = if options.audio_features.is_empty() {
            (own.clone(), Media::Files(&["wav"]))
        } else {
            (options.audio_features.clone(), Media::Files(&["npy"]))
        };
        let pictures = media::frame_folders(root, &options.prepared(root));
        Ok(Self {
            audio: media::find(&sounds, kind, clip, inventory)?,
            visual: media::find(&pictures, Media::Frames, clip, inventory)?,
            silent: silent_in(&own[0])?,
            folders: [sounds, pictures].concat(),
        })
    }

    /// The cells of sound and frames; empty for a modality that is missing.
    pub(super) fn cells(&self, root: &Path, entry: &Entry) -> Result<Vec<String>, DatasetError> {
        let files = [self.audio.get(&entry.clip), self.visual.get(&entry.clip)].into_iter();
        files
            .map(|file| file.map_or(Ok(String::new()), |file| media::cell(root, file)))
            .collect()
    }

    /// Clips with at least one modality.
    pub(super) fn clips(&self) -> BTreeSet<&Clip> {
        self.audio.keys().chain(self.visual.keys()).collect()
    }
}

/// The clips of which a preparation found that they have no sound.
pub(super) fn silent_in(folder: &Path) -> Result<BTreeSet<Clip>, DatasetError> {
    if !folder.is_dir() {
        return Ok(BTreeSet::new());
    }
    let names = file_names(folder)?.into_iter();
    let stem = |name: String| {
        let (stem, extension) = name.rsplit_once('.')?;
        (extension == NO_AUDIO).then(|| Clip::parse(stem)).flatten()
    };
    Ok(names.filter_map(stem).map(|(clip, _)| clip).collect())
}
