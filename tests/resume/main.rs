//! A training that is stopped or killed resumes as if nothing had happened, and seeds reproduce a
//! model.
//!
//! A separate program, because the random state of a backend is global and because these tests start
//! themselves as child processes. One test runs at a time.

#[path = "../flows/common.rs"]
#[allow(dead_code)]
mod common;

#[path = "../remote/training.rs"]
#[allow(dead_code)]
mod divided;
mod fused;
mod joint;
mod options;
mod over;
mod ranked;
mod reproducible;
mod training;
mod watched;
mod whole_set;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use burn_mla::MlaError;
use burn_mla::checkpoint::{CheckpointError, CheckpointProblem, CheckpointStore, Monitor};

use common::{Numbers, devices};
use training::{Data, Outcome, Plan, TURNS_PER_EPOCH};

/// One test at a time, because turns seed the device.
fn alone() -> MutexGuard<'static, ()> {
    static RANDOM_STATE: Mutex<()> = Mutex::new(());
    RANDOM_STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn uninterrupted(plan: &Plan, device: &Device) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    plan.run(folder.path(), device).unwrap()
}

#[test]
fn a_stop_at_any_turn_changes_nothing() {
    let _alone = alone();
    for device in devices() {
        let plan = Plan::new(2);
        let expected = uninterrupted(&plan, &device);
        assert_eq!(expected.turns, 2 * TURNS_PER_EPOCH);
        for stop in [
            1,
            2,
            5,
            TURNS_PER_EPOCH - 1,
            TURNS_PER_EPOCH,
            TURNS_PER_EPOCH + 3,
        ] {
            let folder = tempfile::tempdir().unwrap();
            let stopping = Plan {
                stop_after: Some(stop),
                ..Plan::new(2)
            };
            let stopped = stopping.run(folder.path(), &device).unwrap();
            assert_eq!(stopped.turns, stop, "stops after the current turn");
            assert!(stopped.interrupted);
            let resumed = plan.run(folder.path(), &device).unwrap();
            resumed.assert_is(&expected, &format!("stopped after {stop} turns"));
        }
    }
}

#[test]
fn stops_in_a_row_change_nothing() {
    let _alone = alone();
    let device = Device::flex();
    let expected = uninterrupted(&Plan::new(3), &device);
    let folder = tempfile::tempdir().unwrap();
    loop {
        let stopping = Plan {
            stop_after: Some(3),
            ..Plan::new(3)
        };
        let outcome = stopping.run(folder.path(), &device).unwrap();
        if !outcome.interrupted {
            outcome.assert_is(&expected, "stopped again and again");
            break;
        }
    }
}

#[test]
fn augmented_data_of_any_number_of_workers_change_nothing() {
    let _alone = alone();
    for device in devices() {
        let plan = |n_workers| Plan {
            data: Data {
                augmented: true,
                n_workers,
                ..Data::USUAL
            },
            ..Plan::new(2)
        };
        let expected = uninterrupted(&plan(0), &device);
        for (before, after) in [(0, 4), (1, 0), (4, 1)] {
            let folder = tempfile::tempdir().unwrap();
            let stopping = Plan {
                stop_after: Some(TURNS_PER_EPOCH + 3),
                ..plan(before)
            };
            assert!(stopping.run(folder.path(), &device).unwrap().interrupted);
            let resumed = plan(after).run(folder.path(), &device).unwrap();
            resumed.assert_is(&expected, &format!("{before} workers, then {after}"));
        }
    }
}

/// Its loss would be 0, the best there is.
#[test]
fn a_validation_without_samples_stops_the_training() {
    let _alone = alone();
    for device in devices() {
        let plan = Plan {
            n_valid: 0,
            ..Plan::new(2)
        };
        let outcome = uninterrupted(&plan, &device);
        let error = outcome.error.unwrap();
        assert!(
            error.contains("the data to evaluate on has no samples"),
            "{error}"
        );
        assert!(outcome.history.epochs[0].validation.is_none());
    }
}

#[test]
fn accumulated_turns_stay_together() {
    let _alone = alone();
    let device = Device::flex();
    let plan = Plan {
        accumulation: 2,
        ..Plan::new(2)
    };
    let expected = uninterrupted(&plan, &device);
    let (turns, updates) = (expected.turns, expected.updates);
    assert!(
        updates < turns && 2 * updates >= turns,
        "{updates} of {turns}"
    );
    let folder = tempfile::tempdir().unwrap();
    let stopping = Plan {
        stop_after: Some(3),
        ..plan.clone()
    };
    let stopped = stopping.run(folder.path(), &device).unwrap();
    assert_eq!(stopped.turns, 4, "the current update is finished");
    let resumed = plan.run(folder.path(), &device).unwrap();
    resumed.assert_is(&expected, "accumulated");
}

