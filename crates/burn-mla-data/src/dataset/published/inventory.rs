//! What a data set on the disk lacks, by name.

use std::collections::BTreeMap;
use std::fmt;

use crate::dataset::SampleId;

/// Names that `Display` prints for each reason.
const SHOWN: usize = 5;

/// What a data set on the disk has and lacks, against what was published.
///
/// `Display` prints counts and the first names of each reason; the fields have all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Name of the data set.
    pub dataset: &'static str,
    /// Number of samples.
    pub n_samples: usize,
    /// Number of samples that the published set or list has under the options; `None` where it is not known.
    pub n_published: Option<usize>,
    /// Samples that are missing or lack something, by reason.
    pub reasons: BTreeMap<String, Vec<SampleId>>,
    /// Samples and files that are there but not part of the data set, by reason: of no class, on no list, left out
    /// by an option. They are not missing.
    pub left_out: BTreeMap<String, Vec<SampleId>>,
    /// Samples with a known defect that are in the data set all the same, by defect.
    pub notes: BTreeMap<String, Vec<SampleId>>,
}

impl Inventory {
    pub(crate) fn new(dataset: &'static str) -> Self {
        Self {
            dataset,
            n_samples: 0,
            n_published: None,
            reasons: BTreeMap::new(),
            left_out: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Records a known defect of a sample that stays.
    pub(crate) fn note(&mut self, defect: impl Into<String>, id: impl Into<SampleId>) {
        self.notes.entry(defect.into()).or_default().push(id.into());
    }

    /// Records a sample or file that is there but not part of the data set.
    pub(crate) fn leave_out(&mut self, reason: impl Into<String>, id: impl Into<SampleId>) {
        let ids = self.left_out.entry(reason.into()).or_default();
        ids.push(id.into());
    }

    /// Records a published sample that the options leave out: it no longer counts as published.
    pub(crate) fn leave_out_published(
        &mut self,
        reason: impl Into<String>,
        id: impl Into<SampleId>,
    ) {
        self.n_published = self.n_published.map(|n| n.saturating_sub(1));
        self.leave_out(reason, id);
    }

    /// Records a sample that is missing or lacks something.
    pub(crate) fn add(&mut self, reason: impl Into<String>, id: impl Into<SampleId>) {
        self.reasons
            .entry(reason.into())
            .or_default()
            .push(id.into());
    }

    /// The samples of a reason: those that are missing, or else those that were left out or noted.
    pub fn of(&self, reason: &str) -> &[SampleId] {
        let kinds = [&self.reasons, &self.left_out, &self.notes];
        let mut found = kinds.into_iter().filter_map(|kind| kind.get(reason));
        found.next().map_or(&[], Vec::as_slice)
    }

    /// Returns true if the number of samples is that of the published set and nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.n_published.is_none_or(|n| n == self.n_samples) && self.reasons.is_empty()
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} samples", self.dataset, self.n_samples)?;
        if let Some(n) = self.n_published.filter(|&n| n != self.n_samples) {
            write!(f, ", {n} were published")?;
        }
        let notes = self.notes.iter().map(|noted| ("note: ", noted));
        let left_out = self.left_out.iter().map(|left| ("left out: ", left));
        let reasons = self.reasons.iter().map(|reason| ("", reason));
        for (kind, (reason, ids)) in reasons.chain(left_out).chain(notes) {
            write!(f, "\n  {kind}{reason}: {} (", ids.len())?;
            for (at, id) in ids.iter().take(SHOWN).enumerate() {
                write!(f, "{}{id}", if at == 0 { "" } else { ", " })?;
            }
            f.write_str(if ids.len() > SHOWN { ", ..)" } else { ")" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inventory_names_what_is_missing() {
        let mut inventory = Inventory::new("CREMA-D");
        inventory.n_samples = 2;
        assert!(inventory.is_complete());
        assert_eq!(inventory.to_string(), "CREMA-D: 2 samples");
        inventory.n_published = Some(7442);
        assert!(!inventory.is_complete());
        for clip in 0..7 {
            inventory.add("no sound", format!("{clip}"));
        }
        inventory.add("a git-lfs pointer", "x");
        assert_eq!(inventory.of("no sound").len(), 7);
        assert!(inventory.of("no picture").is_empty());
        inventory.note("silent", "y");
        inventory.leave_out("on no list", "z");
        assert_eq!(
            (
                inventory.of("silent").len(),
                inventory.of("on no list").len()
            ),
            (1, 1)
        );
        let expected = "CREMA-D: 2 samples, 7442 were published\n  a git-lfs pointer: 1 (x)\n  \
                        no sound: 7 (0, 1, 2, 3, 4, ..)\n  left out: on no list: 1 (z)\n  \
                        note: silent: 1 (y)";
        assert_eq!(inventory.to_string(), expected);
    }

    #[test]
    fn what_was_left_out_is_not_missing() {
        let mut inventory = Inventory::new("CREMA-D");
        (inventory.n_samples, inventory.n_published) = (2, Some(3));
        inventory.leave_out("of no class", "x");
        assert!(!inventory.is_complete());
        inventory.leave_out_published("a tie of votes", "y");
        assert!(inventory.is_complete(), "{inventory}");
    }
}
