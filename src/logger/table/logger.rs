//! Burn's `MetricLogger` for a table.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{
    MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericEntry,
};

use crate::logger::table::error::TableLogError;
use crate::logger::table::file::TableFile;
use crate::logger::table::row::{Format, Row, one_line};

/// Logger that writes all metrics of Burn's training loop to one table, which pandas reads directly.
///
/// Register it by Burn's `with_metric_logger`, alone or in addition to Burn's `FileMetricLogger`,
/// which writes a file per metric, epoch and split. Burn takes the numbers for early stopping and
/// for its checkpoint strategies from the logger that was registered first. This one returns the
/// same numbers, to the last bit. Burn's summary only works with files of `FileMetricLogger`.
///
/// ```no_run
/// # use burn::train::SupervisedTraining;
/// # use burn_mla::prelude::*;
/// # use burn_mla::logger::{TableLogError, TableLogHandle};
/// # type Model = Mla<(MlpEncoder, MlpEncoder), LinearHead, DefaultProjector, EntropyFusion>;
/// use burn_mla::logger::TableLogger;
///
/// # fn with_log(
/// #     training: SupervisedTraining<Model>,
/// # ) -> Result<(SupervisedTraining<Model>, TableLogHandle), TableLogError> {
/// let logger = TableLogger::csv("run/metrics.csv")?; // pandas.read_csv("run/metrics.csv")
/// let handle = logger.handle();
/// let training = training.with_metric_logger(logger);
/// // After the training:
/// if let Some(error) = handle.error() {
///     eprintln!("metrics may be missing: {error}");
/// }
/// # Ok((training, handle))
/// # }
/// ```
///
/// # Columns
///
/// | Name | Holds |
/// |---|---|
/// | `epoch` | epoch, from 1 |
/// | `split` | `train`, `valid`, or `test/` and the name of the test |
/// | `iteration` | turn or batch of the split, from 1; empty for the value of the epoch |
/// | `metric` | name of the metric, with spaces instead of line breaks |
/// | `value` | value; that of an epoch is the one that Burn uses |
/// | `count` | number of samples, or of whatever the metric averages over; empty if it does not |
/// | `unit` | unit of the metric; empty without one |
///
/// The table leaves out metrics that are not numeric, and batches without a value, such as those
/// without the modality of the metric.
///
/// Numbers are exact to the last bit. pandas 3 reads them exactly from CSV; earlier versions need
/// `read_csv(.., float_precision="round_trip")`, and `read_json` needs `precise_float=True`. NaN and
/// infinities are `NaN`, `inf` and `-inf` in CSV, and null, `"inf"` and `"-inf"` in JSON. pandas
/// converts them to numbers.
///
/// # Resumed trainings
///
/// The logger appends to an existing table. When a split of an epoch starts, the rows of that split
/// from that epoch on are removed. Repeated epochs thereby replace the old ones, and a new training
/// replaces the table. An epoch that is resumed in its middle holds the measurements since then; if
/// none were left, it keeps its rows.
///
/// A torn last line, as a killed process leaves it, is dropped.
///
/// # Errors while training
///
/// Burn's loop does not handle errors of a logger. The first one is reported by `log::error!` and
/// kept for [`TableLogHandle::error`]. The rows stay in memory, available to Burn's early stopping,
/// and the next write tries them again. The training continues.
pub struct TableLogger {
    file: TableFile,
    iterations: bool,
    definitions: HashMap<MetricId, Definition>,
    running: Vec<RunningEpoch>,
    handle: TableLogHandle,
}

struct Definition {
    name: String,
    unit: Option<String>,
}

impl TableLogger {
    /// Logs to a CSV file with a header, for `pandas.read_csv(path)`. File and folder are created if
    /// needed.
    ///
    /// # Errors
    ///
    /// [`TableLogError::Io`], and [`TableLogError::Foreign`] for a file of another kind.
    pub fn csv(path: impl AsRef<Path>) -> Result<Self, TableLogError> {
        Self::open(path.as_ref(), Format::Csv)
    }

    /// Logs to a file with a JSON object per line, for `pandas.read_json(path, lines=True)`. File and
    /// folder are created if needed.
    ///
    /// # Errors
    ///
    /// As [`csv`](Self::csv).
    pub fn json_lines(path: impl AsRef<Path>) -> Result<Self, TableLogError> {
        Self::open(path.as_ref(), Format::JsonLines)
    }

    fn open(path: &Path, format: Format) -> Result<Self, TableLogError> {
        Ok(Self {
            file: TableFile::open(path, format)?,
            iterations: false,
            definitions: HashMap::new(),
            running: vec![],
            handle: TableLogHandle {
                path: path.to_path_buf(),
                first: Arc::default(),
            },
        })
    }

