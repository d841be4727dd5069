//! Metrics in Burn's training loop, against values worked out on the host.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder, Progress};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Tensor};
use burn::train::logger::{FileMetricLogger, MetricLogger};
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{
    AccuracyMetric, Adaptor, AucPrMetric, AurocMetric, ClassReduction, FBetaScoreMetric,
    LossMetric, Metric, MetricDefinition, MetricId, MetricMetadata, Numeric, NumericEntry,
};
use burn::train::{ExecutionStrategy, InferenceStep, Interrupter, Learner, SupervisedTraining};
use burn_mla::method::{Branch, EvaluationOutput, StepOutput};
use burn_mla::metric::*;
use burn_mla::prelude::*;
use burn_mla::projector::Gains;

use crate::common::*;

/// Makes inputs from labels; modality 1 is missing in every sample at a position that `keep`
/// refuses.
#[derive(Clone)]
struct SampleBatcher {
    keep: fn(usize) -> bool,
}

impl Batcher<i64, MultimodalBatch<MlpInputs>> for SampleBatcher {
    fn batch(&self, labels: Vec<i64>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let (_, a, b) = samples(labels.len(), labels[0] as u64 + labels.len() as u64);
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| (self.keep)(row)).collect();
        let b: Vec<f32> = rows
            .iter()
            .flat_map(|row| b[row * D_B..][..D_B].to_vec())
            .collect();
        let b = match rows.is_empty() {
            true => None,
            false => ModalityInput::rows(matrix(b, D_B, device), rows),
        };
        let inputs = (Some(ModalityInput::all(matrix(a, D_A, device))), b);
        MultimodalBatch::new(inputs, Targets::from_labels(labels, device))
    }
}

type Batches = Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>>;

fn loader(labels: Vec<i64>, keep: fn(usize) -> bool, device: &Device) -> Batches {
    DataLoaderBuilder::new(SampleBatcher { keep })
        .batch_size(4)
        .set_device(device.clone())
        .build(InMemDataset::new(labels))
}

/// Keeps the entries of all metrics, for the test to look at after the training.
#[derive(Clone, Default)]
struct Recorder {
    names: HashMap<MetricId, String>,
    entries: Arc<Mutex<Entries>>,
}

/// By split, name and epoch.
type Entries = BTreeMap<(String, String, usize), Vec<String>>;

impl MetricLogger for Recorder {
    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        let numeric = update
            .entries_numeric
            .into_iter()
            .map(|update| update.entry);
        for entry in update.entries.into_iter().chain(numeric) {
            let key = (
                split.to_string(),
                self.names[&entry.metric_id].clone(),
                epoch,
            );
            let serialized = entry.serialized_entry.serialized;
            let mut entries = self.entries.lock().unwrap();
            entries.entry(key).or_default().push(serialized);
        }
    }

    fn read_numeric(&mut self, _: &str, _: usize, _: &Split) -> Result<Vec<NumericEntry>, String> {
        Ok(vec![])
    }

    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        let name = definition.name.to_string();
        self.names.insert(definition.metric_id, name);
    }

    fn log_epoch_summary(&mut self, _: EpochSummary) {}
}

impl Recorder {
    fn all(&self, split: &str, name: &str, epoch: usize) -> Vec<String> {
        let key = (split.to_string(), name.to_string(), epoch);
        self.entries.lock().unwrap()[&key].clone()
    }

    /// The value of an epoch, which is the last entry.
    fn value(&self, split: &str, name: &str, epoch: usize) -> f64 {
        let entries = self.all(split, name, epoch);
        NumericEntry::deserialize(entries.last().unwrap())
            .unwrap()
            .current()
    }

    fn names(&self, split: &str) -> Vec<String> {
        let entries = self.entries.lock().unwrap();
        let of_split = entries.keys().filter(|key| key.0 == split && key.2 == 1);
        of_split.map(|key| key.1.clone()).collect()
    }
}

type Model = MlpMla<RlsProjector>;

struct Run {
    initial: Model,
    trained: Model,
    recorder: Recorder,
    error: Option<String>,
    folder: tempfile::TempDir,
}

const EPOCHS: usize = 2;

