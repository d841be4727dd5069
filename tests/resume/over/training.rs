//! A short training of any method, on one device or divided over several.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::tensor::Device;
use burn::train::SupervisedTraining;
use burn::train::metric::LossMetric;
use burn_mla::checkpoint::{CheckpointStore, History, ResumableTraining, TurnStatistics};
use burn_mla::dataset::Divide;
use burn_mla::loader::{SeededLoader, SourceLoader};
use burn_mla::method::{MultimodalMethod, TrainingLoader};
use burn_mla::prelude::*;

use crate::common::*;

pub const BATCH: usize = 6;
/// Two whole batches, and one of two samples.
const N_TRAIN: usize = 2 * BATCH + 2;
pub const N_EPOCHS: usize = 2;

/// One label per sample, or several while training.
#[derive(Clone, Copy, PartialEq)]
pub enum Labels {
    Single,
    Several,
}

/// Of each batch, the first half lacks the second modality and the last sample the first one.
struct Samples(Labels);

impl Batcher<usize, MultimodalBatch<MlpInputs>> for Samples {
    fn batch(&self, items: Vec<usize>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let (labels, a, b) = samples(2 * N_TRAIN, 4);
        let input = |all: &[f32], d: usize, lacks: &dyn Fn(usize) -> bool| {
            let row = |&item: &usize| (!lacks(item % BATCH)).then(|| all[item * d..][..d].to_vec());
            let rows: Vec<_> = items.iter().map(row).collect();
            ModalityInput::from_rows(&rows, device).unwrap()
        };
        let inputs = (
            input(&a, D_A, &|at| at == BATCH - 1),
            input(&b, D_B, &|at| at < BATCH / 2),
        );
        let labels = items.iter().map(|&item| labels[item]);
        let targets = match self.0 {
            Labels::Single => Targets::new(labels, device),
            Labels::Several => {
                // None, one or two of the classes.
                let sets = labels.zip(&items).map(|(label, item)| match item % 4 {
                    0 => vec![],
                    1 => vec![label, (label + 1) % N_CLASSES],
                    _ => vec![label],
                });
                Targets::several(sets.collect(), device)
            }
        };
        MultimodalBatch::new(inputs, targets)
    }
}

fn loader(
    items: std::ops::Range<usize>,
    labels: Labels,
) -> SeededLoader<usize, MultimodalBatch<MlpInputs>> {
    let items = InMemDataset::new(items.collect());
    let loader = SeededLoader::new(items, Samples(labels), BATCH, 0, &Device::flex());
    loader.unwrap().in_order()
}

pub fn batches(labels: Labels) -> SourceLoader<MultimodalBatch<MlpInputs>> {
    Arc::new(loader(0..N_TRAIN, labels)).into()
}

/// Parameters, statistics and measurements at the end of a training.
pub struct Outcome {
    pub state: Vec<(String, Vec<f32>)>,
    pub history: History,
}

/// Two epochs. An update is made of up to `accumulation` turns.
pub fn train<M>(
    model: M,
    turns: TrainingLoader<M::TrainingInput>,
    accumulation: usize,
    devices: &[Device],
) -> Outcome
where
    M: MultimodalMethod<Inputs = MlpInputs>,
    M::TrainingInput: Divide,
{
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(folder.path().join("checkpoints")).unwrap();
    let valid = loader(N_TRAIN..2 * N_TRAIN, Labels::Single);
    let training = SupervisedTraining::new(folder.path(), turns.loader, Arc::new(valid))
        .with_application_logger(None)
        .metrics((LossMetric::new(),))
        .grads_accumulation(accumulation)
        .num_epochs(N_EPOCHS);
    let resumable = ResumableTraining::new(&devices[0], store, turns.handle);
    let before = state(&model);
    let launched = resumable.launch_over(&devices[1..], training, model, sgd(), 0.05);
    let (result, history) = launched.unwrap();
    assert!(
        result.error.is_none(),
        "{:?}",
        result.model.interruption().fault()
    );
    let state = state(&result.model);
    assert!(state.iter().zip(&before).any(|(new, old)| new != old));
    assert_eq!(history.epochs.len(), N_EPOCHS);
    Outcome { state, history }
}

impl Outcome {
    /// All parameters and losses are those expected, to the rounding of f32.
    fn assert_close(&self, expected: &Self, what: &str) {
        assert_eq!(self.state.len(), expected.state.len(), "{what}");
        for ((path, got), (_, expected)) in self.state.iter().zip(&expected.state) {
            let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
            close(got, &expected, 2e-5, &format!("{what}, {path}"));
        }
        for (got, expected) in self.history.epochs.iter().zip(&expected.history.epochs) {
            let turns = |epoch: &'_ burn_mla::checkpoint::EpochRecord| -> Vec<TurnStatistics> {
                epoch
                    .training
                    .iter()
                    .chain([&epoch.joint])
                    .cloned()
                    .collect()
            };
            for (got, expected) in turns(got).iter().zip(&turns(expected)) {
                let count = |of: &TurnStatistics| (of.turns, of.samples);
                assert_eq!(count(got), count(expected), "{what}");
                let off = (got.loss_sum - expected.loss_sum).abs();
                assert!(
                    off <= 1e-5 * expected.loss_sum,
                    "{what}: {got:?} {expected:?}"
                );
            }
            let loss = |epoch: &burn_mla::checkpoint::EpochRecord| {
                epoch.validation.as_ref().unwrap().fused_loss
            };
            let off = (loss(got) - loss(expected)).abs();
            assert!(off <= 1e-5 * loss(expected), "{what}");
        }
    }
}

/// A training of one device ends where it ends divided: over two devices, of which the first has no sample of
/// the second modality, also of two backends, and over more devices than samples.
pub fn assert_divisible(what: &str, train: impl Fn(&[Device]) -> Outcome) {
    let flex = Device::flex();
    let other = devices().pop().unwrap();
    let one = train(std::slice::from_ref(&flex));
    for devices in [
        vec![flex.clone(); 2],
        vec![other, flex.clone(), flex.clone()],
        vec![flex; BATCH + 1],
    ] {
        let what = format!("{what}, {} devices", devices.len());
        train(&devices).assert_close(&one, &what);
    }
}
