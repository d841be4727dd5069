//! Clips of Kinetics-400 and their names.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::published::Inventory;
use crate::dataset::{DatasetError, Split};

/// Length of an identity of YouTube.
const N_ID: usize = 11;

/// A clip: a video, and the second that it starts at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Clip {
    pub(super) video: String,
    pub(super) start: u32,
}

/// A clip of the data set, by an annotation, a list or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) clip: Clip,
    /// The second that it ends at.
    pub(super) end: u32,
    pub(super) class: String,
    pub(super) split: Option<Split>,
    pub(super) place: Place,
}

/// The list, or the file or folder, that has a clip.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    path: Arc<PathBuf>,
    /// Counted from 1; 0 for a file of a folder.
    line: u32,
}

/// Seconds of a clip whose end is not known.
pub(super) const LENGTH: u32 = 10;

impl Clip {
    /// The identity of a video: 11 characters, of which the first may be `-`.
    pub(super) fn video(text: &str) -> Option<&str> {
        let of_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let is_id = text.len() == N_ID && text.bytes().all(of_id);
        is_id.then_some(text)
    }

    /// Reads a name: `<video>_<start>_<end>` or `<video>_<start>`, in seconds with or without zeros in front.
    pub(super) fn parse(name: &str) -> Option<(Self, Option<u32>)> {
        // Identities may have `_` in them.
        let video = Self::video(name.get(..N_ID)?)?.to_string();
        let mut times = name[N_ID..].strip_prefix('_')?.split('_').map(seconds);
        let (start, end) = (times.next()??, times.next());
        let end = match end {
            Some(end) => Some(end?),
            None => None,
        };
        times
            .next()
            .is_none()
            .then_some((Self { video, start }, end))
    }
}

impl Clip {
    /// The entries of a map that are of the same video.
    pub(super) fn of_video<'a, T>(
        &self,
        map: &'a BTreeMap<Self, T>,
    ) -> impl Iterator<Item = (&'a Self, &'a T)> + use<'a, T> {
        let at = |start| Self {
            video: self.video.clone(),
            start,
        };
        map.range(at(0)..=at(u32::MAX))
    }
}

fn seconds(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

impl Place {
    pub(super) fn file(path: &Path) -> Self {
        Self {
            path: Arc::new(path.to_path_buf()),
            line: 0,
        }
    }

    /// A line of the file.
    pub(super) fn line(&self, line: u32) -> Self {
        let path = self.path.clone();
        Self { path, line }
    }

    fn refuse(&self, problem: String) -> DatasetError {
        if self.line == 0 {
            DatasetError::layout(self.path.as_path(), problem)
        } else {
            DatasetError::line(&self.path, self.line, problem)
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "on line {} of ", self.line)?;
        } else {
            f.write_str("in ")?;
        }
        write!(f, "{}", self.path.display())
    }
}

impl Entry {
    pub(super) fn new(
        clip: Clip,
        end: Option<u32>,
        class: &str,
        split: Option<Split>,
        place: Place,
    ) -> Self {
        Self {
            end: end.unwrap_or(clip.start.saturating_add(LENGTH)),
            clip,
            class: class.to_string(),
            split,
            place,
        }
    }

    /// The name of the clip in Kinetics-400, which is that of its prepared files, too.
    pub(super) fn name(&self) -> String {
        let Clip { video, start } = &self.clip;
        format!("{video}_{start:06}_{:06}", self.end)
    }
}

/// The entries without those of a clip that an earlier one has; the inventory has their names.
///
/// # Errors
///
/// A clip of two classes, and one of two splits unless `allows_splits`, as of the parts of Kinetics-400.
pub(super) fn distinct(
    entries: Vec<Entry>,
    inventory: &mut Inventory,
    allows_splits: bool,
) -> Result<Vec<Entry>, DatasetError> {
    let mut places: HashMap<Clip, usize> = HashMap::new();
    let mut kept: Vec<Entry> = vec![];
    for entry in entries {
        let Some(first) = places.get(&entry.clip).map(|&at| &kept[at]) else {
            places.insert(entry.clip.clone(), kept.len());
            kept.push(entry);
            continue;
        };
        let name = entry.name();
        if first.class != entry.class {
            let problem = format!(
                "`{name}` is `{}`, but `{}` {}",
                entry.class, first.class, first.place
            );
            return Err(entry.place.refuse(problem));
        }
        if first.split == entry.split {
            inventory.leave_out("listed twice", name);
        } else if allows_splits {
            inventory.leave_out("listed in two splits", name);
        } else {
            let problem = format!("`{name}` is also {}, in another split", first.place);
            return Err(entry.place.refuse(problem));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_by_the_length_of_the_identity() {
        let parse = |name: &str| {
            let (clip, end) = Clip::parse(name)?;
            Some((clip.video, clip.start, end))
        };
        let clip = |video: &str, start, end| Some((video.to_string(), start, end));
        assert_eq!(
            parse("-aB_c-1234__000012_000022"),
            clip("-aB_c-1234_", 12, Some(22))
        );
        assert_eq!(parse("abcdefghijk_7"), clip("abcdefghijk", 7, None));
        for name in [
            "",
            "abcdefghijk",
            "abcdefghijk_",
            "abcdefghijk_1_2_3",
            "abcdefghijk_-1",
            "abcdefghijk_1_",
            "abcdefghij_000012_000022",
            "abc/efghijk_1",
            "abc.efghijk_1",
            "abcdefghij\u{e9}_1",
            "../../../etc_1",
            "abcdefghijk_99999999999",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
