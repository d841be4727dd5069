//! Methods that are fitted to the whole training set, in a training that is stopped between fits and
//! steps.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::AdamConfig;
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{Interrupter, SupervisedTraining};
use burn_mla::baseline::{
    Cca, CcaConfig, CpmNet, CpmNetConfig, DccaConfig, DccaeConfig, JointConfig, WholeSet,
    WholeSetHead,
};
use burn_mla::checkpoint::ResumableTraining;
use burn_mla::checkpoint::{CheckpointStore, History};
use burn_mla::loader::{IndexedBatch, MappedLoader, SeededLoader, WithIndex};
use burn_mla::method::MultimodalMethod;
use burn_mla::prelude::*;

use crate::alone;
use crate::common::*;
use crate::training::{Inputs, N_TRAIN, Samples};
use crate::watched::Watched;

const EPOCHS: usize = 2;

/// Final state of a training.
#[derive(Debug, PartialEq)]
struct Outcome {
    state: Vec<(String, Vec<f32>)>,
    history: History,
    updates: u64,
    interrupted: bool,
}

struct Plan<H, F: Fn(&Device) -> H> {
    head: F,
    /// Updates of an epoch.
    per_epoch: u64,
    /// Samples of the validation.
    valid: Range<usize>,
}

const VALID: Range<usize> = 100..120;

impl<H: WholeSetHead, F: Fn(&Device) -> H> Plan<H, F> {
    fn new(head: F, per_epoch: u64) -> Self {
        Self {
            head,
            per_epoch,
            valid: VALID,
        }
    }

    fn model(&self, device: &Device) -> WholeSet<Pair, H> {
        let image = CnnEncoderConfig::new(1, D_FEATURE)
            .with_stages(vec![3])
            .with_dropout(0.3);
        let text = MlpEncoderConfig::new(D_B, 4).with_hidden(vec![7]);
        let encoders = (image.init(device).unwrap(), text.init(device).unwrap());
        let joint = JointConfig::new().init(encoders, (self.head)(device));
        WholeSet::new(joint.unwrap())
    }

    /// Starts a training, or resumes from the checkpoints in `folder`, until a number of inputs.
    fn run(&self, folder: &Path, stop_after: Option<u64>, device: &Device) -> Outcome {
        device.seed(3);
        let training_device = device.clone().autodiff();
        let model = self.model(&training_device);
        let store = CheckpointStore::open(folder.join("checkpoints")).unwrap();
        let start = store.latest().unwrap();

        let items = WithIndex(InMemDataset::new((0..N_TRAIN).collect()));
        let batcher = WithIndex(Samples);
        let train: SeededLoader<(usize, usize), IndexedBatch<Inputs>> =
            SeededLoader::new(items, batcher, 8, 5, &training_device).unwrap();
        let train = MappedLoader::with_samples(Arc::new(train));
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
            .build(InMemDataset::new(self.valid.clone().collect()));
        let resumable = ResumableTraining::new(&training_device, store, train.handle)
            .with_seed(9)
            .resume(start);
        let training = SupervisedTraining::new(folder, Arc::new(watched), valid)
            .with_application_logger(None)
            .with_interrupter(interrupter)
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .num_epochs(EPOCHS);
        let schedule = CosineAnnealingLrSchedulerConfig::new(0.02, 20);
        let schedule = schedule
            .init()
            .unwrap()
            .with_group(CpmNet::latent_group(), 0.05);
        let optimizer = AdamConfig::new().init();
        let launched = resumable.launch(training, model, optimizer, schedule);
        let (result, history) = launched.unwrap();
        assert!(result.error.is_none(), "{:?}", result.error);
        Outcome {
            state: state(&result.model),
            updates: result.model.joint.n_steps(),
            history,
            interrupted: result.interrupted.is_some(),
        }
    }

    /// No validation row has an effect on a fitted number.
    fn assert_other_validation_data_change_nothing(self) {
        let _alone = alone();
        let device = Device::flex();
        let state = |plan: &Self| {
            let folder = tempfile::tempdir().unwrap();
            plan.run(folder.path(), None, &device).state
        };
        let expected = state(&self);
        let valid = 200..217;
        assert_eq!(state(&Self { valid, ..self }), expected);
    }

    fn assert_stops_change_nothing(&self, stops: &[u64]) {
        let _alone = alone();
        for device in devices() {
            let folder = tempfile::tempdir().unwrap();
            let expected = self.run(folder.path(), None, &device);
            assert!(!expected.interrupted);
            assert_eq!(expected.updates, EPOCHS as u64 * self.per_epoch);
            let validation = expected.history.epochs[1].validation.as_ref().unwrap();
            assert!(validation.fused_loss.is_finite());
            for &stop in stops {
                let folder = tempfile::tempdir().unwrap();
                let stopped = self.run(folder.path(), Some(stop), &device);
                assert!(stopped.interrupted && stopped.updates == stop);
                let resumed = self.run(folder.path(), None, &device);
                let pairs = resumed.state.iter().zip(&expected.state);
                let differing: Vec<_> = pairs.filter(|(a, b)| a != b).map(|(a, _)| &a.0).collect();
                assert!(differing.is_empty(), "{stop}: {differing:?} differ");
                assert_eq!(resumed, expected, "stopped after {stop} inputs");
            }
        }
    }
}

const WIDTHS: [usize; 2] = [D_FEATURE, 4];

fn cca(device: &Device) -> Cca {
    let config = CcaConfig::new(WIDTHS.to_vec(), N_CLASSES);
    config.init(device).unwrap()
}

fn dcca() -> DccaConfig {
    DccaConfig::new(WIDTHS.to_vec(), N_CLASSES).with_hidden(vec![5])
}

fn cpm_net(device: &Device) -> CpmNet {
    let config = CpmNetConfig::new(WIDTHS.to_vec(), N_CLASSES, N_TRAIN);
    let config = config.with_d_latent(6).with_network_steps(2);
    config.with_latent_steps(3).init(device).unwrap()
}

#[test]
fn cca_resumes_between_its_fits() {
    let plan = Plan::new(cca, 1);
    plan.assert_stops_change_nothing(&[1]);
}

#[test]
fn dcca_resumes_between_fits_and_steps() {
    let head = |device: &Device| dcca().init(device).unwrap();
    let plan = Plan::new(head, 7);
    plan.assert_stops_change_nothing(&[1, 4, 6, 7, 8]);
}

#[test]
fn dccae_resumes_between_fits_and_steps() {
    let head = |device: &Device| DccaeConfig::new(dcca()).init(device).unwrap();
    let plan = Plan::new(head, 7);
    plan.assert_stops_change_nothing(&[3]);
}

#[test]
fn cpm_net_resumes_in_turns_of_networks_and_of_latent_vectors() {
    let plan = Plan::new(cpm_net, 5);
    plan.assert_stops_change_nothing(&[1, 3, 5, 7]);
}

#[test]
fn other_validation_data_change_no_number() {
    Plan::new(cca, 1).assert_other_validation_data_change_nothing();
    let head = |device: &Device| dcca().init(device).unwrap();
    Plan::new(head, 7).assert_other_validation_data_change_nothing();
    Plan::new(cpm_net, 5).assert_other_validation_data_change_nothing();
}
