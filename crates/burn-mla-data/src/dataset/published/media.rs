//! Files of samples that are named by the sample, in one of several folders.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::{DatasetError, Inventory, file_names};
use crate::ContentType;
use crate::error::DataError;

/// Files below this size are looked into: pointers of git-lfs have about 130 bytes.
const SUSPICIOUS: u64 = 1024;

/// The folder of frames that MLA, OGM-GE and [`Ffmpeg::extract_frames`](crate::video::Ffmpeg::extract_frames) write.
pub(crate) const FRAMES: &str = "Image-01-FPS";

/// The reason of files that are named like no sample.
pub(crate) const UNNAMED: &str = "the name is not that of a published clip";

/// What the samples of a modality are on the disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Media {
    /// Files with one of these extensions.
    Files(&'static [&'static str]),
    /// Folders with the frames of a clip.
    Frames,
}

/// Finds the files of a modality, each by the key of its name. The first of several folders wins; folders
/// that are not there have nothing.
///
/// The inventory gets the names without a key, empty files and folders, and pointers of git-lfs.
pub(crate) fn find<K: Ord>(
    folders: &[PathBuf],
    media: Media,
    key: impl Fn(&str) -> Option<K>,
    inventory: &mut Inventory,
) -> Result<BTreeMap<K, PathBuf>, DatasetError> {
    let mut found = BTreeMap::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for name in file_names(folder)? {
            let path = folder.join(&name);
            let Some(stem) = media.stem(&name, &path) else {
                continue;
            };
            let Some(key) = key(stem) else {
                inventory.leave_out(UNNAMED, name);
                continue;
            };
            match media.defect(&path)? {
                Some(defect) => inventory.add(defect, stem),
                None => {
                    found.entry(key).or_insert(path);
                }
            }
        }
    }
    Ok(found)
}

impl Media {
    /// The name of a sample; `None` for a file that is of something else.
    fn stem<'a>(self, name: &'a str, path: &Path) -> Option<&'a str> {
        match self {
            Self::Files(extensions) => {
                let (stem, extension) = name.rsplit_once('.')?;
                let mut known = extensions.iter();
                known
                    .any(|known| known.eq_ignore_ascii_case(extension))
                    .then_some(stem)
            }
            Self::Frames => path.is_dir().then_some(name),
        }
    }

    /// Why a file or folder is as good as missing, by its size or first bytes.
    fn defect(self, path: &Path) -> Result<Option<String>, DataError> {
        if let Self::Frames = self {
            let is_empty = file_names(path)?.is_empty();
            return Ok(is_empty.then(|| "a folder without frames".to_string()));
        }
        let size = fs::metadata(path).map_err(DataError::file(path))?.len();
        if size >= SUSPICIOUS {
            return Ok(None);
        }
        let mut start = vec![];
        let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
        read.map_err(DataError::file(path))?;
        Ok(match ContentType::detect(&start) {
            content @ (ContentType::Empty | ContentType::GitLfsPointer) => {
                Some(content.to_string())
            }
            _ => None,
        })
    }
}

/// Where frames are: prepared ones, and those that MLA's scripts leave apart for training and test.
pub(crate) fn frame_folders(root: &Path, prepared: &Path) -> Vec<PathBuf> {
    let of_mla = ["train", "valid", "test"].map(|split| {
        let folder = format!("{split}_imgs");
        root.join("visual").join(folder).join(FRAMES)
    });
    [vec![prepared.join(FRAMES)], of_mla.to_vec()].concat()
}

/// The path of an existing file as the cell of a manifest in `root`: relative, or absolute where it is elsewhere.
///
/// Links and `..` in the folder of the file are resolved where it is named otherwise than from the root, as a manifest
/// refuses `..`. The file keeps its name.
pub(crate) fn cell(root: &Path, path: &Path) -> Result<String, DatasetError> {
    let is_plain = |inside: &&Path| {
        inside
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
    };
    let cell = match path.strip_prefix(root).ok().filter(is_plain) {
        Some(inside) => inside.to_path_buf(),
        None => {
            let (folder, name) = (path.parent(), path.file_name());
            let real_path = real(folder.unwrap_or(path))?.join(name.unwrap_or_default());
            let inside = real_path.strip_prefix(real(root)?).map(Path::to_path_buf);
            inside.unwrap_or(real_path)
        }
    };
    let text = cell.to_str();
    Ok(text
        .ok_or_else(|| DatasetError::layout(path, "the path is not in Unicode"))?
        .to_string())
}

