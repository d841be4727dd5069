//! Tests of the logger through Burn's interface.

use std::fs;
use std::path::PathBuf;

use burn::train::metric::SerializedEntry;
use burn::train::metric::store::NumericMetricUpdate;
use std::sync::Arc;

use super::*;

const LOSS: &str = "Loss, of \"a\"";
const AUROC: &str = "AUROC\nmacro";

fn id(name: &str) -> MetricId {
    MetricId::new(Arc::new(name.to_string()))
}

fn definition(name: &str, unit: Option<&str>) -> MetricDefinition {
    MetricDefinition {
        metric_id: id(name),
        name: Arc::new(name.to_string()),
        description: None,
        attributes: burn::train::metric::NumericAttributes {
            unit: unit.map(str::to_string),
            higher_is_better: true,
        }
        .into(),
    }
}

struct Log {
    _folder: tempfile::TempDir,
    path: PathBuf,
    json: bool,
    iterations: bool,
}

impl Log {
    fn new(json: bool, iterations: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/table");
        Self {
            _folder: folder,
            path,
            json,
            iterations,
        }
    }

    fn open(&self) -> TableLogger {
        let logger = if self.json {
            TableLogger::json_lines(&self.path)
        } else {
            TableLogger::csv(&self.path)
        };
        let mut logger = logger.unwrap();
        for (name, unit) in [(LOSS, None), (AUROC, Some("%"))] {
            logger.log_metric_definition(definition(name, unit));
        }
        if self.iterations {
            logger.with_iterations()
        } else {
            logger
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.text().lines().skip(1).map(str::to_string).collect()
    }
}

fn all() -> impl Iterator<Item = Log> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(json, iterations)| Log::new(json, iterations))
}

fn update(entries: &[(&str, &str)]) -> MetricsUpdate {
    let numeric = |&(name, text): &(&str, &str)| NumericMetricUpdate {
        entry: MetricEntry::new(
            id(name),
            SerializedEntry::new(text.to_string(), text.to_string()),
        ),
        numeric_entry: None,
        running_entry: None,
    };
    MetricsUpdate::new(vec![], entries.iter().map(numeric).collect())
}

fn epoch(logger: &mut TableLogger, epoch: usize, split: Split, updates: &[&[(&str, &str)]]) {
    for entries in updates {
        logger.log(update(entries), epoch, &split);
    }
    logger.log_epoch_summary(EpochSummary::new(epoch, split));
}

/// Two batches and their mean. A rank metric has a value only at the end.
const BATCHES: &[&[(&str, &str)]] = &[
    &[(LOSS, "0.1,4"), (AUROC, "N/A")],
    &[(LOSS, "0.3,2"), (AUROC, "N/A")],
    &[(LOSS, "0.16,final"), (AUROC, "75")],
];

fn read(logger: &mut TableLogger, name: &str, epoch: usize, split: Split) -> Vec<String> {
    let entries = logger.read_numeric(name, epoch, &split).unwrap();
    entries.iter().map(NumericEntry::serialize).collect()
}

#[test]
fn epochs_and_iterations_are_rows() {
    let log = Log::new(false, true);
    let mut logger = log.open();
    epoch(&mut logger, 1, Split::Train, BATCHES);
    assert_eq!(
        log.text(),
        "epoch,split,iteration,metric,value,count,unit\n\
         1,train,1,\"Loss, of \"\"a\"\"\",0.1,4,\n\
         1,train,2,\"Loss, of \"\"a\"\"\",0.3,2,\n\
         1,train,,\"Loss, of \"\"a\"\"\",0.16,6,\n\
         1,train,,AUROC macro,75.0,,%\n"
    );
    let log = Log::new(false, false);
    let mut logger = log.open();
    epoch(&mut logger, 1, Split::Train, BATCHES);
    assert_eq!(log.lines().len(), 2, "no iterations");
}

#[test]
fn numbers_are_read_from_the_file_also_after_a_restart() {
    for log in all() {
        let mut logger = log.open();
        epoch(&mut logger, 1, Split::Train, BATCHES);
        epoch(&mut logger, 1, Split::Valid, &[&[(LOSS, "NaN,final")]]);
        let tagged = || Split::Test(Some(Arc::new("hard, \"b\"".to_string())));
        epoch(&mut logger, 1, tagged(), &[&[(LOSS, "inf")]]);
        for _ in 0..2 {
            let expected: &[&str] = if log.iterations {
                &["0.1,4", "0.3,2", "0.16,final"]
            } else {
                &["0.16,final"]
            };
            assert_eq!(read(&mut logger, LOSS, 1, Split::Train), expected);
            assert_eq!(read(&mut logger, AUROC, 1, Split::Train), ["75,final"]);
            assert_eq!(read(&mut logger, LOSS, 1, Split::Valid), ["NaN,final"]);
            assert_eq!(read(&mut logger, LOSS, 1, tagged()), ["inf,final"]);
            assert_eq!(read(&mut logger, LOSS, 2, Split::Train), [""; 0]);
            assert_eq!(read(&mut logger, "Accuracy", 1, Split::Train), [""; 0]);
            logger = log.open();
        }
    }
}

