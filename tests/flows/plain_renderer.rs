//! The display for logs.

use std::io::Write;
use std::sync::{Arc, Mutex};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{ExecutionStrategy, Learner, SupervisedTraining};
use burn_mla::logger::PlainRenderer;
use burn_mla::prelude::*;

use crate::common::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Clone)]
struct Samples;

impl Batcher<u64, MultimodalBatch<MlpInputs>> for Samples {
    fn batch(&self, items: Vec<u64>, device: &Device) -> MultimodalBatch<MlpInputs> {
        batch(items.len(), items[0], device)
    }
}

fn lines(renderer: impl FnOnce(PlainRenderer) -> PlainRenderer) -> Vec<String> {
    let device = Device::flex();
    let training_device = device.clone().autodiff();
    let loader = |device: &Device| {
        DataLoaderBuilder::new(Samples)
            .batch_size(4)
            .set_device(device.clone())
            .build(InMemDataset::new((0..12).collect()))
    };
    let train = AlternatingLoader::paired(loader(&training_device), 2, RoundRobin).unwrap();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &training_device);
    let folder = tempfile::tempdir().unwrap();
    let output = Shared::default();
    let renderer = renderer(PlainRenderer::new(output.clone()));
    SupervisedTraining::new(folder.path(), Arc::new(train), loader(&device))
        .with_training_strategy(ExecutionStrategy::single(training_device).into())
        .with_application_logger(None)
        .renderer(Box::new(renderer))
        .metrics((LossMetric::new(), AccuracyMetric::new()))
        .num_epochs(2)
        .launch(Learner::new(model, sgd(), 0.05));
    let written = output.0.lock().unwrap().clone();
    let text = String::from_utf8(written).unwrap();
    text.lines().map(str::to_string).collect()
}

#[test]
fn a_line_an_epoch_has_the_values_of_both_splits() {
    let lines = lines(|renderer| renderer.with_label("run 1"));
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, epoch) in lines.iter().zip(1..) {
        assert!(line.starts_with(&format!("run 1 epoch {epoch}/2 | train: Loss ")));
        let parts: Vec<&str> = line.split(" | ").collect();
        assert_eq!(parts.len(), 4, "{line}");
        for (part, split) in parts[1..3].iter().zip(["train", "valid"]) {
            assert!(part.starts_with(split), "{line}");
            assert!(
                part.contains(", Accuracy ") && part.ends_with(" %"),
                "{line}"
            );
        }
        assert!(parts[3].ends_with(" left"), "{line}");
    }
}

#[test]
fn only_the_metrics_that_are_wanted_are_shown() {
    for line in lines(|renderer| renderer.with_metrics(["Loss"])) {
        assert!(
            line.contains("Loss") && !line.contains("Accuracy"),
            "{line}"
        );
    }
    for line in lines(|renderer| renderer.with_metrics(["None"])) {
        assert_eq!(line.split(" | ").count(), 2, "{line}");
    }
}