    /// Logs the values of every iteration in addition to those of epochs.
    pub fn with_iterations(mut self) -> Self {
        self.iterations = true;
        self
    }

    /// A handle to keep when the logger is passed to Burn.
    pub fn handle(&self) -> TableLogHandle {
        self.handle.clone()
    }

    /// The numbers of an update, from the same text that Burn's own logger writes.
    fn points(&self, update: MetricsUpdate) -> Vec<Point> {
        let numeric = update.entries_numeric.into_iter();
        let numeric = numeric.map(|update| (update.entry, update.numeric_entry));
        let other = update.entries.into_iter().map(|entry| (entry, None));
        let point = |(entry, number): (MetricEntry, Option<NumericEntry>)| {
            if entry.serialized_entry.is_not_available() {
                return None;
            }
            let read = NumericEntry::deserialize(&entry.serialized_entry.serialized);
            Some(Point {
                metric: entry.metric_id,
                entry: read.ok().or(number)?,
            })
        };
        other.chain(numeric).filter_map(point).collect()
    }

    /// Logs the held update as an iteration, because another one follows it.
    fn iteration(&mut self, running: &mut RunningEpoch) {
        let Some(points) = running.held.take() else {
            return;
        };
        self.begin(running);
        running.n_iterations += 1;
        if self.iterations {
            for point in points {
                let (value, count) = match point.entry {
                    NumericEntry::Aggregated {
                        aggregated_value,
                        count,
                    } => (aggregated_value, Some(count)),
                    entry => (entry.current(), None),
                };
                let iteration = Some(running.n_iterations);
                self.push(running, &point.metric, iteration, value, count);
            }
            let written = self.file.flush();
            self.report(written);
        }
    }

    /// Removes the rows that the epoch replaces, once.
    fn begin(&mut self, running: &mut RunningEpoch) {
        if !running.begun {
            running.begun = true;
            self.file.remove_from(running.epoch, &running.split);
            let removed = self.file.flush();
            self.report(removed);
        }
    }

    /// Writes the values of a finished epoch.
    fn finish(&mut self, mut running: RunningEpoch) {
        let nothing_measured = running.n_iterations == 0 && running.held_is_empty();
        if nothing_measured && self.file.has(running.epoch, &running.split) {
            return;
        }
        self.begin(&mut running);
        for metric in &running.metrics {
            let (value, count) = (metric.value(), metric.count);
            self.push(&running, &metric.metric, None, value, count);
        }
        let written = self.file.flush().and_then(|()| self.file.sync());
        self.report(written);
    }

    fn push(
        &mut self,
        running: &RunningEpoch,
        metric: &MetricId,
        iteration: Option<usize>,
        value: f64,
        count: Option<usize>,
    ) {
        let Some(definition) = self.definitions.get(metric) else {
            log::warn!("{metric:?} is not logged, because it has no definition");
            return;
        };
        self.file.push(Row {
            epoch: running.epoch,
            split: running.split.clone(),
            iteration,
            metric: definition.name.clone(),
            value,
            count,
            unit: definition.unit.clone(),
        });
    }

    fn report(&self, done: io::Result<()>) {
        if let Err(error) = done {
            self.handle
                .report(TableLogError::io(self.file.path())(error));
        }
    }

    fn take(&mut self, split: &str) -> Option<RunningEpoch> {
        let at = self.running.iter().position(|epoch| epoch.split == split)?;
        Some(self.running.swap_remove(at))
    }
}

impl MetricLogger for TableLogger {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        let split = split_name(split);
        let mut running = match self.take(&split) {
            Some(mut running) => {
                self.iteration(&mut running);
                if running.epoch == epoch {
                    running
                } else {
                    RunningEpoch::new(epoch, split)
                }
            }
            None => RunningEpoch::new(epoch, split),
        };
        let points = self.points(update);
        for point in &points {
            running.add(point);
        }
        // The last update before the end of an epoch holds the values of the epoch.
        running.held = Some(points);
        self.running.push(running);
    }

    fn read_numeric(
        &mut self,
        name: &str,
        epoch: usize,
        split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        let (name, split) = (one_line(name), split_name(split));
        let rows = self.file.rows(epoch, &split);
        let rows = rows.filter(|row| row.metric == name);
        Ok(rows
            .map(|row| match (row.iteration, row.count) {
                (None, _) => NumericEntry::Final(row.value),
                (Some(_), None) => NumericEntry::Value(row.value),
                (Some(_), Some(count)) => NumericEntry::Aggregated {
                    aggregated_value: row.value,
                    count,
                },
            })
            .collect())
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        let unit = match definition.attributes {
            MetricAttributes::Numeric(attributes) => attributes.unit,
            MetricAttributes::None => None,
        };
        let text = Definition {
            name: one_line(&definition.name).into_owned(),
            unit: unit.map(|unit| one_line(&unit).into_owned()),
        };
        self.definitions.insert(definition.metric_id, text);
    }

    fn log_epoch_summary(&mut self, summary: EpochSummary) {
        if let Some(mut running) = self.take(&split_name(&summary.split)) {
            if running.epoch == summary.epoch_number {
                self.finish(running);
            } else {
                self.iteration(&mut running);
            }
        }
    }
}