#[test]
fn early_stopping_continues_its_count() {
    let _alone = alone();
    let device = Device::flex();
    let plan = Plan {
        patience: Some(2),
        // The model learns nothing: the first epoch stays the best.
        learning_rate: 0.0,
        ..Plan::new(9)
    };
    let expected = uninterrupted(&plan, &device);
    let epochs = expected.turns / TURNS_PER_EPOCH;
    assert!(epochs < 9, "stopped early, after {epochs} epochs");
    let folder = tempfile::tempdir().unwrap();
    let stopping = Plan {
        stop_after: Some(TURNS_PER_EPOCH + 2),
        ..plan.clone()
    };
    assert!(stopping.run(folder.path(), &device).unwrap().interrupted);
    for when in ["stopped early", "stopped early, and started once more"] {
        let resumed = plan.run(folder.path(), &device).unwrap();
        resumed.assert_is(&expected, when);
    }
}

#[test]
fn the_best_epoch_is_kept() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::new(4);
    let outcome = plan.run(folder.path(), &device).unwrap();
    let store = CheckpointStore::open(folder.path().join("checkpoints")).unwrap();
    let best = store.best().unwrap().unwrap();
    let monitor = Monitor::FusedAccuracy;
    let epoch = outcome.history.best_epoch(monitor).unwrap();
    assert_eq!(best.progress.epoch, epoch + 1, "the epoch after it is next");
    assert_eq!(best.progress.history.best_epoch(monitor), Some(epoch));
    assert_eq!(store.list().unwrap().len(), 2);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_trained() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let stopping = Plan {
        stop_after: Some(3),
        ..Plan::new(2)
    };
    stopping.run(folder.path(), &device).unwrap();
    let problem = |plan: Plan| match plan.run(folder.path(), &device) {
        Err(CheckpointError::Unusable { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let other_configuration = Plan {
        note: "another run".to_string(),
        ..Plan::new(2)
    };
    assert_eq!(
        problem(other_configuration).to_string(),
        "made with configuration = \"a run\", but now configuration = \"another run\""
    );
    let other_model = Plan {
        hidden: 9,
        ..Plan::new(2)
    };
    let problem = problem(other_model);
    assert!(
        matches!(&problem, CheckpointProblem::Configuration { at, .. }
            if at.contains("encoders.1")),
        "{problem}"
    );
}

#[test]
fn a_new_training_does_not_overwrite_checkpoints() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    Plan::new(1).run(folder.path(), &device).unwrap();
    let new = Plan {
        new: true,
        ..Plan::new(1)
    };
    let error = new.run(folder.path(), &device).unwrap_err();
    assert!(matches!(error, CheckpointError::Occupied { .. }), "{error}");
}

#[test]
fn more_epochs_can_be_added_to_a_finished_training() {
    let _alone = alone();
    let device = Device::flex();
    let n_updates = 3;
    let plan = |epochs| Plan {
        schedule_epochs: n_updates,
        ..Plan::new(epochs)
    };
    let expected = uninterrupted(&plan(3), &device);
    let folder = tempfile::tempdir().unwrap();
    plan(1).run(folder.path(), &device).unwrap();
    let more = plan(3).run(folder.path(), &device).unwrap();
    more.assert_is(&expected, "one epoch, then two more");
}

#[test]
fn a_loader_per_modality_is_resumed_as_well() {
    let _alone = alone();
    let device = Device::flex();
    let plan = Plan {
        unpaired: true,
        ..Plan::new(3)
    };
    let expected = uninterrupted(&plan, &device);
    for stop in [1, 7, 13, 20] {
        let folder = tempfile::tempdir().unwrap();
        let stopping = Plan {
            stop_after: Some(stop),
            ..plan.clone()
        };
        assert!(stopping.run(folder.path(), &device).unwrap().interrupted);
        let resumed = plan.run(folder.path(), &device).unwrap();
        resumed.assert_is(&expected, &format!("stopped after {stop} turns"));
    }
}

#[test]
fn patience_is_part_of_the_checkpoint() {
    let _alone = alone();
    let device = Device::flex();
    let plan = Plan {
        own_patience: Some(2),
        learning_rate: 0.0,
        ..Plan::new(9)
    };
    let expected = uninterrupted(&plan, &device);
    assert!(expected.turns < 9 * TURNS_PER_EPOCH);
    let folder = tempfile::tempdir().unwrap();
    let stopping = Plan {
        stop_after: Some(TURNS_PER_EPOCH + 2),
        ..plan.clone()
    };
    stopping.run(folder.path(), &device).unwrap();
    // Burn's logs are not needed.
    for split in ["train", "valid"] {
        std::fs::remove_dir_all(folder.path().join(split)).unwrap();
    }
    let resumed = plan.run(folder.path(), &device).unwrap();
    resumed.assert_is(&expected, "patience");
}

#[test]
fn an_error_stops_the_training_and_leaves_the_checkpoint_before_it() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        every: Some(1),
        bad_label_at: Some(6),
        ..Plan::new(1)
    };
    let outcome = plan.run(folder.path(), &device).unwrap();
    assert!(outcome.error.unwrap().contains("label 99"));
    assert!(outcome.fault, "the model reports it as well");
    assert_eq!(outcome.turns, 6);
    let store = CheckpointStore::open(folder.path().join("checkpoints")).unwrap();
    assert_eq!(store.latest().unwrap().unwrap().progress.turns, 6);
    // Without the bad label it resumes.
    let fixed = Plan {
        bad_label_at: None,
        ..plan
    };
    let resumed = fixed.run(folder.path(), &device).unwrap();
    resumed.assert_is(&uninterrupted(&Plan::new(1), &device), "fixed");
}

