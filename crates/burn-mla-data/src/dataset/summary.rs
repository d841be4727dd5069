//! Counts, sizes and durations of a data set, by class, split and modality.

use std::fmt;
use std::time::Duration;

use super::{ClassNames, Split, Spread};

/// Counts of samples by class, split and modality, and sizes and durations of modalities.
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
/// assert_eq!(summary.sizes(1).map(|sizes| (sizes.min, sizes.max)), Some((4, 17)));
/// assert_eq!(summary.n_of_class(1, None), 1);
/// assert_eq!(summary.n_with_modality(0, Some(Split::Test)), 0);
/// println!("{summary}");
/// # Ok::<(), burn_mla_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSummary {
    classes: Vec<Row>,
    unlabelled: Row,
    modalities: Vec<Modality>,
    samples: Row,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Modality {
    row: Row,
    bytes: Vec<u64>,
    /// The durations that are known, in nanoseconds.
    durations: Vec<u64>,
}

impl Modality {
    fn new(name: impl Into<String>) -> Self {
        Self {
            row: Row::new(name),
            bytes: vec![],
            durations: vec![],
        }
    }
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
            modalities: modalities.into_iter().map(Modality::new).collect(),
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
                let modality = &mut self.modalities[modality];
                modality.row.counts[column] += 1;
                modality.bytes.push(*size);
            }
        }
    }

    /// Adds the duration of the sound or video of a sample, where it is known.
    ///
    /// # Panics
    ///
    /// If the modality is out of range.
    pub fn add_duration(&mut self, modality: usize, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.modalities[modality].durations.push(nanoseconds);
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
        self.modalities[modality].row.of(split)
    }

    /// Size of a modality in bytes.
    ///
    /// # Panics
    ///
    /// If the modality is out of range.
    pub fn n_bytes(&self, modality: usize) -> u64 {
        self.sizes(modality).map_or(0, |sizes| sizes.total)
    }

    /// Sizes of a modality in bytes; `None` without samples that have it.
    ///
    /// # Panics
    ///
    /// If the modality is out of range.
    pub fn sizes(&self, modality: usize) -> Option<Spread<u64>> {
        Spread::of(&self.modalities[modality].bytes)
    }

    /// Durations of a modality where they are known; `None` where none is.
    ///
    /// # Panics
    ///
    /// If the modality is out of range.
    pub fn durations(&self, modality: usize) -> Option<Spread<Duration>> {
        Spread::of(&self.modalities[modality].durations).map(Spread::nanoseconds)
    }
}

impl fmt::Display for DatasetSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.classes.iter();
        let rows = rows.chain(self.modalities.iter().map(|modality| &modality.row));
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
        for (at, modality) in self.modalities.iter().enumerate() {
            line(f, &indented(&modality.row), "")?;
            if let Some(sizes) = self.sizes(at) {
                write!(f, "    size      ")?;
                spread(f, sizes, |bytes| Bytes(bytes).to_string())?;
            }
            if let Some(durations) = self.durations(at) {
                write!(f, "    duration  ")?;
                spread(f, durations, |duration| Time(duration).to_string())?;
                let unknown = modality.row.of(None).saturating_sub(durations.n);
                if unknown > 0 {
                    writeln!(f, "              of {}; {unknown} unknown", durations.n)?;
                }
            }
        }
        Ok(())
    }
}

fn spread<T: Copy>(
    f: &mut fmt::Formatter<'_>,
    spread: Spread<T>,
    text: impl Fn(T) -> String,
) -> fmt::Result {
    let [total, min, median, max] = [spread.total, spread.min, spread.median, spread.max].map(text);
    writeln!(f, "{total} in all, {min} to {max}, median {median}")
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

/// A duration for people.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 60.0 {
            write!(f, "{seconds:.2} s")
        } else if seconds < 3600.0 {
            write!(f, "{:.1} min", seconds / 60.0)
        } else {
            write!(f, "{:.1} h", seconds / 3600.0)
        }
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
        for seconds in [90, 2, 7200] {
            summary.add_duration(1, Duration::from_secs(seconds));
        }
        let expected = "
                 train      test  no split       all
samples             12         1         1        14
classes
  cat               12         0         0        12
  dog                0         1         0         1
  no label           0         0         1         1
modalities
  image             12         0         0        12
    size      12.0 MB in all, 1.0 MB to 1.0 MB, median 1.0 MB
  text              12         1         1        14
    size      212 B in all, 4 B to 17 B, median 17 B
    duration  2.0 h in all, 2.00 s to 2.0 h, median 1.5 min
              of 3; 11 unknown
";
        assert_eq!(format!("\n{summary}"), expected);
        assert_eq!(summary.n_samples(Some(Split::Train)), 12);
        assert_eq!((summary.n_unlabelled(None), summary.n_bytes(1)), (1, 212));
    }
}
