//! Turns in the order of the losses are those of the uninterrupted training, wherever it is stopped.

use burn::tensor::Device;
use burn_mla::checkpoint::{CheckpointStore, TurnStatistics};
use burn_mla::loader::LossRanking;

use crate::common::devices;
use crate::training::{Plan, TURNS_PER_EPOCH};
use crate::{alone, kill_again_and_again, uninterrupted};

const RANKINGS: [LossRanking; 2] = [LossRanking::WeakestFirst, LossRanking::StrongestFirst];

/// The ranking with a name in the `Debug` format.
pub fn named(name: &str) -> LossRanking {
    let found = RANKINGS.into_iter().find(|r| format!("{r:?}") == name);
    found.unwrap()
}

fn plan(ranking: LossRanking) -> Plan {
    Plan {
        ranking: Some(ranking),
        ..Plan::new(3)
    }
}

#[test]
fn a_stop_at_any_turn_keeps_the_order() {
    let _alone = alone();
    for device in devices() {
        let plain = uninterrupted(&Plan::new(3), &device);
        let [weakest, strongest] = RANKINGS.map(|ranking| uninterrupted(&plan(ranking), &device));
        // Weakest first is the order of the first epoch: the text, modality 1, is the stronger one.
        assert_eq!(weakest.state, plain.state);
        assert_ne!(strongest.state, plain.state);
        for (ranking, expected) in RANKINGS.into_iter().zip([weakest, strongest]) {
            for stop in [
                3,
                TURNS_PER_EPOCH,
                TURNS_PER_EPOCH + 1,
                TURNS_PER_EPOCH + 6,
                2 * TURNS_PER_EPOCH + 5,
            ] {
                let folder = tempfile::tempdir().unwrap();
                let stopping = Plan {
                    stop_after: Some(stop),
                    ..plan(ranking)
                };
                assert!(stopping.run(folder.path(), &device).unwrap().interrupted);
                let resumed = plan(ranking).run(folder.path(), &device).unwrap();
                resumed.assert_is(
                    &expected,
                    &format!("{ranking:?} stopped after {stop} turns"),
                );
            }
        }
    }
}

#[test]
fn blocks_and_unpaired_data_keep_their_order_too() {
    let _alone = alone();
    let device = Device::flex();
    for unpaired in [false, true] {
        let plan = |stop_after| Plan {
            stop_after,
            unpaired,
            accumulation: 2,
            ..plan(LossRanking::StrongestFirst)
        };
        let expected = uninterrupted(&plan(None), &device);
        for stop in [5, TURNS_PER_EPOCH + 4, 2 * TURNS_PER_EPOCH + 1] {
            let folder = tempfile::tempdir().unwrap();
            assert!(
                plan(Some(stop))
                    .run(folder.path(), &device)
                    .unwrap()
                    .interrupted
            );
            let resumed = plan(None).run(folder.path(), &device).unwrap();
            resumed.assert_is(&expected, &format!("stopped after {stop} turns"));
        }
    }
}

/// `kill -9` at 8 random turns, with the ranking that changes the order.
#[test]
fn killed_again_and_again_it_keeps_the_order() {
    kill_again_and_again("StrongestFirst", 8);
}

#[test]
fn a_checkpoint_has_the_losses_and_another_ranking_is_refused() {
    let _alone = alone();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let stopping = Plan {
        stop_after: Some(TURNS_PER_EPOCH + 3),
        ..plan(LossRanking::WeakestFirst)
    };
    let stopped = stopping.run(folder.path(), &device).unwrap();
    let store = CheckpointStore::open(folder.path().join("checkpoints")).unwrap();
    let progress = store.latest().unwrap().unwrap().progress;
    let first = stopped.history.epochs[0].training.iter();
    let expected: Vec<f64> = first.map(TurnStatistics::loss).collect();
    let saved: Vec<f64> = progress.loader.losses.into_iter().flatten().collect();
    assert_eq!(saved, expected, "bit for bit");
    for (other, given) in [
        (Some(LossRanking::StrongestFirst), "\"StrongestFirst\""),
        (None, "null"),
    ] {
        let plan = Plan {
            ranking: other,
            ..Plan::new(3)
        };
        let error = plan.run(folder.path(), &device).unwrap_err().to_string();
        let named = format!(
            "made with loader.schedule.ranking = \"WeakestFirst\", but now \
             loader.schedule.ranking = {given}"
        );
        assert!(error.contains(&named), "{error}");
    }
}
