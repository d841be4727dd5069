//! Counts and sizes of a data set, by class, split and modality.

use std::fmt;

use super::{ClassNames, Split};

/// Counts of samples by class, split and modality, and sizes of modalities.
///
/// `Display` prints a table:
///
/// ```
/// use burn_mla_data::dataset::{ClassNames, DatasetSummary, Split};
///
/// let classes = ClassNames::sorted(["cat", "dog"])?;
/// let mut summary = DatasetSummary::new(&classes, ["image", "text"]);
/// summary.add(Some(Split::Train), Some(0), &[Some(2048), Some(17)]);
/// summary.add(Some(Split::Test), Some(1), &[None, Some(4)]);
/// assert_eq!(summary.n_of_class(1, None), 1);
/// assert_eq!(summary.n_with_modality(0, Some(Split::Test)), 0);
/// println!("{summary}");
/// # Ok::<(), burn_mla_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSummary {
    classes: Vec<Row>,
    unlabelled: Row,
    modalities: Vec<(Row, u64)>,
    samples: Row,
}

/// Counts of train, valid, test, and of samples without a split.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: String,
    counts: [usize; 4],
}

impl Row {
    fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            counts: [0; 4],
        }
    }

    fn of(&self, split: Option<Split>) -> usize {
        match split {
            Some(split) => self.counts[split as usize],
            None => self.counts.iter().sum(),
        }
    }
}

impl DatasetSummary {
    /// An empty summary.
    pub fn new<S: Into<String>>(
        classes: &ClassNames,
        modalities: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            classes: classes.iter().map(Row::new).collect(),
            unlabelled: Row::new("no label"),
            modalities: modalities.into_iter().map(|m| (Row::new(m), 0)).collect(),
            samples: Row::new("samples"),
        }
    }

    /// Adds a sample with the size in bytes of each modality that it has.
    ///
    /// # Panics
    ///
    /// If the label or a modality is out of range.
    pub fn add(&mut self, split: Option<Split>, label: Option<usize>, sizes: &[Option<u64>]) {
        let column = split.map_or(3, |split| split as usize);
        let class = match label {
            Some(label) => &mut self.classes[label],
            None => &mut self.unlabelled,
        };
        class.counts[column] += 1;
        self.samples.counts[column] += 1;
        for (modality, size) in sizes.iter().enumerate() {
            if let Some(size) = size {
                let (row, total) = &mut self.modalities[modality];
                row.counts[column] += 1;
                *total += size;
            }
        }
    }

    /// Number of samples of a split, or of all.
    pub fn n_samples(&self, split: Option<Split>) -> usize {
        self.samples.of(split)
    }

    /// Number of samples of a class, in a split or in all.
    ///
    /// # Panics
    ///
    /// If the class is out of range.
    pub fn n_of_class(&self, class: usize, split: Option<Split>) -> usize {
        self.classes[class].of(split)
    }

    /// Number of samples without a label.
    pub fn n_unlabelled(&self, split: Option<Split>) -> usize {
        self.unlabelled.of(split)
    }

    /// Number of samples that have a modality, in a split or in all.
    ///
    /// # Panics
    ///
    /// If the modality is out of range.
    pub fn n_with_modality(&self, modality: usize, split: Option<Split>) -> usize {
        self.modalities[modality].0.of(split)
    }

    /// Size of a modality in bytes.
    ///
    /// # Panics
    ///
    /// If the modality is out of range.
    pub fn n_bytes(&self, modality: usize) -> u64 {
        self.modalities[modality].1
    }
}

impl fmt::Display for DatasetSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.classes.iter();
        let rows = rows.chain(self.modalities.iter().map(|(row, _)| row));
        let longest = rows.map(|row| row.name.chars().count()).max();
        let width = longest.unwrap_or(0).max(10) + 2;
        // The columns of splits that have samples.
        let headers = ["train", "valid", "test", "no split"];
        let shown: Vec<usize> = (0..4).filter(|&at| self.samples.counts[at] > 0).collect();
        let line = |f: &mut fmt::Formatter<'_>, row: &Row, end: &str| {
            write!(f, "{:width$}", row.name)?;
            for &at in &shown {
                write!(f, "{:>10}", row.counts[at])?;
            }
            writeln!(f, "{:>10}{end}", row.of(None))
        };
        write!(f, "{:width$}", "")?;
        for &at in &shown {
            write!(f, "{:>10}", headers[at])?;
        }
        writeln!(f, "{:>10}", "all")?;
        line(f, &self.samples, "")?;
        writeln!(f, "classes")?;
        for class in &self.classes {
            line(f, &indented(class), "")?;
        }
        if self.unlabelled.of(None) > 0 {
            line(f, &indented(&self.unlabelled), "")?;
        }
        writeln!(f, "modalities")?;
        for (row, size) in &self.modalities {
            line(f, &indented(row), &format!("  {}", Bytes(*size)))?;
        }
        Ok(())
    }
}

fn indented(row: &Row) -> Row {
    Row {
        name: format!("  {}", row.name),
        counts: row.counts,
    }
}

/// A size for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
        let mut size = self.0 as f64;
        if size < 1000.0 {
            return write!(f, "{} B", self.0);
        }
        let mut unit = "";
        for next in UNITS {
            if size < 1000.0 {
                break;
            }
            size /= 1000.0;
            unit = next;
        }
        write!(f, "{size:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_counts() {
        let classes = ClassNames::sorted(["cat", "dog"]).unwrap();
        let mut summary = DatasetSummary::new(&classes, ["image", "text"]);
        for _ in 0..12 {
            summary.add(Some(Split::Train), Some(0), &[Some(1_000_000), Some(17)]);
        }
        summary.add(Some(Split::Test), Some(1), &[None, Some(4)]);
        summary.add(None, None, &[None, Some(4)]);
        let expected = "
                 train      test  no split       all
samples             12         1         1        14
classes
  cat               12         0         0        12
  dog                0         1         0         1
  no label           0         0         1         1
modalities
  image             12         0         0        12  12.0 MB
  text              12         1         1        14  212 B
";
        assert_eq!(format!("\n{summary}"), expected);
        assert_eq!(summary.n_samples(Some(Split::Train)), 12);
        assert_eq!((summary.n_unlabelled(None), summary.n_bytes(1)), (1, 212));
    }
}