fn launch(train: Batches, valid: Batches, device: &Device) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let training_device = device.clone().autodiff();
    let turns = AlternatingLoader::paired(train, 2, RoundRobin).unwrap();
    let interrupter = Interrupter::new();
    let initial =
        mlp_mla(MlaConfig::new(), rls(0.1), &training_device).with_interrupter(interrupter.clone());
    let recorder = Recorder::default();
    let training = SupervisedTraining::new(folder.path(), Arc::new(turns), valid)
        .with_training_strategy(ExecutionStrategy::single(training_device).into())
        .with_application_logger(None)
        .with_interrupter(interrupter)
        .with_metric_logger(FileMetricLogger::new(folder.path()))
        .with_metric_logger(recorder.clone())
        .modality_metrics(2, &["image", "text"])
        .unwrap()
        .calibration_metrics(2, &["image", "text"])
        .unwrap()
        .metric_valid_numeric(ProjectorGainMetric::new(ProjectorGain::Mean))
        .metric_valid_numeric(ProjectorGainMetric::new(ProjectorGain::Smallest))
        .metric_valid_numeric(ProjectorGainMetric::new(ProjectorGain::Largest))
        .metric_valid_numeric(ProjectorGainMetric::new(ProjectorGain::Mean).of_layer(7))
        // Names that are no file names.
        .metric_valid_numeric(CalibrationErrorMetric::of_modality(0, "rgb/flow"))
        .metric_valid_numeric(ModalityMetric::of_modality(
            AccuracyMetric::new(),
            0,
            "a\\b",
        ))
        .num_epochs(EPOCHS)
        .summary();
    let learner = Learner::new(initial.clone(), AdamWConfig::new().init(), 0.02);
    let result = training.launch(learner);
    Run {
        initial,
        trained: result.model,
        recorder,
        error: result.error.map(|error| error.to_string()),
        folder,
    }
}

/// A prediction on the host: logits, and the label.
type Row = (Vec<f64>, usize);

/// All rows of a branch over a loader, and the sums of the fusion weights.
#[derive(Default)]
struct Host {
    modalities: [Vec<Row>; 2],
    fused: Vec<Row>,
    weights: [f64; 2],
    /// By sample, whether modality 0, modality 1 and the fusion are right; `None` where missing.
    right: Vec<[Option<bool>; 3]>,
}

fn rows(logits: Tensor<2>) -> Vec<Vec<f64>> {
    let n_classes = logits.dims()[1];
    let values: Vec<f64> = values(logits).into_iter().map(f64::from).collect();
    values.chunks(n_classes).map(<[f64]>::to_vec).collect()
}

fn argmax(row: &[f64]) -> usize {
    let best = row.iter().copied().fold(f64::MIN, f64::max);
    row.iter().position(|&x| x == best).unwrap()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let exp: Vec<f64> = row.iter().map(|x| x.exp()).collect();
    let sum: f64 = exp.iter().sum();
    exp.iter().map(|x| x / sum).collect()
}

impl Host {
    fn of(model: &Model, batches: &Batches) -> Self {
        let mut host = Self::default();
        for batch in batches.iter() {
            let batch = batch.unwrap();
            let labels: Vec<usize> = batch.targets.labels().iter().map(|&l| l as usize).collect();
            let prediction = model.predict(batch).unwrap();
            let presence = prediction.modalities.presence().clone();
            let weights = rows(prediction.weights);
            let fused = rows(prediction.fused);
            let each = [0, 1].map(|m| rows(prediction.modalities.modality(m)));
            for (sample, &label) in labels.iter().enumerate() {
                let mut right = [None, None, Some(argmax(&fused[sample]) == label)];
                for m in 0..2 {
                    host.weights[m] += weights[sample][m];
                    if presence.is_present(sample, m) {
                        host.modalities[m].push((each[m][sample].clone(), label));
                        right[m] = Some(argmax(&each[m][sample]) == label);
                    }
                }
                host.fused.push((fused[sample].clone(), label));
                host.right.push(right);
            }
        }
        host
    }