/// What shapes a training is compared with the checkpoint, which stays, and the error names it.
#[test]
fn another_model_optimizer_or_schedule_is_refused() {
    let _alone = alone();
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let stopping = |other| Plan {
            stop_after: Some(3),
            other,
            ..Plan::new(1)
        };
        stopping("").run(folder.path(), &device).unwrap();
        let plan = |other| Plan {
            other,
            ..Plan::new(1)
        };
        for (other, named) in [
            ("alpha", "alpha = \"10.0\""),
            ("leak", "leak = \"0.1\""),
            ("fusion", "temperature = \"2.0\""),
            ("score", "score = \"NormalizedEntropy\""),
            ("label smoothing", "label_smoothing = \"Some(0.1)\""),
            (
                "modality label smoothing",
                "modality_label_smoothing = \"Some([0.0, 0.1])\"",
            ),
            ("target", "target = \"Update\""),
            ("dropout", "prob = \"0.5\""),
            ("frozen", "training of encoders.0"),
            ("sgd", "the optimizer does not fit: it updates encoders.0"),
            ("adam", "the optimizer does not fit: it updates encoders.0"),
            ("decay", "the optimizer does not fit: it updates encoders.0"),
            (
                "clipping",
                "the optimizer does not fit: it updates encoders.0",
            ),
            ("linear", "learning rate in"),
        ] {
            let error = plan(other).run(folder.path(), &device).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(named), "{other}: {error}");
        }
        // Optimizers without tensors of their own.
        let folder = tempfile::tempdir().unwrap();
        stopping("plain sgd").run(folder.path(), &device).unwrap();
        for other in ["", "sgd", "adam"] {
            let error = plan(other).run(folder.path(), &device).unwrap_err();
            assert!(error.to_string().contains("the optimizer"), "{error}");
        }
        plan("plain sgd").run(folder.path(), &device).unwrap();
    }
}

#[test]
fn another_order_of_the_data_is_refused() {
    let _alone = alone();
    let usual = Data::USUAL;
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let stopping = Plan {
            stop_after: Some(TURNS_PER_EPOCH + 3),
            ..Plan::new(2)
        };
        stopping.run(folder.path(), &device).unwrap();
        for (data, named) in [
            (Data { seed: 6, ..usual }, "loader.sources[0].seed = 5, but"),
            (
                Data {
                    batch_size: 4,
                    ..usual
                },
                "loader.sources[0].batch_size = 8, but",
            ),
            (
                Data {
                    n_items: 37,
                    ..usual
                },
                "loader.sources[0].n_items = 38, but",
            ),
        ] {
            let plan = Plan {
                data,
                ..Plan::new(2)
            };
            let error = plan.run(folder.path(), &device).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let other = Plan {
            unpaired: true,
            ..Plan::new(2)
        };
        let error = other.run(folder.path(), &device).unwrap_err().to_string();
        assert!(error.contains("loader.sources"), "{error}");
    }
}

