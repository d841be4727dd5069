//! Ranking of the modalities by their training losses, in whose order they take their turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::config::Config;

use crate::error::{MlaError, Result, same_size};
use crate::loader::Schedule;

/// The name of the losses in [`MlaError::Size`].
const LOSSES: &str = "losses (one per modality)";

/// The order of the modalities by their mean training losses in the epoch before.
///
/// A ranked loader reads its [`Schedule`] as one of ranks: rank 0 is the first modality of this order. With
/// [`RoundRobin`](crate::loader::RoundRobin) each round is a permutation of the modalities; with
/// [`FixedOrder`](crate::loader::FixedOrder) `[0, 0, 1]` the first of two modalities has two of three turns.
/// The order is that of the modalities' indices in the first epoch and among equal losses. A modality without
/// any turn so far counts as the weakest. Losses of modalities with different label smoothing are not on one
/// scale.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum LossRanking {
    /// From the largest loss to the smallest.
    WeakestFirst,
    /// From the smallest loss to the largest.
    StrongestFirst,
}

/// The ranking of a loader, shared with its copies, its slices and its handle.
#[derive(Debug)]
pub(super) struct Ranks {
    ranking: LossRanking,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last finite loss of each modality.
    losses: Vec<Option<f64>>,
    /// Number of rankings so far, the first of them without losses.
    n_rankings: u64,
}

impl Ranks {
    pub(super) fn new(ranking: LossRanking, n_modalities: usize) -> Self {
        let state = State {
            losses: vec![None; n_modalities],
            n_rankings: 1,
        };
        Self {
            ranking,
            state: Mutex::new(state),
        }
    }

    pub(super) fn ranking(&self) -> LossRanking {
        self.ranking
    }

    pub(super) fn losses(&self) -> Vec<Option<f64>> {
        self.lock().losses.clone()
    }

    /// Ranks by new losses. A modality without a finite one keeps its last.
    pub(super) fn update(&self, losses: &[f64]) -> Result<()> {
        let mut state = self.lock();
        same_size(LOSSES, state.losses.len(), losses.len())?;
        for (last, &loss) in state.losses.iter_mut().zip(losses) {
            if loss.is_finite() {
                *last = Some(loss);
            }
        }
        state.n_rankings += 1;
        Ok(())
    }

    /// Replaces the losses by saved ones.
    pub(super) fn restore(&self, losses: &[Option<f64>]) -> Result<()> {
        let mut state = self.lock();
        same_size(LOSSES, state.losses.len(), losses.len())?;
        state.losses = losses.to_vec();
        state.n_rankings += 1;
        Ok(())
    }

    /// The order of an epoch that starts at a step. `last` is the number of the ranking of the turns before, 0
    /// without any.
    pub(super) fn order(&self, start: u64, last: u64) -> Result<EpochOrder> {
        let state = self.lock();
        if state.n_rankings == last {
            return Err(MlaError::NotRanked);
        }
        let loss = |&modality: &usize| state.losses[modality].unwrap_or(f64::INFINITY);
        let mut modalities: Vec<usize> = (0..state.losses.len()).collect();
        // The sort is stable.
        modalities.sort_by(|a, b| match self.ranking {
            LossRanking::WeakestFirst => loss(b).total_cmp(&loss(a)),
            LossRanking::StrongestFirst => loss(a).total_cmp(&loss(b)),
        });
        Ok(EpochOrder {
            modalities,
            start,
            ranking: state.n_rankings,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The order of an epoch: the modalities by rank, and the step from which its schedule counts.
#[derive(Debug, PartialEq)]
pub(super) struct EpochOrder {
    modalities: Vec<usize>,
    start: u64,
    ranking: u64,
}

impl EpochOrder {
    /// The modalities by their indices, and a schedule that counts over the whole training.
    pub(super) fn by_index(n_modalities: usize) -> Self {
        Self {
            modalities: (0..n_modalities).collect(),
            start: 0,
            ranking: 0,
        }
    }

    /// The number of the ranking, from 1; 0 for an order by index.
    pub(super) fn ranking(&self) -> u64 {
        self.ranking
    }

    /// The modality of a step, which may be out of range if the schedule returns it.
    pub(super) fn modality(&self, schedule: &dyn Schedule, step: u64) -> usize {
        let step = step.saturating_sub(self.start);
        let rank = schedule.modality(step, self.modalities.len());
        self.modalities.get(rank).copied().unwrap_or(rank)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::loader::FixedOrder;

    #[rstest]
    #[case::first_epoch(&[], [0, 1, 2], [0, 1, 2])]
    #[case::distinct(&[[0.5, 2.0, 1.0]], [1, 2, 0], [0, 2, 1])]
    #[case::equal(&[[1.0, 1.0, 2.0]], [2, 0, 1], [0, 1, 2])]
    #[case::latest(&[[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]], [2, 1, 0], [0, 1, 2])]
    #[case::absent_keeps_its_last(&[[3.0, 2.0, 1.0], [f64::NAN, 4.0, 1.0]], [1, 0, 2], [2, 0, 1])]
    #[case::never_trained(&[[3.0, f64::NAN, 9.0]], [1, 2, 0], [0, 2, 1])]
    #[case::infinite_keeps_its_last(&[[1.0, 2.0, 3.0], [f64::INFINITY, 2.0, 3.0]], [2, 1, 0], [0, 1, 2])]
    fn modalities_are_ranked_by_their_last_losses(
        #[case] epochs: &[[f64; 3]],
        #[case] weakest_first: [usize; 3],
        #[case] strongest_first: [usize; 3],
    ) {
        for (ranking, expected) in [
            (LossRanking::WeakestFirst, weakest_first),
            (LossRanking::StrongestFirst, strongest_first),
        ] {
            let ranks = Ranks::new(ranking, 3);
            for losses in epochs {
                ranks.update(losses).unwrap();
            }
            let order = ranks.order(0, 0).unwrap();
            assert_eq!(order.modalities, expected, "{ranking:?}");
        }
    }

    #[test]
    fn a_ranking_serves_one_epoch() {
        let ranks = Ranks::new(LossRanking::WeakestFirst, 2);
        let first = ranks.order(0, 0).unwrap();
        assert_eq!(ranks.order(5, first.ranking()), Err(MlaError::NotRanked));
        let error = ranks.update(&[1.0]).unwrap_err().to_string();
        assert_eq!(error, "losses (one per modality): expected 2, got 1");
        assert_eq!(ranks.order(5, first.ranking()), Err(MlaError::NotRanked));
        ranks.update(&[1.0, 2.0]).unwrap();
        let second = ranks.order(5, first.ranking()).unwrap();
        assert_eq!(second.modalities, [1, 0]);
        // Of ranks, from the start of the epoch; a modality that does not exist stays one.
        let schedule = FixedOrder::new(vec![0, 1, 1], 2).unwrap();
        let modalities = (5..9).map(|step| second.modality(&schedule, step));
        assert_eq!(modalities.collect::<Vec<_>>(), [1, 0, 0, 1]);
        let other = FixedOrder::new(vec![2, 1, 0], 3).unwrap();
        assert_eq!(second.modality(&other, 5), 2);
    }
}