impl Drop for TableLogger {
    fn drop(&mut self) {
        for mut running in std::mem::take(&mut self.running) {
            self.iteration(&mut running);
        }
        let written = self.file.flush();
        self.report(written);
    }
}

/// Path and first error of a [`TableLogger`] that was passed to Burn.
#[derive(Debug, Clone)]
pub struct TableLogHandle {
    path: PathBuf,
    first: Arc<Mutex<Option<TableLogError>>>,
}

impl TableLogHandle {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first error; `None` if there was none. It stays even if a later write succeeds.
    pub fn error(&self) -> Option<TableLogError> {
        self.slot().clone()
    }

    fn report(&self, error: TableLogError) {
        let mut slot = self.slot();
        if slot.is_none() {
            log::error!("metrics are not logged: {error}");
            *slot = Some(error);
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<TableLogError>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An unfinished epoch of a split.
struct RunningEpoch {
    epoch: usize,
    split: String,
    /// Whether the rows that it replaces are removed.
    begun: bool,
    n_iterations: usize,
    /// The last update, which is an iteration or the values of the epoch.
    held: Option<Vec<Point>>,
    metrics: Vec<EpochValue>,
}

struct Point {
    metric: MetricId,
    entry: NumericEntry,
}

/// Value of a metric in an epoch, computed from its updates as Burn computes it from its logs.
struct EpochValue {
    metric: MetricId,
    last: NumericEntry,
    /// Sum of the values, each times its count, and sum of the counts.
    sum: Option<(f64, usize)>,
    /// Number of items that the metric averages over, if known.
    count: Option<usize>,
}

impl RunningEpoch {
    fn new(epoch: usize, split: String) -> Self {
        Self {
            epoch,
            split,
            begun: false,
            n_iterations: 0,
            held: None,
            metrics: vec![],
        }
    }

    fn add(&mut self, point: &Point) {
        let known = self
            .metrics
            .iter_mut()
            .find(|value| value.metric == point.metric);
        match known {
            Some(value) => value.add(&point.entry),
            None => {
                let mut value = EpochValue {
                    metric: point.metric.clone(),
                    last: point.entry.clone(),
                    sum: None,
                    count: None,
                };
                value.add(&point.entry);
                self.metrics.push(value);
            }
        }
    }

    /// Whether the held update has only empty final values, as in an epoch that was resumed at its
    /// end. Metrics of the machine have values even then, but they are not final.
    fn held_is_empty(&self) -> bool {
        let mut finals = self.held.iter().flatten().filter_map(|point| {
            let is_final = matches!(point.entry, NumericEntry::Final(_));
            is_final.then(|| point.entry.current())
        });
        let first = finals.next();
        first.is_some_and(f64::is_nan) && finals.all(f64::is_nan)
    }
}

impl EpochValue {
    fn add(&mut self, entry: &NumericEntry) {
        self.last = entry.clone();
        let (term, n) = match *entry {
            NumericEntry::Final(_) => return,
            NumericEntry::Value(value) => (value, 1),
            NumericEntry::Aggregated {
                aggregated_value,
                count,
            } => {
                self.count = Some(self.count.unwrap_or(0) + count);
                (aggregated_value * count as f64, count)
            }
        };
        self.sum = Some(match self.sum {
            None => (term, n),
            Some((sum, count)) => (sum + term, count + n),
        });
    }

    fn value(&self) -> f64 {
        match (&self.last, self.sum) {
            (NumericEntry::Final(value), _) => *value,
            (_, Some((sum, n))) => sum / n as f64,
            (last, None) => last.current(),
        }
    }
}

fn split_name(split: &Split) -> String {
    match split {
        Split::Test(Some(name)) => format!("{split}/{}", one_line(name)),
        split => split.to_string(),
    }
}

#[cfg(test)]
mod tests;
