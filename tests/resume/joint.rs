//! Joint models in a training that is stopped: the history of QMF, and the noise of OGM-GE.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{Interrupter, SupervisedTraining};
use burn_mla::baseline::{
    AeConfig, AgmConfig, Assisted, AssistedConfig, Concat, ConcatConfig, DiagnosisData,
    IfMminConfig, ImputeConfig, Joint, JointConfig, JointHead, LateFusionConfig, MmPareto,
    MmParetoConfig, MminConfig, OgmConfig, OpmConfig, PmrConfig, QmfConfig, ReconBoostConfig,
    Relearning, RelearningConfig, TateConfig,
};
use burn_mla::checkpoint::ResumableTraining;
use burn_mla::checkpoint::{CheckpointStore, History};
use burn_mla::loader::{IndexedBatch, MappedLoader, SeededLoader, WithIndex};
use burn_mla::method::MultimodalMethod;
use burn_mla::prelude::*;

use crate::alone;
use crate::common::*;
use crate::training::{Inputs, N_TRAIN, Samples};

/// Number of batches of eight samples per epoch.
const STEPS_PER_EPOCH: u64 = 5;
const EPOCHS: usize = 2;

/// Final state of a training.
#[derive(Debug, PartialEq)]
struct Outcome {
    state: Vec<(String, Vec<f32>)>,
    history: History,
    updates: u64,
    interrupted: bool,
}

impl Outcome {
    /// Asserts equality bit for bit, and names the parameters that differ.
    fn assert_is(&self, expected: &Self, what: &str) {
        let pairs = self.state.iter().zip(&expected.state);
        let differing: Vec<_> = pairs.filter(|(a, b)| a != b).map(|(a, _)| &a.0).collect();
        assert!(differing.is_empty(), "{what}: {differing:?} differ");
        assert_eq!(self, expected, "{what}");
    }
}

/// A joint model.
struct Plan<H, F: Fn(&Device) -> H> {
    head: F,
    config: JointConfig,
    accumulation: usize,
}

impl<H: JointHead, F: Fn(&Device) -> H> Plan<H, F> {
    fn joint(&self, device: &Device) -> Joint<Pair, H> {
        let image = CnnEncoderConfig::new(1, D_FEATURE)
            .with_stages(vec![3])
            .with_dropout(0.3);
        let text = MlpEncoderConfig::new(D_B, 4)
            .with_hidden(vec![7])
            .with_input_dropout(0.2);
        let encoders = (image.init(device).unwrap(), text.init(device).unwrap());
        self.config.init(encoders, (self.head)(device)).unwrap()
    }
}

impl<H: JointHead, F: Fn(&Device) -> H> Stopped for Plan<H, F> {
    type Model = Joint<Pair, H>;

    fn model(&self, device: &Device) -> Self::Model {
        self.joint(device)
    }

    fn n_updates(model: &Self::Model) -> u64 {
        model.n_steps()
    }

    fn accumulation(&self) -> usize {
        self.accumulation
    }
}

/// A joint model with unimodal assistance, whose gradients are combined.
struct ParetoPlan<F: Fn(&Device) -> Assisted<Concat>>(Plan<Assisted<Concat>, F>);

impl<F: Fn(&Device) -> Assisted<Concat>> Stopped for ParetoPlan<F> {
    type Model = MmPareto<Pair, Concat>;

    fn model(&self, device: &Device) -> Self::Model {
        let joint = self.0.joint(device);
        MmParetoConfig::new().init(joint).unwrap()
    }

    fn n_updates(model: &Self::Model) -> u64 {
        model.joint.n_steps()
    }

    fn accumulation(&self) -> usize {
        self.0.accumulation
    }
}

/// A joint model whose encoders are diagnosed in each epoch.
struct RelearningPlan<F: Fn(&Device) -> Concat>(Plan<Concat, F>);

impl<F: Fn(&Device) -> Concat> Stopped for RelearningPlan<F> {
    type Model = Relearning<Pair, Concat>;

    fn model(&self, device: &Device) -> Self::Model {
        let loader = |samples: std::ops::Range<usize>| {
            DataLoaderBuilder::new(Samples)
                .batch_size(8)
                .set_device(device.clone().inner())
                .build(InMemDataset::new(samples.collect()))
        };
        let data = DiagnosisData {
            train: loader(0..N_TRAIN),
            validation: loader(100..120),
        };
        let config = RelearningConfig::new(4);
        config.init(self.0.joint(device), data).unwrap()
    }

    fn n_updates(model: &Self::Model) -> u64 {
        model.joint.n_steps()
    }

    fn accumulation(&self) -> usize {
        self.0.accumulation
    }
}