    /// The accuracy of a branch in which a sample that lacks it is a guess.
    fn worth(&self, branch: usize) -> f64 {
        let share = |right: Option<bool>| match right {
            Some(right) => f64::from(u8::from(right)),
            None => 1.0 / N_CLASSES as f64,
        };
        let right: f64 = self.right.iter().map(|right| share(right[branch])).sum();
        right / self.right.len() as f64
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn loss(rows: &[Row]) -> f64 {
    mean(rows.iter().map(|(row, label)| -softmax(row)[*label].ln()))
}

fn accuracy(rows: &[Row]) -> f64 {
    let right = rows.iter().map(|(row, label)| argmax(row) == *label);
    100.0 * mean(right.map(|right| f64::from(u8::from(right))))
}

fn macro_f1(rows: &[Row]) -> f64 {
    let score = |class: usize| {
        let count = |f: &dyn Fn(bool, bool) -> bool| {
            let hits = rows
                .iter()
                .filter(|(row, label)| f(argmax(row) == class, *label == class));
            hits.count() as f64
        };
        let right = count(&|predicted, true_| predicted && true_);
        let wrong = count(&|predicted, true_| predicted != true_);
        2.0 * right / (2.0 * right + wrong)
    };
    let scores = (0..N_CLASSES).map(score).filter(|score| !score.is_nan());
    100.0 * mean(scores)
}

/// One class against the others: probabilities, and whether it is the true one.
fn one_against_others(rows: &[Row], class: usize) -> Vec<(f64, bool)> {
    let pairs = rows
        .iter()
        .map(|(row, label)| (softmax(row)[class], *label == class));
    pairs.collect()
}

fn auroc(rows: &[Row]) -> f64 {
    let of_class = |class| {
        let pairs = one_against_others(rows, class);
        let (mut won, mut n) = (0.0, 0.0);
        for (positive, _) in pairs.iter().filter(|pair| pair.1) {
            for (negative, _) in pairs.iter().filter(|pair| !pair.1) {
                n += 1.0;
                won += f64::from(u8::from(positive > negative));
            }
        }
        won / n
    };
    let values = (0..N_CLASSES).map(of_class).filter(|x: &f64| !x.is_nan());
    100.0 * mean(values)
}

/// Mean over the positives of the precision at their score.
fn average_precision(rows: &[Row]) -> f64 {
    let of_class = |class| {
        let pairs = one_against_others(rows, class);
        let precision = |threshold: f64| {
            mean(
                pairs
                    .iter()
                    .filter(|pair| pair.0 >= threshold)
                    .map(|pair| f64::from(u8::from(pair.1))),
            )
        };
        mean(
            pairs
                .iter()
                .filter(|pair| pair.1)
                .map(|pair| precision(pair.0)),
        )
    };
    let values = (0..N_CLASSES).map(of_class).filter(|x: &f64| !x.is_nan());
    100.0 * mean(values)
}

fn calibration_error(rows: &[Row]) -> f64 {
    let sure = |row: &[f64]| softmax(row).into_iter().fold(0.0, f64::max);
    let mut error = 0.0;
    for bin in 0..15 {
        let (low, high) = (f64::from(bin) / 15.0, f64::from(bin + 1) / 15.0);
        let members = rows
            .iter()
            .filter(|(row, _)| sure(row) > low && sure(row) <= high);
        let gaps =
            members.map(|(row, label)| f64::from(u8::from(argmax(row) == *label)) - sure(row));
        error += gaps.sum::<f64>().abs();
    }
    100.0 * error / rows.len() as f64
}

fn assert_close(got: f64, expected: f64, what: &str) {
    let near = (got - expected).abs() <= 1e-4 * expected.abs().max(1.0);
    let both_nan = got.is_nan() && expected.is_nan();
    assert!(near || both_nan, "{what}: {got} instead of {expected}");
}

fn labels(n: i64) -> Vec<i64> {
    (0..n).map(|i| (i * i + i / 4) % N_CLASSES as i64).collect()
}

/// Modality 1 is missing in some samples of each batch.
fn some(row: usize) -> bool {
    row % 3 != 1
}

fn never(_: usize) -> bool {
    false
}

fn check_views(recorder: &Recorder, host: &Host) {
    let branches = [
        ("image", &host.modalities[0]),
        ("text", &host.modalities[1]),
        ("fused", &host.fused),
    ];
    type Worked = fn(&[Row]) -> f64;
    let metrics: [(&str, Worked); 6] = [
        ("Loss", loss),
        ("Accuracy", accuracy),
        ("Macro F1", macro_f1),
        ("AUROC", auroc),
        ("mAP", average_precision),
        ("ECE", calibration_error),
    ];
    for (branch, rows) in branches {
        for (metric, worked) in metrics {
            let name = format!("{metric} {branch}");
            let value = recorder.value("valid", &name, EPOCHS);
            assert_close(value, worked(rows), &name);
        }
    }
}

#[test]
fn every_metric_of_an_epoch_is_what_the_host_works_out() {
    for device in devices() {
        let training_device = device.clone().autodiff();
        let train = loader(labels(12), some, &training_device);
        // Batches of 4, 4 and 3 samples, with modality 1 in 3, 3 and 2.
        let valid = loader(labels(11), some, &device);
        let run = launch(train.clone(), valid.clone(), &device);
        assert_eq!(run.error, None);
        let (recorder, model) = (&run.recorder, &run.trained);
        let host = Host::of(model, &valid);
        assert_eq!(host.modalities[1].len(), 8);
        check_views(recorder, &host);

        let value = |name: &str| recorder.value("valid", name, EPOCHS);
        let gap = accuracy(&host.modalities[0]) - accuracy(&host.modalities[1]);
        assert_close(value("Imbalance"), gap.abs(), "imbalance");

        for (m, name) in ["image", "text"].into_iter().enumerate() {
            let weight = value(&format!("Fusion weight {name}"));
            assert_close(weight, host.weights[m] / 11.0, name);
            let alone = host.worth(m) - 1.0 / N_CLASSES as f64;
            let joining = host.worth(2) - host.worth(1 - m);
            let shapley = value(&format!("Shapley {name}"));
            assert_close(shapley, 100.0 * (alone + joining) / 2.0, name);
        }

        // The temperatures are 1.
        for (name, of) in [
            ("image", " calibrated"),
            ("text", " calibrated"),
            ("fused", " uncalibrated"),
        ] {
            for metric in ["Loss", "ECE"] {
                let plain = format!("{metric} {name}");
                assert_close(value(&format!("{plain}{of}")), value(&plain), &plain);
            }
        }

        let projection = model.projection();
        let (rule, state) = (projection.rule(), projection.state(0));
        let gains = Gains::of(rule, state, 0, D_FEATURE, &device).unwrap();
        assert!(gains.mean < 1.0);
        assert_close(value("Projector gain"), gains.mean, "mean gain");
        assert_close(value("Projector gain smallest"), gains.smallest, "smallest");
        assert_close(value("Projector gain largest"), gains.largest, "largest");
        assert!(value("Projector gain layer 7").is_nan(), "no such layer");

        check_training(&run, train);
        check_names(&run);
    }
}

/// The training metrics of the first epoch, by the same steps taken one by one.
fn check_training(run: &Run, train: Batches) {
    let turns = AlternatingLoader::paired(train, 2, RoundRobin).unwrap();
    let mut model = run.initial.clone();
    let mut optimizer = AdamWConfig::new().init();
    let mut seen: [Vec<Row>; 2] = Default::default();
    for turn in turns.iter() {
        let output = model.try_step(turn.unwrap()).unwrap();
        let logits = rows(output.item.logits.clone());
        let labels = output.item.targets.labels();
        let labels = labels.iter().map(|&label| label as usize);
        seen[output.item.modality.unwrap()].extend(logits.into_iter().zip(labels));
        model
            .try_optimize(&mut optimizer, 0.02, output.grads)
            .unwrap();
    }
    for (rows, name) in seen.iter().zip(["image", "text"]) {
        let value = |metric: &str| run.recorder.value("train", &format!("{metric} {name}"), 1);
        assert_close(value("Loss"), loss(rows), name);
        assert_close(value("Accuracy"), accuracy(rows), name);
        // A turn of the other modality has no entry.
        let entries = run.recorder.all("train", &format!("Loss {name}"), 1);
        let absent = entries.iter().filter(|entry| *entry == "N/A").count();
        assert_eq!((entries.len(), absent), (7, 3));
    }
}

fn check_names(run: &Run) {
    let trained = ["Accuracy image", "Accuracy text", "Loss image", "Loss text"];
    assert_eq!(run.recorder.names("train"), trained);
    let mut expected: Vec<String> = vec!["Imbalance".into()];
    for name in ["image", "text", "fused"] {
        let metrics = ["Loss", "Accuracy", "Macro F1", "mAP", "AUROC", "ECE"];
        expected.extend(metrics.map(|metric| format!("{metric} {name}")));
    }
    for prediction in ["image calibrated", "text calibrated", "fused uncalibrated"] {
        expected.extend(["Loss", "ECE"].map(|metric| format!("{metric} {prediction}")));
    }
    for name in ["image", "text"] {
        expected.extend(["Fusion weight", "Shapley"].map(|metric| format!("{metric} {name}")));
    }
    let gains = ["", " smallest", " largest", " layer 7"];
    expected.extend(gains.map(|which| format!("Projector gain{which}")));
    expected.extend(["ECE rgb-flow".to_string(), "Accuracy a-b".to_string()]);
    expected.sort();
    assert_eq!(run.recorder.names("valid"), expected);
    let files = [
        ("valid", "ECE_fused"),
        ("train", "Accuracy_image"),
        ("valid", "ECE_rgb-flow"),
        ("valid", "Accuracy_a-b"),
    ];
    for (split, name) in files {
        let file = Path::new(split).join("epoch-1").join(format!("{name}.log"));
        assert!(run.folder.path().join(&file).exists(), "{file:?}");
    }
}

#[test]
fn a_modality_that_no_sample_has_is_nan() {
    for device in devices() {
        let train = loader(labels(12), some, &device.clone().autodiff());
        let valid = loader(labels(11), never, &device);
        let run = launch(train, valid.clone(), &device);
        assert_eq!(run.error, None);
        let host = Host::of(&run.trained, &valid);
        check_views(&run.recorder, &host);
        let value = |name: &str| run.recorder.value("valid", name, EPOCHS);
        for metric in ["Loss", "Accuracy", "Macro F1", "mAP", "AUROC", "ECE"] {
            let name = format!("{metric} text");
            assert!(value(&name).is_nan(), "{name}");
            assert_eq!(
                run.recorder.all("valid", &name, 1),
                ["N/A", "N/A", "N/A", "NaN,final"]
            );
        }
        assert!(value("Imbalance").is_nan(), "there is one modality only");
        assert_eq!(value("Fusion weight text"), 0.0);
        assert_close(value("Shapley text"), 0.0, "it adds nothing");
        let above_guessing = 100.0 * (host.worth(2) - 1.0 / N_CLASSES as f64);
        assert_close(value("Shapley image"), above_guessing, "it adds all");
    }
}

#[test]
fn one_class_only_spoils_nothing() {
    for device in devices() {
        let train = loader(labels(12), some, &device.clone().autodiff());
        let valid = loader(vec![1; 11], some, &device);
        let run = launch(train, valid.clone(), &device);
        assert_eq!(run.error, None);
        let host = Host::of(&run.trained, &valid);
        let value = |name: &str| run.recorder.value("valid", name, EPOCHS);
        assert_close(value("Accuracy fused"), accuracy(&host.fused), "accuracy");
        assert_close(value("Macro F1 fused"), macro_f1(&host.fused), "F1");
        assert_close(value("ECE fused"), calibration_error(&host.fused), "ECE");
        assert_close(value("mAP text"), 100.0, "all are positives");
        assert_eq!(
            value("AUROC text"),
            50.0,
            "what Burn takes where it is not defined"
        );
    }
}

#[test]
fn a_failing_evaluation_stops_the_training_and_no_metric_panics() {
    for device in devices() {
        let train = loader(labels(12), some, &device.clone().autodiff());
        let mut bad = labels(11);
        bad[5] = 9;
        let run = launch(train, loader(bad, some, &device), &device);
        let error = run.error.unwrap();
        assert!(
            error.contains("label 9 of sample 1 is out of range"),
            "{error}"
        );
        for name in [
            "Loss fused",
            "AUROC text",
            "Shapley image",
            "Fusion weight image",
        ] {
            let entries = run.recorder.all("valid", name, 1);
            let numbers = entries.iter().filter(|entry| entry.contains("NaN"));
            assert_eq!(numbers.count(), 0, "{name}: {entries:?}");
        }
    }
}

#[test]
fn a_failing_turn_makes_no_metric_panic() {
    for device in devices() {
        let train = loader(vec![0, 1, 9, 2], some, &device.clone().autodiff());
        let run = launch(train, loader(labels(4), some, &device), &device);
        assert!(run.error.unwrap().contains("label 9"));
    }
}

pub fn metadata() -> MetricMetadata {
    MetricMetadata {
        progress: Progress {
            items_processed: 1,
            items_total: 1,
            unit: None,
        },
        iteration: None,
        lr: None,
    }
}

fn evaluation(n: usize, device: &Device) -> EvaluationOutput {
    let model = mlp_mla(MlaConfig::new(), rls(0.1), device).valid();
    model.try_evaluate(batch(n, 0, device)).unwrap()
}

/// Hand-checked: scores of class 1 are 0.9, 0.8, 0.4, 0.3 for labels 1, 0, 1, 0.
#[test]
fn ranks_of_probabilities_are_those_worked_by_hand() {
    for device in devices() {
        let logits = |p: &[f64]| {
            let rows = p
                .iter()
                .flat_map(|p| [(1.0 - p).ln() as f32, p.ln() as f32]);
            matrix(rows.collect(), 2, &device)
        };
        let output = |p: &[f64], labels: &[usize]| StepOutput {
            modality: Some(1),
            loss: Tensor::zeros([1], &device),
            logits: logits(p),
            targets: Targets::new(labels.to_vec(), &device),
            weight: 2.0,
        };
        let auroc = AurocMetric::multiclass(ClassReduction::Macro);
        let mut auroc = ModalityMetric::of_modality(auroc, 1, "b").with_name("AUROC b");
        let mut map =
            ModalityMetric::of_modality(AucPrMetric::multiclass(ClassReduction::Macro), 1, "b");
        for (p, labels) in [([0.9, 0.8], [1, 0]), ([0.4, 0.3], [1, 0])] {
            let input: MetricInput = output(&p, &labels).adapt();
            auroc.update(&input, &metadata()).unwrap();
            map.update(&input, &metadata()).unwrap();
        }
        auroc.compute().unwrap();
        map.compute().unwrap();
        // Of the 4 pairs of a positive and a negative 3 are in order, for either class.
        assert_eq!(auroc.final_value().current(), 75.0);
        // Class 1 by rank: 1, 0, 1, 0, so (1/1 + 2/3) / 2. Class 0 by rank: 0.7 yes, 0.6 no,
        // 0.2 yes, 0.1 no: the same.
        let expected = 100.0 * (1.0 + 2.0 / 3.0) / 2.0;
        assert_close(map.final_value().current(), expected, "mAP");
    }
}

#[test]
fn a_metric_stays_as_it_is_where_its_view_is_absent() {
    for device in devices() {
        let turn = StepOutput {
            modality: Some(0),
            loss: Tensor::zeros([1], &device),
            logits: matrix(vec![2.0, 0.0, 2.0, 0.0], 2, &device),
            targets: Targets::new([0, 1], &device),
            weight: 2.0,
        };
        let input: MetricInput = turn.adapt();
        let mut seen = ModalityMetric::of_modality(AccuracyMetric::new(), 0, "a");
        assert!(!seen.update(&input, &metadata()).unwrap().is_not_available());
        assert_eq!(seen.value().unwrap().current(), 50.0);

        let other = StepOutput {
            modality: Some(1),
            ..turn
        };
        let other: MetricInput = other.adapt();
        let entry = seen.update(&other, &metadata()).unwrap();
        assert_eq!(entry.formatted, "epoch N/A % - batch N/A %");
        assert!(seen.value().is_none(), "not the value of an earlier batch");
        assert_eq!(seen.running_value().unwrap().current(), 50.0);
        seen.compute().unwrap();
        assert_eq!(seen.final_value().current(), 50.0);
        seen.clear();
        assert!(seen.running_value().is_none());
        assert!(seen.final_value().current().is_nan());

        // There is no fused prediction in training, and no third modality.
        let mut fused = ModalityMetric::fused(LossMetric::new());
        assert_eq!(*fused.name(), "Loss fused");
        assert!(
            fused
                .update(&input, &metadata())
                .unwrap()
                .is_not_available()
        );
        let evaluated: MetricInput = evaluation(5, &device).adapt();
        assert!(evaluated.branch(Branch::Modality(2)).is_none());
        assert_eq!(evaluated.branch(Branch::Fused).unwrap().loss.dims(), [5]);
    }
}

#[test]
fn metrics_of_modalities_that_do_not_exist_are_nan() {
    let device = Device::flex();
    let output = evaluation(5, &device);
    let mut weight = FusionWeightMetric::of_modality(2, "c");
    let mut shapley = ShapleyMetric::of_modality(2, "c");
    let mut gain = ProjectorGainMetric::new(ProjectorGain::Mean).of_modality(2, "c");
    let mut error = CalibrationErrorMetric::of_modality(2, "c");
    weight.update(&output.adapt(), &metadata()).unwrap();
    shapley.update(&output.adapt(), &metadata()).unwrap();
    gain.update(&output.adapt(), &metadata()).unwrap();
    error.update(&output.adapt(), &metadata()).unwrap();
    assert!(weight.final_value().current().is_nan());
    assert!(shapley.final_value().current().is_nan());
    assert!(gain.final_value().current().is_nan());
    assert!(error.final_value().current().is_nan());
    assert_eq!(*gain.name(), "Projector gain c");
    assert!(CalibrationErrorMetric::fused().with_bins(0).is_err());
}

#[test]
fn a_failed_evaluation_tells_metrics_nothing() {
    let device = Device::flex();
    let interrupter = Interrupter::new();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device).with_interrupter(interrupter);
    let mut bad = batch(3, 0, &device);
    bad.targets = Targets::from_labels(vec![0, 1, 7], &device);
    let output = InferenceStep::step(&model.valid(), bad);
    assert!(output.modalities.is_none() && output.evaluated.is_none());
    let input: MetricInput = output.adapt();
    assert!(input.branch(Branch::Fused).is_none());
    let mut imbalance = ImbalanceMetric::new();
    imbalance.update(&input, &metadata()).unwrap();
    assert!(imbalance.running_value().is_none());
    let mut gain = ProjectorGainMetric::new(ProjectorGain::Largest);
    gain.update(&output.adapt(), &metadata()).unwrap();
    assert!(gain.final_value().current().is_nan());
    let entry = gain.compute().unwrap();
    assert_eq!(entry.serialized, "NaN,final");
}

#[test]
fn more_modalities_than_subsets_are_fused_for_have_no_shapley_value() {
    let device = Device::flex();
    let encoders: Vec<MlpEncoder> = (0..9)
        .map(|_| MlpEncoderConfig::new(2, D_FEATURE).init(&device).unwrap())
        .collect();
    let fusion = EntropyFusionConfig::new(9).init(&device).unwrap();
    let model = Mla::new(encoders, linear_head(&device), rls(0.1), fusion).unwrap();
    let inputs = vec![Tensor::<2>::ones([2, 2], &device); 9];
    let batch = MultimodalBatch::paired(inputs, Targets::new([0, 1], &device));
    let output = model.try_evaluate(batch).unwrap();
    let evaluated = output.evaluated.as_ref().unwrap();
    let mut shapley = ShapleyMetric::of_modality(0, "first");
    shapley.update(&output.adapt(), &metadata()).unwrap();
    assert!(shapley.running_value().is_none());
    assert!(shapley.final_value().current().is_nan());
    assert!(evaluated.gains(0, 8).unwrap().is_some());
    assert!(evaluated.gains(0, 9).unwrap().is_none());
}

/// As those of a turn that failed, or of a model whose check for them is off.
#[test]
fn logits_that_are_not_finite_panic_nowhere() {
    fn see<M: Metric + Numeric>(mut metric: M, input: &M::Input) -> f64 {
        metric.update(input, &metadata()).unwrap();
        metric.compute().unwrap();
        metric.final_value().current()
    }
    for device in devices() {
        let mut logits = vec![0.5, 0.2, 0.1, f32::NAN, 1.0, 2.0, 0.3, 0.9, 0.4];
        for _ in 0..2 {
            let input: MetricInput = StepOutput {
                modality: Some(0),
                loss: Tensor::full([1], f32::NAN, &device),
                logits: matrix(logits.clone(), 3, &device),
                targets: Targets::new([0, 0, 1], &device),
                weight: 3.0,
            }
            .adapt();
            let classes = ClassReduction::Macro;
            let name = "a";
            assert!(
                see(
                    ModalityMetric::of_modality(LossMetric::new(), 0, name),
                    &input
                )
                .is_nan()
            );
            assert!(see(CalibrationErrorMetric::of_modality(0, name), &input).is_nan());
            see(
                ModalityMetric::of_modality(AccuracyMetric::new(), 0, name),
                &input,
            );
            let f1 = FBetaScoreMetric::multiclass(1.0, 1, classes);
            see(ModalityMetric::of_modality(f1, 0, name), &input);
            let auroc = AurocMetric::multiclass(classes);
            see(ModalityMetric::of_modality(auroc, 0, name), &input);
            let map = AucPrMetric::multiclass(classes);
            see(ModalityMetric::of_modality(map, 0, name), &input);
            see(ImbalanceMetric::new(), &input);
            logits = vec![f32::NAN; 9];
        }
    }
}

/// The value of a metric over one batch.
fn measured<M: Metric<Input = MetricInput> + Numeric>(
    mut metric: M,
    output: &EvaluationOutput,
) -> f64 {
    metric.update(&output.adapt(), &metadata()).unwrap();
    metric.compute().unwrap();
    metric.final_value().current()
}

#[test]
fn metrics_of_calibrated_and_of_raw_logits_have_names_of_their_own() {
    for device in devices() {
        let raw = mlp_mla(MlaConfig::new(), rls(0.1), &device).valid();
        let fusion = raw.fusion.clone().with_calibration(&[0.25, 3.0]).unwrap();
        let model = raw.clone().with_fusion(fusion).unwrap();
        let outputs = [&raw, &model].map(|model| model.try_evaluate(batch(9, 1, &device)).unwrap());
        let labels = outputs[0].targets.labels().to_vec();
        let each = outputs[0].modalities.clone().unwrap();
        let host = |logits: Tensor<2>| -> Vec<Row> {
            let labels = labels.iter().map(|&label| label as usize);
            rows(logits).into_iter().zip(labels).collect()
        };
        for (modality, temperature) in [0.25, 3.0].into_iter().enumerate() {
            let before = host(each.modality(modality));
            let after = host(each.modality(modality) / temperature);
            assert!((calibration_error(&before) - calibration_error(&after)).abs() > 0.5);
            let error = |branch| CalibrationErrorMetric::of_branch(branch, "a");
            let calibrated = error(Branch::Calibrated(modality));
            assert_eq!(*calibrated.name(), "ECE a calibrated");
            let found = measured(calibrated, &outputs[1]);
            assert_close(found, calibration_error(&after), "calibrated");
            let found = measured(error(Branch::Modality(modality)), &outputs[1]);
            assert_close(found, calibration_error(&before), "raw");
            let loss_of = |branch| ModalityMetric::of_branch(LossMetric::new(), branch, "a");
            let found = measured(loss_of(Branch::Calibrated(modality)), &outputs[1]);
            assert_close(found, loss(&after), "loss");
        }
        let uncalibrated =
            ModalityMetric::of_branch(LossMetric::new(), Branch::Uncalibrated, "fused");
        assert_eq!(*uncalibrated.name(), "Loss fused uncalibrated");
        let [before, after] = outputs.each_ref().map(|output| host(output.logits.clone()));
        assert!((loss(&before) - loss(&after)).abs() > 1e-3);
        assert_close(
            measured(uncalibrated, &outputs[1]),
            loss(&before),
            "fused raw",
        );
        let fused = ModalityMetric::fused(LossMetric::new());
        assert_close(measured(fused, &outputs[1]), loss(&after), "fused");
        // No modality and no model without calibration has such a branch.
        let none = CalibrationErrorMetric::of_branch(Branch::Calibrated(2), "c");
        assert!(measured(none, &outputs[1]).is_nan());
    }
}

/// A loader whose labels come as a tensor of another integer type than the device's.
#[test]
fn labels_of_any_integer_type_are_scored() {
    use burn::tensor::{DType, Int};
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let scores = |targets: Targets| {
            let mut batch = batch(9, 1, &device);
            batch.targets = targets;
            let output = model.try_evaluate(batch).unwrap();
            [
                measured(ModalityMetric::fused(AccuracyMetric::new()), &output),
                measured(ModalityMetric::fused(LossMetric::new()), &output),
                measured(ImbalanceMetric::new(), &output),
                measured(ShapleyMetric::of_modality(0, "a"), &output),
                measured(MacroF1Metric::fused(), &output),
                measured(AveragePrecisionMetric::fused(), &output),
                measured(CalibrationErrorMetric::fused(), &output),
            ]
        };
        let targets = batch(9, 1, &device).targets;
        let expected = scores(targets.clone());
        for dtype in [
            DType::I64,
            DType::I32,
            DType::I16,
            DType::I8,
            DType::U64,
            DType::U32,
            DType::U16,
            DType::U8,
        ] {
            let labels: Tensor<1, Int> = targets.tensor().cast(dtype);
            assert_eq!(scores(Targets::from_tensor(labels).unwrap()), expected);
        }
    }
}

