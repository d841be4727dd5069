//! The files of Kinetics-Sounds that are on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::KineticsSounds;
use super::annotations::part_folders;
#[cfg(feature = "audio")]
use super::clip::LENGTH;
use super::clip::{Clip, Entry};
use crate::dataset::published::media::{self, Media};
use crate::dataset::published::{DatasetError, Inventory, file_names};

/// Containers that clips are downloaded in.
const CONTAINERS: [&str; 4] = ["mp4", "mkv", "webm", "avi"];
/// The extension of a file in place of the sound of a clip that has none. It holds the size of the video in bytes.
pub(super) const NO_AUDIO: &str = "no-audio";
/// Seconds that encoders cut from a clip, or less.
#[cfg(feature = "audio")]
const TOLERANCE: f64 = 0.1;

/// The clip of the name of a video file.
pub(super) fn clip_of(name: &str) -> Option<(Clip, Option<u32>)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_video = CONTAINERS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(extension));
    is_video.then(|| Clip::parse(stem)).flatten()
}

/// Videos of clips, as they were downloaded.
#[derive(Default)]
pub(super) struct Videos {
    clips: BTreeMap<Clip, PathBuf>,
    /// Replacements of damaged videos.
    replacements: BTreeMap<Clip, PathBuf>,
    /// Files that are named like no clip.
    pub(super) unnamed: Vec<String>,
}

impl Videos {
    pub(super) fn look(root: &Path) -> Result<Self, DatasetError> {
        let mut videos = Self::default();
        for part in ["train", "val", "test"] {
            for folder in part_folders(root, part) {
                videos_in(&folder, true, &mut videos.clips, &mut videos.unnamed)?;
            }
        }
        let folder = root
            .join("replacement")
            .join("replacement_for_corrupted_k400");
        if folder.is_dir() {
            videos_in(
                &folder,
                false,
                &mut videos.replacements,
                &mut videos.unnamed,
            )?;
        }
        Ok(videos)
    }

    /// The video of a clip, or what replaces it: the replacement of the same start. One of another start is published
    /// to match by the video, and does where there is one replacement and no other clip of the video.
    pub(super) fn get(&self, clip: &Clip) -> Option<&PathBuf> {
        if let Some(same) = self.replacements.get(clip) {
            return Some(same);
        }
        let mut replacements = clip.of_video(&self.replacements);
        let only = match (replacements.next(), replacements.next()) {
            (Some((_, path)), None) => Some(path),
            _ => None,
        };
        let has_others = clip.of_video(&self.clips).any(|(other, _)| other != clip);
        let own = self.clips.get(clip);
        if has_others { own } else { only.or(own) }
    }
}

/// The videos in a folder, and in the folders of classes in it.
fn videos_in(
    folder: &Path,
    with_classes: bool,
    clips: &mut BTreeMap<Clip, PathBuf>,
    unnamed: &mut Vec<String>,
) -> Result<(), DatasetError> {
    for name in file_names(folder)? {
        let path = folder.join(&name);
        if let Some((clip, _)) = clip_of(&name) {
            clips.entry(clip).or_insert(path);
        } else if with_classes && path.is_dir() {
            videos_in(&path, false, clips, unnamed)?;
        } else {
            let folder = folder.file_name().unwrap_or_default().to_string_lossy();
            unnamed.push(format!("{folder}/{name}"));
        }
    }
    Ok(())
}

/// Prepared sound and frames of clips.
pub(super) struct Prepared {
    audio: BTreeMap<Clip, PathBuf>,
    visual: BTreeMap<Clip, PathBuf>,
    /// Clips whose video has no sound.
    silent: BTreeSet<Clip>,
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
            silent: silent_in(&own[0])?.into_keys().collect(),
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

    /// Returns true if the video of a clip has no audio.
    pub(super) fn is_silent(&self, clip: &Clip) -> bool {
        self.silent.contains(clip) && !self.audio.contains_key(clip)
    }

    /// Returns true if a clip's audio file is shorter than 10 seconds by its header.
    #[cfg(feature = "audio")]
    pub(super) fn is_short(&self, clip: &Clip) -> bool {
        let path = self
            .audio
            .get(clip)
            .filter(|path| path.extension().is_none_or(|end| end != "npy"));
        let duration = path.and_then(|path| crate::audio::AudioReader::duration(path).ok()?);
        duration.is_some_and(|duration| duration.as_secs_f64() < f64::from(LENGTH) - TOLERANCE)
    }

    #[cfg(not(feature = "audio"))]
    pub(super) fn is_short(&self, _: &Clip) -> bool {
        false
    }

    /// Clips with at least one modality.
    pub(super) fn clips(&self) -> BTreeSet<&Clip> {
        self.audio.keys().chain(self.visual.keys()).collect()
    }
}

/// The clips of which a preparation found that they have no sound, with the files that say so.
pub(super) fn silent_in(folder: &Path) -> Result<BTreeMap<Clip, PathBuf>, DatasetError> {
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let mut silent = BTreeMap::new();
    for name in file_names(folder)? {
        if let Some((stem, NO_AUDIO)) = name.rsplit_once('.')
            && let Some((clip, _)) = Clip::parse(stem)
        {
            silent.insert(clip, folder.join(&name));
        }
    }
    Ok(silent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_of_one_clip() {
        let clip = |start| Clip {
            video: "abcdefghijk".to_string(),
            start,
        };
        let files = |starts: &[u32], folder: &str| -> BTreeMap<Clip, PathBuf> {
            let file = |&start: &u32| (clip(start), PathBuf::from(format!("{folder}{start}")));
            starts.iter().map(file).collect()
        };
        let get = |clips: &[u32], replacements: &[u32], start| {
            let videos = Videos {
                clips: files(clips, "clip"),
                replacements: files(replacements, "new"),
                unnamed: vec![],
            };
            let found = videos.get(&clip(start)).and_then(|path| path.to_str());
            found.map(String::from)
        };
        let name = |name: &str| Some(name.to_string());
        // The same start, also of two replacements.
        assert_eq!(get(&[1, 50], &[50], 50), name("new50"));
        assert_eq!(get(&[1, 50], &[1, 50], 1), name("new1"));
        // Another clip of the video keeps its own.
        assert_eq!(get(&[1, 50], &[50], 1), name("clip1"));
        // The start differs, and the video has one clip.
        assert_eq!(get(&[1], &[3], 1), name("new3"));
        assert_eq!(get(&[], &[3], 1), name("new3"));
        // Which one is not known.
        assert_eq!(get(&[1], &[3, 5], 1), name("clip1"));
        assert_eq!(get(&[], &[3, 5], 1), None);
    }
}