/// A training that is stopped and resumed.
trait Stopped {
    type Model: MultimodalMethod<Inputs = Inputs, TrainingInput = MultimodalBatch<Inputs>>;

    fn model(&self, device: &Device) -> Self::Model;

    fn n_updates(model: &Self::Model) -> u64;

    /// Number of steps per update.
    fn accumulation(&self) -> usize;

    /// Starts a training, or resumes from the checkpoints in `folder`, until a number of steps.
    fn run(&self, folder: &Path, stop_after: Option<u64>, device: &Device) -> Outcome {
        device.seed(3);
        let training_device = device.clone().autodiff();
        let model = self.model(&training_device);
        let store = CheckpointStore::open(folder.join("checkpoints")).unwrap();
        let start = store.latest().unwrap();
        // Repeated steps, which are read and skipped, do not count.
        let skip = start.as_ref().map_or(0, |s| s.progress.turns_in_epoch);

        let items = WithIndex(InMemDataset::new((0..N_TRAIN).collect()));
        let batcher = WithIndex(Samples);
        let train: SeededLoader<(usize, usize), IndexedBatch<Inputs>> =
            SeededLoader::new(items, batcher, 8, 5, &training_device).unwrap();
        let interrupter = Interrupter::new();
        let (stop, read) = (interrupter.clone(), AtomicU64::new(0));
        let train = MappedLoader::with_samples(Arc::new(train));
        let train = MappedLoader::new(Arc::new(train), move |batch: MultimodalBatch<Inputs>| {
            let n = read.fetch_add(1, Ordering::Relaxed) + 1;
            // The loop reads one batch ahead.
            if stop_after.is_some_and(|after| n == skip + after + 1) {
                stop.stop(Some("enough"));
            }
            Ok(batch)
        });
        let train = model.training_loader(Arc::new(train).into()).unwrap();
        let valid = DataLoaderBuilder::new(Samples)
            .batch_size(7)
            .set_device(device.clone())
            .build(InMemDataset::new((100..120).collect()));

        let resumable = ResumableTraining::new(&training_device, store, train.handle)
            .with_seed(9)
            .with_every(3)
            .unwrap()
            .resume(start);
        let mut training = SupervisedTraining::new(folder, train.loader, valid)
            .with_application_logger(None)
            .with_interrupter(interrupter)
            .metrics((LossMetric::new(), AccuracyMetric::new()))
            .num_epochs(EPOCHS);
        if self.accumulation() > 1 {
            training = training.grads_accumulation(self.accumulation());
        }
        let schedule = CosineAnnealingLrSchedulerConfig::new(0.02, 20);
        let (optimizer, schedule) = (AdamWConfig::new().init(), schedule.init().unwrap());
        let launched = resumable.launch(training, model, optimizer, schedule);
        let (result, history) = launched.unwrap();
        assert!(result.error.is_none(), "{:?}", result.error);
        Outcome {
            state: state(&result.model),
            updates: Self::n_updates(&result.model),
            history,
            interrupted: result.interrupted.is_some(),
        }
    }

    fn assert_stops_change_nothing(&self) {
        self.assert_stops_at(&[1, 2, 4, 5, 7]);
    }

    fn assert_stops_at(&self, stops: &[u64]) {
        let _alone = alone();
        for device in devices() {
            let folder = tempfile::tempdir().unwrap();
            let expected = self.run(folder.path(), None, &device);
            assert!(!expected.interrupted);
            let per_update = self.accumulation() as u64;
            let updates = EPOCHS as u64 * STEPS_PER_EPOCH.div_ceil(per_update);
            assert_eq!(expected.updates, updates);
            self.check_history(&expected.history);
            for &stop in stops {
                let folder = tempfile::tempdir().unwrap();
                let stopped = self.run(folder.path(), Some(stop), &device);
                assert!(stopped.interrupted);
                assert!(stopped.updates < updates);
                let resumed = self.run(folder.path(), None, &device);
                resumed.assert_is(&expected, &format!("stopped after {stop} steps"));
            }
        }
    }

    fn check_history(&self, history: &History) {
        assert_eq!(history.epochs.len(), EPOCHS);
        for epoch in &history.epochs {
            assert_eq!(epoch.joint.turns, STEPS_PER_EPOCH);
            assert_eq!(epoch.joint.samples, N_TRAIN as u64);
            assert!(epoch.joint.loss() > 0.0);
            assert!(epoch.training.iter().all(|modality| modality.turns == 0));
            let validation = epoch.validation.as_ref().unwrap();
            assert_eq!(validation.modality_accuracies.len(), 2);
        }
    }
}

