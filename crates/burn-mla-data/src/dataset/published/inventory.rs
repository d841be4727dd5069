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
    /// Number of samples of the published set or list; `None` where it is not known.
    pub n_published: Option<usize>,
    /// Samples that were left out or lack something, by reason.
    pub reasons: BTreeMap<String, Vec<SampleId>>,
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
            notes: BTreeMap::new(),
        }
    }

    /// Records a known defect of a sample that stays.
    pub(crate) fn note(&mut self, defect: impl Into<String>, id: impl Into<SampleId>) {
        self.notes.entry(defect.into()).or_default().push(id.into());
    }

    /// Records a sample under a reason.
    pub(crate) fn add(&mut self, reason: impl Into<String>, id: impl Into<SampleId>) {
        self.reasons
            .entry(reason.into())
            .or_default()
            .push(id.into());
    }

    /// The samples of a reason.
    pub fn of(&self, reason: &str) -> &[SampleId] {
        self.reasons.get(reason).map_or(&[], Vec::as_slice)
    }

    /// Whether the number of samples is that of the published set, and no sample has a reason.
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
        let reasons = self.reasons.iter().map(|reason| ("", reason));
        for (kind, (reason, ids)) in reasons.chain(notes) {
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
        let expected = "CREMA-D: 2 samples, 7442 were published\n  a git-lfs pointer: 1 (x)\n  \
                        no sound: 7 (0, 1, 2, 3, 4, ..)\n  note: silent: 1 (y)";
        assert_eq!(inventory.to_string(), expected);
    }
}
