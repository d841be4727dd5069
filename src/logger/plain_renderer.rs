//! A progress display of plain lines, for logs and continuous integration.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write;
use std::time::Instant;

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricAttributes, MetricDefinition, MetricId, NumericEntry};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

/// Display with one line per epoch: the values of its metrics and the remaining time. It suits logs
/// and continuous integration, where a dashboard is of no use.
///
/// ```text
/// run 1 epoch  3/17 | train: Loss 0.912, Accuracy 71.25 % | valid: Loss 0.820, Accuracy 74.02 % | 2:13 left
/// ```
///
/// Metrics without a value for an epoch, and those with the value NaN, are left out.
pub struct PlainRenderer {
    output: Box<dyn Write + Send + Sync>,
    label: String,
    names: Option<Vec<String>>,
    definitions: HashMap<MetricId, MetricDefinition>,
    /// Values of the current split, in the order in which metrics were registered.
    values: Vec<(MetricId, f64)>,
    /// Texts of the finished splits of the epoch.
    splits: Vec<String>,
    split: String,
    n_epochs: usize,
    epochs_done: usize,
    start: Instant,
}

impl Default for PlainRenderer {
    fn default() -> Self {
        Self::new(std::io::stdout())
    }
}

impl PlainRenderer {
    /// Writes to `output`.
    pub fn new(output: impl Write + Send + Sync + 'static) -> Self {
        Self {
            output: Box::new(output),
            label: String::new(),
            names: None,
            definitions: HashMap::new(),
            values: vec![],
            splits: vec![],
            split: String::new(),
            n_epochs: 0,
            epochs_done: 0,
            start: Instant::now(),
        }
    }

    /// Starts each line with a label.
    pub fn with_label(mut self, label: &str) -> Self {
        self.label = format!("{label} ");
        self
    }

    /// Shows only the metrics with these names.
    pub fn with_metrics<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    fn update(&mut self, state: MetricState) {
        let MetricState::Numeric(entry, Some(value)) = state else {
            return;
        };
        let value: f64 = NumericEntry::current(&value);
        let known = self
            .values
            .iter_mut()
            .find(|(id, _)| *id == entry.metric_id);
        match known {
            Some((_, last)) => *last = value,
            None => self.values.push((entry.metric_id, value)),
        }
    }

    fn shown(&self, name: &str) -> bool {
        self.names
            .as_ref()
            .is_none_or(|names| names.iter().any(|shown| shown == name))
    }

    fn line(&mut self, text: &str) {
        // A failing display does not stop a training.
        let _ = writeln!(self.output, "{text}");
        let _ = self.output.flush();
    }
}

impl MetricsRendererTraining for PlainRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.update(state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.update(state);
    }
}

impl MetricsRendererEvaluation for PlainRenderer {
    fn update_test(&mut self, _name: EvaluationName, state: MetricState) {
        self.update(state);
    }
}

impl TrainingProgressLogger for PlainRenderer {
    fn start(
        &mut self,
        total_epochs: usize,
        _starting_epoch: usize,
        _total_items: Option<usize>,
        _label: Option<&str>,
    ) {
        self.n_epochs = total_epochs;
        self.start = Instant::now();
    }

    fn start_split(&mut self, split_name: &str, _total_items: usize) {
        self.split = split_name.to_string();
        self.values.clear();
    }

    fn update_split(&mut self, _items_processed: usize) {}

    fn end_split(&mut self) {
        let mut text = format!("{}:", self.split);
        let mut any = false;
        for (id, value) in &self.values {
            let Some(definition) = self.definitions.get(id) else {
                continue;
            };
            if value.is_nan() || !self.shown(&definition.name) {
                continue;
            }
            let unit = match &definition.attributes {
                MetricAttributes::Numeric(numeric) => numeric.unit.as_deref().unwrap_or(""),
                MetricAttributes::None => "",
            };
            let comma = if any { "," } else { "" };
            let digits = if unit == "%" { 1 } else { 3 };
            let _ = write!(text, "{comma} {} {value:.digits$}", definition.name);
            if !unit.is_empty() {
                let _ = write!(text, " {unit}");
            }
            any = true;
        }
        if any {
            self.splits.push(text);
        }
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.epochs_done += 1;
        let left = self.n_epochs.saturating_sub(epoch);
        let left = self.start.elapsed() * left as u32 / self.epochs_done as u32;
        let (minutes, seconds) = (left.as_secs() / 60, left.as_secs() % 60);
        let width = self.n_epochs.to_string().len();
        let splits: String = self
            .splits
            .drain(..)
            .map(|split| format!(" | {split}"))
            .collect();
        let (label, n) = (&self.label, self.n_epochs);
        let text =
            format!("{label}epoch {epoch:>width$}/{n}{splits} | {minutes}:{seconds:02} left");
        self.line(&text);
    }

    fn end(&mut self) {}

    fn log_event_training(&mut self, _event: String) {}
}

impl EvaluationProgressLogger for PlainRenderer {
    fn start_global_progress(&mut self, _total_tests: usize) {}

    fn start_test(&mut self, name: &str, total_items: usize) {
        TrainingProgressLogger::start_split(self, name, total_items);
    }

    fn update_test_progress(&mut self, _items_processed: usize) {}

    fn end_test(&mut self) {
        self.end_split();
        let splits: Vec<String> = self.splits.drain(..).collect();
        for split in splits {
            let text = format!("{}{split}", self.label);
            self.line(&text);
        }
    }

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _event: String) {}
}

impl MetricsRenderer for PlainRenderer {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.definitions
            .insert(definition.metric_id.clone(), definition);
    }
}
