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

/// Logs the metrics of Burn's training loop to one table that pandas reads at once.
///
/// For Burn's `with_metric_logger`, alone or beside Burn's `FileMetricLogger`, which writes a file
/// a metric, epoch and split. Burn reads the numbers for early stopping and for its checkpoint
/// strategies from the logger that was registered first; they are the same from this one, to the
/// last bit. The summary that Burn prints on request is of files of `FileMetricLogger` only.
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
/// | `epoch` | the epoch, from 1 |
/// | `split` | `train`, `valid`, or `test/` and the name of the test |
/// | `iteration` | the turn or batch of the split, from 1; nothing for the value of the epoch |
/// | `metric` | name of the metric; line breaks become spaces |
/// | `value` | the value; that of an epoch is the one that Burn goes by |
/// | `count` | number of samples, or whatever the metric averages over; nothing if it does not |
/// | `unit` | unit of the metric, nothing without |
///
/// Metrics that are no numbers are left out. So are batches that have no value, as those without a
/// metric's modality.
///
/// Numbers are written so that they can be read back to the last bit. pandas 3 does so from CSV;
/// before it `read_csv` takes `float_precision="round_trip"` for that, and `read_json` takes
/// `precise_float=True`. NaN and infinities are `NaN`, `inf` and `-inf` in CSV, and null, `"inf"`
/// and `"-inf"` in JSON: pandas makes numbers of them.
///
/// # Trainings that go on
///
/// An existing table is gone on with. Once a split of an epoch is begun, the rows of that split
/// from that epoch on are dropped: epochs that are trained again replace the old ones, and a
/// training that starts anew replaces the table. An epoch that is resumed in its middle holds what
/// was measured after that; where nothing was left to be measured, it keeps its rows.
///
/// A last line that is torn, by a process that was killed, is dropped.
///
/// # Errors while training
///
/// Burn's loop has no place for errors of a logger. The first one is reported by `log::error!` and
/// kept for [`TableLogHandle::error`]. The rows stay in memory, where Burn's early stopping goes on
/// finding them, and are written with the next ones if that is possible then. The training goes on.
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
    /// Logs to a CSV file with a header, for `pandas.read_csv(path)`. File and folder are made if
    /// they are not there.
    ///
    /// # Errors
    ///
    /// [`TableLogError::Io`], and [`TableLogError::Foreign`] for a file that is something else.
    pub fn csv(path: impl AsRef<Path>) -> Result<Self, TableLogError> {
        Self::open(path.as_ref(), Format::Csv)
    }

    /// Logs to a file of JSON objects, one a line, for `pandas.read_json(path, lines=True)`.
    /// File and folder are made if they are not there.
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

    /// Logs the values of every iteration as well, and not those of epochs only.
    pub fn with_iterations(mut self) -> Self {
        self.iterations = true;
        self
    }

    /// A handle that stays when the logger is given to Burn.
    pub fn handle(&self) -> TableLogHandle {
        self.handle.clone()
    }

    /// The numbers of an update. Burn's own logger goes by the same text.
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

    /// What was held back turns out to be an iteration.
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

    /// Drops the rows that the epoch replaces.
    fn begin(&mut self, running: &mut RunningEpoch) {
        if !running.begun {
            running.begun = true;
            self.file.remove_from(running.epoch, &running.split);
            let removed = self.file.flush();
            self.report(removed);
        }
    }

    /// Writes the values of an epoch that is over.
    fn finish(&mut self, mut running: RunningEpoch) {
        let nothing_measured = running.n_iterations == 0 && running.held_is_empty();
        if nothing_measured && self.file.has(running.epoch, &running.split) {
            return;
        }
        self.begin(&mut running);
        for of in &running.metrics {
            self.push(&running, &of.metric, None, of.value(), of.count);
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
            log::warn!("{metric:?} is left out of the log: Burn has not introduced it");
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
        let at = self.running.iter().position(|of| of.split == split)?;
        Some(self.running.swap_remove(at))
    }
}

impl MetricLogger for TableLogger {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        let split = split_name(split);
        let mut running = match self.take(&split) {
            Some(mut running) => {
                self.iteration(&mut running);
                match running.epoch == epoch {
                    true => running,
                    false => RunningEpoch::new(epoch, split),
                }
            }
            None => RunningEpoch::new(epoch, split),
        };
        let points = self.points(update);
        for point in &points {
            running.add(point);
        }
        // It is the value of the epoch if the epoch ends now.
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
            match running.epoch == summary.epoch_number {
                true => self.finish(running),
                false => self.iteration(&mut running),
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

/// What is left of a [`TableLogger`] when Burn has it.
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

    /// The first error, `None` if all went well. It stays when what failed was done later.
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

/// An epoch of a split that is not over.
struct RunningEpoch {
    epoch: usize,
    split: String,
    /// Whether the rows that it replaces are gone.
    begun: bool,
    n_iterations: usize,
    /// The last update: an iteration, or the values of the epoch.
    held: Option<Vec<Point>>,
    metrics: Vec<EpochValue>,
}

struct Point {
    metric: MetricId,
    entry: NumericEntry,
}

/// The value of a metric in an epoch, found from its updates as Burn finds it from its logs.
struct EpochValue {
    metric: MetricId,
    last: NumericEntry,
    /// Sum of the values, each times its count, and number of them.
    sum: Option<(f64, usize)>,
    /// Number of what the metric averages over, where it says so.
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
        let of = self.metrics.iter_mut().find(|of| of.metric == point.metric);
        match of {
            Some(of) => of.add(&point.entry),
            None => {
                let mut of = EpochValue {
                    metric: point.metric.clone(),
                    last: point.entry.clone(),
                    sum: None,
                    count: None,
                };
                of.add(&point.entry);
                self.metrics.push(of);
            }
        }
    }

    /// Whether what is held are the values of nothing: those of an epoch that was resumed at its
    /// end. Metrics of the machine have values nevertheless, and do not call them final.
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
#[path = "tests.rs"]
mod tests;