#[test]
fn qmf_resumes_with_its_history() {
    for accumulation in [1, 2] {
        let head = |device: &Device| {
            let config = QmfConfig::new(vec![D_FEATURE, 4], N_CLASSES, N_TRAIN);
            config.init(device).unwrap()
        };
        let plan = Plan {
            head,
            config: JointConfig::new()
                .with_label_smoothing(Some(0.1))
                .with_accumulation(accumulation > 1),
            accumulation,
        };
        plan.assert_stops_change_nothing();
    }
}

#[test]
fn the_noise_of_ogm_ge_resumes() {
    for accumulation in [1, 2] {
        let head = |device: &Device| {
            let config = ConcatConfig::new(vec![D_FEATURE, 4], N_CLASSES);
            config.init(device).unwrap()
        };
        let ogm = OgmConfig::new(0.3)
            .with_first_step(1)
            .with_end_step(Some(6));
        let plan = Plan {
            head,
            config: JointConfig::new().with_modulation(Some(ogm)),
            accumulation,
        };
        plan.assert_stops_change_nothing();
    }
}

/// After a training each sample was seen once per epoch, in each modality that it has.
#[test]
fn every_sample_is_counted_once_per_epoch() {
    let _alone = alone();
    let device = Device::flex();
    let plan = Plan {
        head: |device: &Device| {
            let config = QmfConfig::new(vec![D_FEATURE, 4], N_CLASSES, N_TRAIN);
            config.init(device).unwrap()
        },
        config: JointConfig::new().with_accumulation(true),
        accumulation: 2,
    };
    let folder = tempfile::tempdir().unwrap();
    let outcome = plan.run(folder.path(), None, &device);
    let history = outcome
        .state
        .iter()
        .find(|(path, _)| path == "head.history");
    let history = &history.unwrap().1;
    for item in 0..N_TRAIN {
        let [_, _, images, texts] = history[item * 4..][..4] else {
            unreachable!("four columns");
        };
        // Of every four samples, one has no image and one has no text.
        let epochs = |has: bool| if has { EPOCHS as f32 } else { 0.0 };
        assert_eq!(images, epochs(item % 4 != 1), "{item}");
        assert_eq!(texts, epochs(item % 4 != 2), "{item}");
    }
}

/// Late fusion of separately trained heads.
#[test]
fn an_ensemble_is_trained_by_the_same_loop() {
    let plan = Plan {
        head: |device: &Device| {
            let config = LateFusionConfig::new(vec![D_FEATURE, 4], N_CLASSES);
            config.with_unimodal_losses(true).init(device).unwrap()
        },
        config: JointConfig::new(),
        accumulation: 1,
    };
    plan.assert_stops_change_nothing();
}

/// What is hidden in a visit.
#[test]
fn an_autoencoder_resumes() {
    let plan = Plan {
        head: |device: &Device| {
            let config = AeConfig::new(vec![D_FEATURE, 4], N_CLASSES).with_hidden(vec![8]);
            config.with_layers(vec![6, 4]).init(device).unwrap()
        },
        config: JointConfig::new(),
        accumulation: 1,
    };
    plan.assert_stops_at(&[3]);
}

/// Stops before and after the passage to the student, which is within an epoch.
#[test]
fn mmin_resumes_in_each_stage() {
    let plan = Plan {
        head: |device: &Device| {
            let config = MminConfig::new(vec![D_FEATURE, 4], N_CLASSES, 4);
            let config = config.with_hidden(vec![8]).with_layers(vec![6, 4]);
            config.with_blocks(2).init(device).unwrap()
        },
        config: JointConfig::new(),
        accumulation: 1,
    };
    plan.assert_stops_at(&[2, 7]);
}

/// The passage to the student at the end of an epoch.
#[test]
fn if_mmin_resumes_between_its_stages() {
    let plan = Plan {
        head: |device: &Device| {
            let config = IfMminConfig::new(vec![D_FEATURE, 4], N_CLASSES, STEPS_PER_EPOCH);
            let config = config.with_d_embedding(5).with_hidden(vec![8]);
            let config = config.with_layers(vec![6, 4]).with_blocks(2);
            config.init(device).unwrap()
        },
        config: JointConfig::new(),
        accumulation: 1,
    };
    plan.assert_stops_at(&[5]);
}

/// A teacher, and a student of its own values.
#[test]
fn tate_resumes_in_each_stage() {
    let plan = Plan {
        head: |device: &Device| {
            let config = TateConfig::new(vec![D_FEATURE, 4], N_CLASSES, 4);
            let config = config.with_impute(ImputeConfig::new());
            let config = config.with_d_token(6).with_n_heads(3);
            config.init(device).unwrap()
        },
        config: JointConfig::new(),
        accumulation: 1,
    };
    plan.assert_stops_at(&[2, 7]);
}

