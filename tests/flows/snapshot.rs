//! Checkpoints in a loop of its own, without Burn's.

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};
use burn::tensor::Device;
use burn_mla::checkpoint::{
    CheckpointError, CheckpointProblem, CheckpointStore, Snapshot, TrainingProgress,
};
use burn_mla::prelude::*;

use crate::common::*;

type Model = MlpMla<RlsProjector>;

fn optimizer() -> ModuleOptimizer {
    AdamWConfig::new().init()
}

/// After `n` steps.
fn snapshot(n: u64, mut progress: TrainingProgress, device: &Device) -> Snapshot {
    let (mut optimizer, scheduler) = (optimizer(), ModuleLrScheduler::from(0.05));
    let model = train(model(0.1, device), n, &mut optimizer, device);
    progress.turns = n;
    Snapshot::new(&model, &optimizer, &scheduler, progress).unwrap()
}

fn model(alpha: f64, device: &Device) -> Model {
    mlp_mla(MlaConfig::new(), rls(alpha), device)
}

#[test]
fn a_loop_of_its_own_resumes() {
    for device in devices() {
        let device = device.autodiff();
        let folder = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(folder.path()).unwrap();
        let first = snapshot(4, TrainingProgress::new(1), &device);
        store.save(&first).unwrap();
        let latest = store.latest().unwrap().unwrap();
        assert_eq!(latest, first);
        let restored = latest.restore_model(model(0.1, &device)).unwrap();
        latest.restore_optimizer(optimizer()).unwrap();
        latest.restore_scheduler(0.05.into()).unwrap();
        assert_eq!(restored.projection().n_steps(), 4);
        // It continues with the progress that it had.
        let second = snapshot(6, latest.progress, &device);
        store.save(&second).unwrap();
        assert_eq!(store.list().unwrap().len(), 2);
    }
}

#[test]
fn parts_that_differ_are_refused_by_name() {
    for device in devices() {
        let device = device.autodiff();
        let saved = snapshot(4, TrainingProgress::new(1), &device);
        let problem = saved.restore_model(model(10.0, &device)).unwrap_err();
        assert!(
            matches!(&problem, CheckpointProblem::Configuration { at, saved, given }
                if at.starts_with("model.projection.rule") && at.ends_with("alpha")
                    && saved.contains("0.1") && given.contains("10.0")),
            "{problem}"
        );
        for other in [
            AdamConfig::new().init(),
            AdamWConfig::new().with_weight_decay(0.05).init(),
            SgdConfig::new().init(),
        ] {
            let problem = saved.restore_optimizer(other).err().unwrap();
            assert!(
                matches!(
                    &problem,
                    CheckpointProblem::Mismatch {
                        part: "optimizer",
                        ..
                    }
                ),
                "{problem}"
            );
        }
        let problem = saved.restore_scheduler(0.04.into()).err().unwrap();
        assert_eq!(
            problem.to_string(),
            "made with learning rate in 1 updates = 0.05, but now learning rate in 1 updates = 0.04"
        );
    }
}

#[test]
fn a_new_training_leaves_the_checkpoints_of_another_one() {
    for device in devices() {
        let device = device.autodiff();
        let folder = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(folder.path()).unwrap();
        let old = snapshot(6, TrainingProgress::new(1), &device);
        store.save(&old).unwrap();
        store.save_best(&old).unwrap();
        let new = snapshot(1, TrainingProgress::new(1), &device);
        for saved in [store.save(&new), store.save_best(&new)] {
            let error = saved.unwrap_err();
            assert!(matches!(error, CheckpointError::Occupied { .. }), "{error}");
        }
        assert_eq!(store.latest().unwrap().unwrap(), old);
        assert_eq!(store.best().unwrap().unwrap(), old);
    }
}

#[test]
fn a_checkpoint_with_impossible_numbers_is_refused_when_it_is_read() {
    let device = Device::flex().autodiff();
    type Change = fn(&mut TrainingProgress);
    let changes: [(&str, Change); 3] = [
        ("epoch 0", |progress| progress.epoch = 0),
        ("turns", |progress| progress.turns = u64::MAX),
        ("no modality", |progress| {
            progress.history.epochs.push(Default::default());
        }),
    ];
    for (named, change) in changes {
        let folder = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(folder.path()).unwrap();
        let mut forged = snapshot(4, TrainingProgress::new(1), &device);
        change(&mut forged.progress);
        let path = store.save(&forged).unwrap();
        let error = CheckpointStore::load(path).unwrap_err();
        assert!(matches!(error, CheckpointError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}