/// The loader says the same of itself, but its labels are others.
#[test]
fn other_data_in_the_same_order_are_refused() {
    let _alone = alone();
    for device in devices() {
        let folder = tempfile::tempdir().unwrap();
        let stopping = Plan {
            stop_after: Some(TURNS_PER_EPOCH + 3),
            ..Plan::new(2)
        };
        stopping.run(folder.path(), &device).unwrap();
        let plan = Plan {
            other: "labels",
            ..Plan::new(2)
        };
        let outcome = plan.run(folder.path(), &device).unwrap();
        let error = outcome.error.unwrap();
        assert!(
            error.contains("the first 3 turns of epoch 2 differ"),
            "{error}"
        );
        assert_eq!(outcome.turns, TURNS_PER_EPOCH + 3, "nothing is trained");
    }
}

#[test]
fn a_loader_that_cannot_be_repeated_is_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        other: "erased",
        ..Plan::new(1)
    };
    let error = plan.run(folder.path(), &Device::flex()).unwrap_err();
    assert!(
        matches!(
            error,
            CheckpointError::Model(MlaError::NotRepeatable { .. })
        ),
        "{error}"
    );
    assert!(error.to_string().contains("SeededLoader"), "{error}");
}

#[test]
fn the_handle_of_another_loader_is_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        other: "handle",
        ..Plan::new(2)
    };
    let outcome = plan.run(folder.path(), &Device::flex()).unwrap();
    let error = outcome.error.unwrap();
    assert!(error.contains("that of another loader"), "{error}");
    assert_eq!(outcome.turns, TURNS_PER_EPOCH);
}

/// A folder of another training, of which only the best checkpoint is left.
#[test]
fn a_new_training_leaves_the_best_checkpoint_of_another_one() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    Plan::new(1).run(folder.path(), &device).unwrap();
    let checkpoints = folder.path().join("checkpoints");
    let store = CheckpointStore::open(&checkpoints).unwrap();
    for path in store.list().unwrap() {
        std::fs::remove_file(path).unwrap();
    }
    let best = checkpoints.join("best.ckpt");
    let before = std::fs::read(&best).unwrap();
    let error = Plan::new(1).run(folder.path(), &device).unwrap_err();
    assert!(matches!(error, CheckpointError::Occupied { .. }), "{error}");
    assert_eq!(std::fs::read(&best).unwrap(), before);
}

/// A best checkpoint that is damaged, or that a newer version wrote.
#[test]
fn a_best_checkpoint_that_cannot_be_read_stays() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let stopping = Plan {
        stop_after: Some(TURNS_PER_EPOCH + 3),
        ..Plan::new(2)
    };
    stopping.run(folder.path(), &device).unwrap();
    let best = folder.path().join("checkpoints/best.ckpt");
    let whole = std::fs::read(&best).unwrap();
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let format = b"burn-mla checkpoint\n".len();
    let contents = [
        changed(format),
        changed(whole.len() - 9),
        whole[..90].to_vec(),
        b"notes".to_vec(),
    ];
    for content in contents {
        std::fs::write(&best, &content).unwrap();
        let error = Plan::new(2).run(folder.path(), &device).unwrap_err();
        assert!(matches!(error, CheckpointError::InTheWay { .. }), "{error}");
        assert!(
            error.to_string().starts_with(best.to_str().unwrap()),
            "{error}"
        );
        assert_eq!(std::fs::read(&best).unwrap(), content);
    }
}

#[test]
fn a_training_does_not_stop_that_of_a_clone() {
    let _alone = alone();
    for device in devices() {
        let base = Plan::new(1).model(&device.clone().autodiff());
        let plan = |bad_label_at| Plan {
            base: Some(base.clone()),
            bad_label_at,
            ..Plan::new(1)
        };
        let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let failed = plan(Some(2)).run(first.path(), &device).unwrap();
        assert!(failed.fault && failed.error.is_some());
        assert!(base.fault().is_none());
        let other = plan(None).run(second.path(), &device).unwrap();
        assert!(!other.fault && other.error.is_none());
        assert_eq!(other.turns, TURNS_PER_EPOCH);
    }
}

