//! Clips of Kinetics-400 and their names.

use std::collections::HashMap;

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
}

/// Seconds of a clip whose end is not known.
const LENGTH: u32 = 10;

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

fn seconds(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

impl Entry {
    pub(super) fn new(clip: Clip, end: Option<u32>, class: &str, split: Option<Split>) -> Self {
        Self {
            end: end.unwrap_or(clip.start.saturating_add(LENGTH)),
            clip,
            class: class.to_string(),
            split,
        }
    }

    /// The name of the clip in Kinetics-400, which is that of its prepared files, too.
    pub(super) fn name(&self) -> String {
        let Clip { video, start } = &self.clip;
        format!("{video}_{start:06}_{:06}", self.end)
    }
}

/// The entries without those of a clip that an earlier one has; the inventory has their names. `refuse` makes an
/// error of a clip of two splits.
pub(super) fn distinct(
    entries: Vec<Entry>,
    inventory: &mut Inventory,
    refuse: impl Fn(&Entry) -> Option<DatasetError>,
) -> Result<Vec<Entry>, DatasetError> {
    let mut splits: HashMap<Clip, Option<Split>> = HashMap::new();
    let mut kept = vec![];
    for entry in entries {
        match splits.get(&entry.clip) {
            Some(split) if *split == entry.split => inventory.add("listed twice", entry.name()),
            Some(_) => match refuse(&entry) {
                Some(error) => return Err(error),
                None => inventory.add("listed in two splits", entry.name()),
            },
            None => {
                splits.insert(entry.clip.clone(), entry.split);
                kept.push(entry);
            }
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
            parse("-aB_c-123__000012_000022"),
            clip("-aB_c-123__", 12, Some(22))
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
