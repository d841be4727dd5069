//! A training with fused turns and averaged weights that is stopped within and between its cycles.

use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{Interrupter, SupervisedTraining};
use burn_mla::checkpoint::{CheckpointStore, History, ResumableTraining};
use burn_mla::loader::{SeededLoader, UnimodalThenFused};
use burn_mla::method::{MultimodalMethod, WeightAverage, WeightAverageConfig};
use burn_mla::mla::{FusedLogits, FusedTurnConfig, FusedTurns};
use burn_mla::prelude::*;
use burn_mla::projector::LeakyRlsProjector;

use crate::alone;
use crate::common::*;
use crate::training::{Inputs, N_TRAIN, Samples};
use crate::watched::Watched;

const EPOCHS: usize = 2;
/// Five batches of each of two modalities, and a fused turn after two rounds.
const TURNS_PER_EPOCH: u64 = 12;

type Model = WeightAverage<FusedTurns<Pair, LinearHead, LeakyRlsProjector, EntropyFusion>>;

#[derive(Debug, PartialEq)]
struct Outcome {
    state: Vec<(String, Vec<f32>)>,
    history: History,
    interrupted: bool,
}

/// Batch normalization, dropout and missing modalities.
fn model(device: &Device) -> Model {
    let image = CnnEncoderConfig::new(1, D_FEATURE)
        .with_stages(vec![3])
        .with_dropout(0.3);
    let text = MlpEncoderConfig::new(D_B, D_FEATURE).with_hidden(vec![7]);
    let encoders = (image.init(device).unwrap(), text.init(device).unwrap());
    let model = MlaConfig::new().init_default(encoders, linear_head(device));
    let model = FusedTurnConfig::new()
        .with_logits(FusedLogits::FusionThroughWeights)
        .with_encoder_share(0.3)
        .with_schedule(UnimodalThenFused::new().with_every(2))
        .init(model.unwrap())
        .unwrap();
    let average = WeightAverageConfig::new().with_decay(0.8);
    average.init(model).unwrap()
}

/// Starts a training, or resumes from the checkpoints in `folder`, until a number of turns.
fn run(folder: &Path, stop_after: Option<u64>, device: &Device) -> Outcome {
    device.seed(3);
    let training_device = device.clone().autodiff();
    let model = model(&training_device);
    let store = CheckpointStore::open(folder.join("checkpoints")).unwrap();
    let start = store.latest().unwrap();
    let items = InMemDataset::new((0..N_TRAIN).collect());
    let train: SeededLoader<usize, MultimodalBatch<Inputs>> =
        SeededLoader::new(items, Samples, 8, 5, &training_device).unwrap();
    let train = model.training_loader(Arc::new(train).into()).unwrap();
    let interrupter = Interrupter::new();
    let watched = Watched {
        loader: train.loader,
        read: Arc::default(),
        stop_after,
        interrupter: interrupter.clone(),
    };
    let valid = DataLoaderBuilder::new(Samples)
        .batch_size(7)
        .set_device(device.clone())
        .build(InMemDataset::new((100..120).collect()));
    let resumable = ResumableTraining::new(&training_device, store, train.handle)
        .with_seed(9)
        .resume(start);
    let training = SupervisedTraining::new(folder, Arc::new(watched), valid)
        .with_application_logger(None)
        .with_interrupter(interrupter)
        .metrics((LossMetric::new(), AccuracyMetric::new()))
        .num_epochs(EPOCHS);
    let schedule: ModuleLrScheduler = CosineAnnealingLrSchedulerConfig::new(0.02, 30)
        .init()
        .unwrap();
    let optimizer = AdamWConfig::new().with_weight_decay(0.05).init();
    let launched = resumable.launch(training, model, optimizer, schedule);
    let (result, history) = launched.unwrap();
    assert!(result.error.is_none(), "{:?}", result.error);
    Outcome {
        state: state(&result.model),
        history,
        interrupted: result.interrupted.is_some(),
    }
}

#[test]
fn a_stop_before_or_after_a_fused_turn_changes_nothing() {
    let _alone = alone();
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let expected = run(folder.path(), None, &device);
        assert!(!expected.interrupted);
        for stop in [4, 5, 7, TURNS_PER_EPOCH, TURNS_PER_EPOCH + 5] {
            let folder = tempfile::tempdir().unwrap();
            assert!(run(folder.path(), Some(stop), &device).interrupted);
            let resumed = run(folder.path(), None, &device);
            let pairs = resumed.state.iter().zip(&expected.state);
            let differing: Vec<_> = pairs.filter(|(a, b)| a != b).map(|(a, _)| &a.0).collect();
            assert!(differing.is_empty(), "{stop}: {differing:?} differ");
            assert_eq!(resumed, expected, "stopped after {stop} turns");
        }
    }
}