#[test]
fn a_folder_is_written_by_one_training_at_a_time() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = folder.path().join("checkpoints");
    std::fs::create_dir(&checkpoints).unwrap();
    let lock = std::fs::File::create(checkpoints.join(".lock")).unwrap();
    lock.lock().unwrap();
    let error = Plan::new(1).run(folder.path(), &device).unwrap_err();
    assert!(matches!(error, CheckpointError::InUse { .. }), "{error}");
    drop(lock);
    Plan::new(1).run(folder.path(), &device).unwrap();
}

/// `kill -9` at 20 random turns.
#[test]
fn killed_again_and_again_it_ends_where_it_would_have() {
    kill_again_and_again("", 20);
}

/// Kills a training of child processes with a ranking, or none.
fn kill_again_and_again(ranking: &str, n_kills: usize) {
    let _alone = alone();
    let expected = {
        let folder = tempfile::tempdir().unwrap();
        child(folder.path(), ranking).run_to_its_end();
        std::fs::read(folder.path().join(RESULT)).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers::new(11);
    let mut kills = 0;
    while kills < n_kills {
        let turns = 1 + (numbers.next().abs() * 4.0) as usize;
        if !child(folder.path(), ranking).kill_after(turns) {
            break;
        }
        kills += 1;
    }
    assert_eq!(
        kills, n_kills,
        "the training is long enough for all of them"
    );
    child(folder.path(), ranking).run_to_its_end();
    let result = std::fs::read(folder.path().join(RESULT)).unwrap();
    assert!(result == expected, "the results differ");
    let store = CheckpointStore::open(folder.path().join("checkpoints")).unwrap();
    let progress = store.latest().unwrap().unwrap().progress;
    let best = progress.history.best_epoch(Monitor::FusedAccuracy).unwrap();
    assert_eq!(store.best().unwrap().unwrap().progress.epoch, best + 1);
}

/// A limit on the size of files simulates a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing() {
    let _alone = alone();
    let device = Device::flex();
    let plan = Plan::new(EPOCHS);
    let expected = uninterrupted(&plan, &device);
    let folder = tempfile::tempdir().unwrap();
    let stopping = Plan {
        stop_after: Some(TURNS_PER_EPOCH + 3),
        ..plan.clone()
    };
    stopping.run(folder.path(), &device).unwrap();
    let checkpoints = folder.path().join("checkpoints");
    let before = std::fs::read_dir(&checkpoints).unwrap().count();

    let program = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(program)
        .args(CHILD)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    let folder_named = text.contains(checkpoints.to_str().unwrap());
    assert!(folder_named, "the error has the folder: {text}");
    assert!(text.contains("File too large"), "and the cause: {text}");

    assert_eq!(std::fs::read_dir(&checkpoints).unwrap().count(), before);
    let resumed = plan.run(folder.path(), &device).unwrap();
    resumed.assert_is(&expected, "after a full disk");
}

const RESULT: &str = "result.json";
const FOLDER: &str = "BURN_MLA_RESUME_FOLDER";
const RANKING: &str = "BURN_MLA_RESUME_RANKING";
const CHILD: [&str; 4] = ["--exact", "the_child_process", "--ignored", "--nocapture"];
const EPOCHS: usize = 8;

struct Child(std::process::Child);

fn child(folder: &Path, ranking: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(CHILD)
        .env(FOLDER, folder)
        .env(RANKING, ranking)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Child(command.spawn().unwrap())
}

impl Child {
    /// Kills the child after it has announced this number of turns; false if it ended before.
    fn kill_after(mut self, turns: usize) -> bool {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let taken = lines
            .map_while(Result::ok)
            .filter(|line| line.contains("turn"))
            .take(turns)
            .count();
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        taken == turns
    }

    fn run_to_its_end(mut self) {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).count() > 0);
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
#[ignore = "the child process of another test"]
fn the_child_process() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let ranking = std::env::var(RANKING).unwrap_or_default();
    let plan = Plan {
        every: Some(1),
        ranking: (!ranking.is_empty()).then(|| ranked::named(&ranking)),
        announce: true,
        ..Plan::new(EPOCHS)
    };
    let outcome = plan.run(folder, &Device::flex()).unwrap();
    assert_eq!(outcome.error, None);
    assert!(!outcome.interrupted);
    std::fs::write(folder.join(RESULT), format!("{outcome:?}")).unwrap();
}