#[test]
fn a_model_in_training_mode_may_be_evaluated_too() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let batch = || SampleBatcher { keep: some }.batch(vec![0, 1, 2, 0], &device);
        let output = model.try_evaluate(batch()).unwrap();
        let expected = model.valid().try_evaluate(batch()).unwrap();
        for branch in [Branch::Modality(0), Branch::Modality(1), Branch::Fused] {
            let [found, expected] = [&output, &expected].map(|output| {
                let input: MetricInput = output.adapt();
                values(input.branch(branch).unwrap().loss)
            });
            assert_eq!(found, expected);
        }
        let subsets = |output: &EvaluationOutput| output.evaluated.clone().unwrap().subsets();
        assert_eq!(subsets(&output), subsets(&expected));
    }
}

#[test]
fn names_that_do_not_fit_the_modalities_are_refused() {
    let device = Device::flex();
    let train = loader(labels(4), some, &device.clone().autodiff());
    let turns = AlternatingLoader::paired(train, 2, RoundRobin).unwrap();
    let turns: Arc<dyn DataLoader<MlpTurn>> = Arc::new(turns);
    let valid = loader(labels(4), some, &device);
    let folder = tempfile::tempdir().unwrap();
    let refused = |names: &[&str]| {
        let training: SupervisedTraining<Model> =
            SupervisedTraining::new(folder.path(), turns.clone(), valid.clone());
        let registered = training.modality_metrics(2, names);
        registered.map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(refused(&["a"]), "names of modalities: expected 2, got 1");
    assert_eq!(
        refused(&["a", "b", "c"]),
        "names of modalities: expected 2, got 3"
    );
    for names in [["a", "a"], ["fused", "a"], ["a/b", "a:b"], ["a", ""]] {
        assert!(refused(&names).contains("cannot be used"), "{names:?}");
    }
}