fn concat(device: &Device) -> Concat {
    let config = ConcatConfig::new(vec![D_FEATURE, 4], N_CLASSES);
    config.init(device).unwrap()
}

/// What it drops.
#[test]
fn opm_resumes() {
    let plan = Plan {
        head: |device: &Device| OpmConfig::new().init(concat(device)).unwrap(),
        config: JointConfig::new(),
        accumulation: 1,
    };
    plan.assert_stops_at(&[3]);
}

/// The running means, of one pass and of two per update.
#[test]
fn agm_resumes_with_its_means() {
    for accumulation in [1, 2] {
        let plan = Plan {
            head: |device: &Device| AgmConfig::new(2, 0.5).init(concat(device)).unwrap(),
            config: JointConfig::new(),
            accumulation,
        };
        plan.assert_stops_at(&[3, 6]);
    }
}

/// Sums within an epoch, and prototypes between two.
#[test]
fn pmr_resumes_with_its_prototypes() {
    let plan = Plan {
        head: |device: &Device| {
            let config = PmrConfig::new(vec![D_FEATURE, 4], 3).with_entropy_steps(6);
            config.init(concat(device)).unwrap()
        },
        config: JointConfig::new(),
        accumulation: 1,
    };
    plan.assert_stops_at(&[2, 3, 7]);
}

/// Stops within a stage and at the end of one.
#[test]
fn recon_boost_resumes_in_each_stage() {
    let plan = Plan {
        head: |device: &Device| {
            let config = ReconBoostConfig::new(vec![D_FEATURE, 4], N_CLASSES, 2);
            let config = config.with_rectification_steps(Some(1));
            config.init(device).unwrap()
        },
        config: JointConfig::new(),
        accumulation: 1,
    };
    plan.assert_stops_at(&[1, 2, 5]);
}

/// The seed of both passes.
#[test]
fn mm_pareto_resumes() {
    for accumulation in [1, 2] {
        let head = |device: &Device| {
            let config = AssistedConfig::new(vec![D_FEATURE, 4]);
            config.init(concat(device)).unwrap()
        };
        let plan = ParetoPlan(Plan {
            head,
            config: JointConfig::new(),
            accumulation,
        });
        plan.assert_stops_at(&[3]);
    }
}

/// The initial values, before and after they are used.
#[test]
fn relearning_resumes() {
    let plan = RelearningPlan(Plan {
        head: concat,
        config: JointConfig::new(),
        accumulation: 1,
    });
    plan.assert_stops_at(&[3, 5]);
}

/// Both passes of MMPareto drop the same inputs: the gradient of the head is that of one pass for the sum of
/// the losses.
#[test]
fn both_losses_see_the_same_dropout() {
    let _alone = alone();
    for device in devices() {
        let training = device.clone().autodiff();
        device.seed(3);
        let plan = Plan {
            head: |device: &Device| {
                let config = AssistedConfig::new(vec![D_FEATURE, 4]);
                config.init(concat(device)).unwrap()
            },
            config: JointConfig::new(),
            accumulation: 1,
        };
        let uniform = plan.joint(&training);
        let pareto = MmParetoConfig::new().init(uniform.clone()).unwrap();
        let batch = || Samples.batch((0..8).collect(), &training);
        device.seed(5);
        let found = pareto.try_step(batch()).unwrap().grads;
        device.seed(5);
        // The seed of both passes is drawn in parts of 21 bits.
        let drawn = Tensor::<1>::random([3], Distribution::Uniform(0.0, 2_097_152.0), &device);
        let parts = values(drawn).into_iter().map(|part| part as u64);
        device.seed(parts.fold(0, |seed, part| (seed << 21) + part));
        let expected = uniform.try_step(batch()).unwrap().grads;
        device.seed(6);
        let other = uniform.try_step(batch()).unwrap().grads;
        let weights = |gradients: &GradientsParams| -> Vec<f32> {
            // Each layer is a weight and a bias.
            let ids = burn::module::list_param_ids(&uniform.head);
            let weights = ids.into_iter().step_by(2);
            let each = weights.filter_map(|id| gradients.get::<2>(id));
            each.flat_map(values).collect()
        };
        let numbers: Vec<f64> = weights(&expected).into_iter().map(f64::from).collect();
        assert!(!numbers.is_empty());
        close(&weights(&found), &numbers, 1e-5, "head");
        assert_ne!(weights(&other), weights(&expected));
    }
}