/// The folders among these that are there and that are not in `root`, by their names or by links, as a manifest
/// allows them.
pub(crate) fn elsewhere(
    root: &Path,
    folders: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<Vec<PathBuf>, DatasetError> {
    let mut known = vec![real(root)?];
    for folder in folders {
        let folder = folder.as_ref();
        if folder.is_dir() {
            let folder = real(folder)?;
            if !known.iter().any(|known| folder.starts_with(known)) {
                known.push(folder);
            }
        }
    }
    Ok(known.split_off(1))
}

/// A path without links and `..`; that of this folder if it is empty.
fn real(path: &Path) -> Result<PathBuf, DatasetError> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    Ok(path.canonicalize().map_err(DataError::file(path))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_name_and_defects_are_recorded() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        fs::create_dir_all(&a).unwrap();
        fs::create_dir_all(b.join("12")).unwrap();
        fs::create_dir_all(b.join("13")).unwrap();
        fs::write(b.join("12/00000.jpg"), "x").unwrap();
        for name in ["1.wav", "2.WAV", "x.wav", "3.mp3"] {
            fs::write(a.join(name), "RIFF").unwrap();
        }
        fs::write(a.join("4.wav"), "").unwrap();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
        fs::write(a.join("5.wav"), pointer).unwrap();
        fs::write(b.join("1.wav"), "RIFF").unwrap();
        fs::write(b.join("5.wav"), "RIFF").unwrap();
        let folders = [a.clone(), root.path().join("none"), b.clone()];
        let mut inventory = Inventory::new("Test");
        let key = |stem: &str| stem.parse::<u32>().ok();
        let found = find(&folders, Media::Files(&["wav"]), key, &mut inventory).unwrap();
        let expected = [
            (1, a.join("1.wav")),
            (2, a.join("2.WAV")),
            (5, b.join("5.wav")),
        ];
        assert_eq!(found, BTreeMap::from(expected));
        let found = find(&folders, Media::Frames, key, &mut inventory).unwrap();
        assert_eq!(found, BTreeMap::from([(12, b.join("12"))]));
        let expected = "Test: 0 samples\n  a folder without frames: 1 (13)\n  a git-lfs pointer, whose \
                        content was not downloaded: 1 (5)\n  an empty file: 1 (4)\n  left out: the name is not \
                        that of a published clip: 1 (x.wav)";
        assert_eq!(inventory.to_string(), expected);
    }

    #[test]
    fn cells_are_relative_within_the_root() {
        let outer = tempfile::tempdir().unwrap();
        let outer = outer.path().canonicalize().unwrap();
        let root = outer.join("set");
        for folder in ["set/a/b", "other/c"] {
            fs::create_dir_all(outer.join(folder)).unwrap();
        }
        let cell = |root: &Path, path: &str| super::cell(root, &outer.join(path)).unwrap();
        assert_eq!(cell(&root, "set/a/b.wav"), "a/b.wav");
        assert_eq!(cell(&root, "set/a/../a/b.wav"), "a/b.wav");
        assert_eq!(cell(&outer.join("other/../set"), "set/a/b.wav"), "a/b.wav");
        let elsewhere = outer.join("other/c/d.npy");
        for path in ["other/c/d.npy", "set/../other/c/d.npy"] {
            assert_eq!(cell(&root, path), elsewhere.to_str().unwrap());
        }
        let folders = ["set/a", "set/none", "set/../other/c", "other/c"].map(|f| outer.join(f));
        let outside = super::elsewhere(&root, &folders).unwrap();
        assert_eq!(outside, [outer.join("other/c")]);
        // Relative to this folder.
        assert_eq!(
            super::cell(Path::new("src"), Path::new("src/../src/x")).unwrap(),
            "x"
        );
        assert_eq!(
            super::cell(Path::new("."), Path::new("src/x")).unwrap(),
            "src/x"
        );
    }

    #[cfg(unix)]
    #[test]
    fn linked_folders_are_allowed() {
        let outer = tempfile::tempdir().unwrap();
        let outer = outer.path().canonicalize().unwrap();
        let (root, scratch) = (outer.join("set"), outer.join("scratch"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(scratch.join("wav")).unwrap();
        std::os::unix::fs::symlink(&scratch, root.join("prepared")).unwrap();
        let wav = root.join("prepared/wav");
        assert_eq!(
            cell(&root, &wav.join("1.wav")).unwrap(),
            "prepared/wav/1.wav"
        );
        assert_eq!(elsewhere(&root, [&wav]).unwrap(), [scratch.join("wav")]);
    }
}