/// Some metrics have no final value; Burn uses the mean of the values in its log.
#[test]
fn an_epoch_without_a_final_value_has_the_mean_that_burn_finds() {
    for log in all() {
        let mut logger = log.open();
        let updates: &[&[(&str, &str)]] =
            &[&[(LOSS, "0.1,4")], &[(LOSS, "0.2")], &[(LOSS, "0.7,3")]];
        epoch(&mut logger, 1, Split::Valid, updates);
        let expected = (0.1 * 4.0 + 0.2 + 0.7 * 3.0) / 8.0;
        let entries = logger.read_numeric(LOSS, 1, &Split::Valid).unwrap();
        assert!(matches!(entries.last(), Some(NumericEntry::Final(value)) if *value == expected));
    }
}

#[test]
fn a_repeated_epoch_replaces_its_rows_and_those_after_it() {
    for log in all() {
        let mut logger = log.open();
        for n in 1..=3 {
            epoch(&mut logger, n, Split::Train, BATCHES);
            epoch(&mut logger, n, Split::Valid, BATCHES);
        }
        let before = log.lines();
        drop(logger);
        let mut logger = log.open();
        let batch: &[(&str, &str)] = &[(LOSS, "5,1")];
        let updates = [batch, &[(LOSS, "5,final")]];
        logger.log(update(batch), 2, &Split::Train);
        assert_eq!(
            log.lines(),
            before,
            "the epoch may have no iteration at all"
        );
        logger.log(update(batch), 2, &Split::Train);
        assert_eq!(read(&mut logger, LOSS, 3, Split::Train), [""; 0]);
        logger.log_epoch_summary(EpochSummary::new(2, Split::Train));
        let last = read(&mut logger, LOSS, 2, Split::Train);
        assert_eq!(last.last().unwrap(), "5,final");
        assert!(!read(&mut logger, LOSS, 3, Split::Valid).is_empty());
        epoch(&mut logger, 2, Split::Valid, &updates);
        assert!(read(&mut logger, LOSS, 3, Split::Valid).is_empty());
        assert_eq!(read(&mut logger, AUROC, 1, Split::Train), ["75,final"]);
        assert_eq!(read(&mut logger, AUROC, 1, Split::Valid), ["75,final"]);
        let kept = log.text();
        epoch(&mut logger, 2, Split::Valid, &updates);
        assert_eq!(log.text(), kept, "again");
    }
}

/// A training that was stopped between its last turn and the validation.
#[test]
fn an_epoch_with_nothing_left_keeps_its_rows() {
    for log in all() {
        let mut logger = log.open();
        epoch(&mut logger, 1, Split::Train, BATCHES);
        let before = log.text();
        let mut logger = log.open();
        let nothing: &[&[(&str, &str)]] = &[&[(LOSS, "NaN,final"), (AUROC, "41.5")]];
        epoch(&mut logger, 1, Split::Train, nothing);
        assert_eq!(log.text(), before);
        epoch(&mut logger, 2, Split::Train, nothing);
        assert!(
            log.text().len() > before.len(),
            "the epoch has no rows to keep"
        );
        epoch(&mut logger, 1, Split::Train, &[&[(LOSS, "2,final")]]);
        assert_eq!(read(&mut logger, LOSS, 1, Split::Train), ["2,final"]);
    }
}

#[test]
fn an_epoch_that_is_left_unfinished_keeps_its_iterations() {
    for log in all() {
        let mut logger = log.open();
        for entries in &BATCHES[..2] {
            logger.log(update(entries), 1, &Split::Train);
        }
        drop(logger);
        let n_iterations = log.text().matches("train").count();
        assert_eq!(n_iterations, if log.iterations { 2 } else { 0 });
    }
}

#[test]
fn values_that_are_no_numbers_are_left_out() {
    for log in all() {
        let mut logger = log.open();
        let entry = MetricEntry::new(id(LOSS), SerializedEntry::new("a".into(), "text".into()));
        let text = MetricsUpdate::new(vec![entry], vec![]);
        logger.log(text, 1, &Split::Train);
        let unknown: &[(&str, &str)] = &[("without a definition", "1")];
        epoch(&mut logger, 1, Split::Train, &[unknown, unknown]);
        assert_eq!(log.text().matches("train").count(), 0);
        assert!(logger.handle().error().is_none());
    }
}

#[test]
fn a_write_that_fails_is_reported_and_done_later() {
    for log in all() {
        let mut logger = log.open();
        let handle = logger.handle();
        assert_eq!(handle.path(), log.path);
        epoch(&mut logger, 1, Split::Train, BATCHES);
        assert!(handle.error().is_none());
        let away = log.path.with_extension("away");
        fs::rename(&log.path, &away).unwrap();
        epoch(&mut logger, 2, Split::Train, BATCHES);
        let error = handle.error().unwrap().to_string();
        assert!(error.starts_with(log.path.to_str().unwrap()), "{error}");
        let last = read(&mut logger, LOSS, 2, Split::Train);
        assert_eq!(last.last().unwrap(), "0.16,final", "kept in memory");
        fs::rename(&away, &log.path).unwrap();
        drop(logger);
        assert!(handle.error().is_some());
        let mut logger = log.open();
        for n in [1, 2] {
            let last = read(&mut logger, LOSS, n, Split::Train);
            assert_eq!(last.last().unwrap(), "0.16,final");
        }
    }
}
