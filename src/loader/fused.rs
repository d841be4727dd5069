//! Data loader that adds turns on the fused prediction to alternating turns.

use std::sync::Arc;

use burn::config::Config;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use serde_json::json;

use crate::error::{MlaError, Result, at_least_one};
use crate::loader::{AlternatingLoader, LoaderHandle, LoaderSource, SourceLoader};
use crate::modality::{ModalityInputs, MultimodalBatch, ScheduledTurn, Turn};

/// The schedule of fused turns among unimodal turns.
///
/// A cycle has `every * block * n_modalities` unimodal turns, in the order of their own loader, and then
/// `block` fused turns. Each epoch starts with a new cycle; an epoch that is shorter than a cycle ends with
/// [`MlaError::NoFusedTurn`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `every` | 1 | number of rounds of all modalities for each fused turn | >= 1 |
/// | `block` | 1 | number of consecutive fused turns, for gradients that are accumulated over as many | >= 1 |
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub struct UnimodalThenFused {
    /// Number of rounds of all modalities for each fused turn.
    #[config(default = 1)]
    pub every: usize,
    /// Number of consecutive fused turns.
    #[config(default = 1)]
    pub block: usize,
}

impl UnimodalThenFused {
    /// Checks the values.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a value of 0.
    pub fn check(&self) -> Result<()> {
        at_least_one("every", self.every)?;
        at_least_one("block", self.block)?;
        Ok(())
    }

    /// Number of unimodal turns of a cycle.
    fn unimodal_turns(&self, n_modalities: usize) -> usize {
        self.every * self.block * n_modalities
    }
}

/// Data loader of unimodal and fused turns.
///
/// Unimodal turns come from an [`AlternatingLoader`] with any schedule, of paired or unpaired data, and
/// fused turns from a loader of batches, which starts again when it ends before the epoch does. The epoch
/// ends with the epoch of the alternating loader. Fused turns therefore see other batches than the turns
/// around them, unless neither loader shuffles.
///
/// An epoch that ends before its first fused turn yields [`MlaError::NoFusedTurn`] at its end: the number of
/// batches of a loader is not known earlier.
///
/// ```
/// use std::sync::Arc;
///
/// use burn::data::dataloader::DataLoader;
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::dataset::InMemory;
/// use burn_mla::loader::{FusedTurnLoader, UnimodalThenFused};
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let inputs = (Tensor::<2>::ones([6, 20], &device), Tensor::<2>::ones([6, 30], &device));
/// let data = InMemory::paired(inputs, [0, 1, 2, 0, 1, 2])?;
/// let batches = || data.in_order(3, &device);
/// let turns = AlternatingLoader::paired(batches()?, 2, RoundRobin)?;
/// let loader = FusedTurnLoader::new(turns, batches()?, UnimodalThenFused::new())?;
/// let modalities: Vec<Option<usize>> = loader.iter().map(|turn| turn.unwrap().modality()).collect();
/// assert_eq!(modalities, [Some(0), Some(1), None, Some(0), Some(1), None]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FusedTurnLoader<In: ModalityInputs> {
    turns: Arc<dyn DataLoader<Turn<In::One>>>,
    batches: Arc<dyn DataLoader<MultimodalBatch<In>>>,
    schedule: UnimodalThenFused,
    n_modalities: usize,
    handle: LoaderHandle,
}

impl<In: ModalityInputs> FusedTurnLoader<In> {
    /// Combines the turns of `turns` with fused turns on `batches`.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a schedule with a value of 0, [`MlaError::NoSamples`] for batches
    /// without items.
    pub fn new(
        turns: AlternatingLoader<In>,
        batches: impl Into<SourceLoader<MultimodalBatch<In>>>,
        schedule: UnimodalThenFused,
    ) -> Result<Self> {
        schedule.check()?;
        let batches = batches.into();
        if batches.loader.num_items() == 0 {
            return Err(MlaError::NoSamples { what: NO_SAMPLES });
        }
        Ok(Self {
            handle: fused_handle(&turns, batches.sources, schedule),
            n_modalities: turns.n_modalities(),
            turns: Arc::new(turns),
            batches: batches.loader,
            schedule,
        })
    }

    /// A handle that saves and restores the position of the loader, as [`AlternatingLoader::handle`].
    pub fn handle(&self) -> LoaderHandle {
        self.handle.clone()
    }
}

/// Name of the data in [`MlaError::NoSamples`].
const NO_SAMPLES: &str = "the batches of fused turns";

fn fused_handle<In: ModalityInputs>(
    turns: &AlternatingLoader<In>,
    sources: Option<Vec<LoaderSource>>,
    schedule: UnimodalThenFused,
) -> LoaderHandle {
    let UnimodalThenFused { every, block } = schedule;
    let fused = json!({"every": every, "block": block});
    turns.handle().with_fused(fused, sources)
}

impl<In: ModalityInputs> DataLoader<ScheduledTurn<In>> for FusedTurnLoader<In> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<ScheduledTurn<In>> + 'a> {
        Box::new(FusedTurnIter {
            loader: self,
            turns: self.turns.iter(),
            batches: None,
            unimodal: 0,
            fused: 0,
            over: false,
        })
    }

    /// Samples of unimodal turns times modalities, and those of fused turns.
    fn num_items(&self) -> usize {
        let unimodal = self.turns.num_items();
        unimodal + unimodal / (self.schedule.every * self.n_modalities)
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<ScheduledTurn<In>>> {
        Arc::new(Self {
            turns: self.turns.to_device(device),
            batches: self.batches.to_device(device),
            handle: self.handle.clone(),
            ..*self
        })
    }

    /// The same share of unimodal and of fused turns, with the conditions of
    /// [`AlternatingLoader::slice`].
    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<ScheduledTurn<In>>> {
        let total = self.num_items().max(1) as u128;
        let share = |at: usize, length: usize| (at as u128 * length as u128 / total) as usize;
        let (turns, batches) = (self.turns.num_items(), self.batches.num_items());
        Arc::new(Self {
            turns: self.turns.slice(share(start, turns), share(end, turns)),
            batches: self
                .batches
                .slice(share(start, batches), share(end, batches)),
            handle: self.handle.clone(),
            ..*self
        })
    }
}

struct FusedTurnIter<'a, In: ModalityInputs> {
    loader: &'a FusedTurnLoader<In>,
    turns: Box<dyn DataLoaderIterator<Turn<In::One>> + 'a>,
    /// `None` before the first fused turn.
    batches: Option<Box<dyn DataLoaderIterator<MultimodalBatch<In>> + 'a>>,
    /// Unimodal turns of the cycle so far.
    unimodal: usize,
    /// Fused turns that come next.
    fused: usize,
    over: bool,
}

impl<In: ModalityInputs> FusedTurnIter<'_, In> {
    fn batch(&mut self) -> Result<MultimodalBatch<In>, DatasetError> {
        let loader = self.loader;
        let mut batches = self.batches.take();
        let mut next = batches.as_mut().and_then(Iterator::next);
        if next.is_none() {
            let mut pass = loader.batches.iter();
            next = pass.next();
            batches = Some(pass);
        }
        self.batches = batches;
        // A loader with items may have dropped the only batch, as an incomplete one.
        next.unwrap_or_else(|| Err(DatasetError::new(MlaError::NoSamples { what: NO_SAMPLES })))
    }

    /// Number of unimodal turns of a cycle.
    fn unimodal_turns(&self) -> usize {
        self.loader
            .schedule
            .unimodal_turns(self.loader.n_modalities)
    }

    /// The end of the epoch, an error if there were turns but no fused one.
    fn end(&self) -> Result<Option<ScheduledTurn<In>>, DatasetError> {
        if self.batches.is_none() && self.unimodal > 0 {
            return Err(DatasetError::new(MlaError::NoFusedTurn {
                turns: self.unimodal,
                needed: self.unimodal_turns(),
            }));
        }
        Ok(None)
    }

    fn try_next(&mut self) -> Result<Option<ScheduledTurn<In>>, DatasetError> {
        if self.fused > 0 {
            self.fused -= 1;
            return self.batch().map(ScheduledTurn::Fused).map(Some);
        }
        let Some(turn) = self.turns.next().transpose()? else {
            return self.end();
        };
        self.unimodal += 1;
        if self.unimodal == self.unimodal_turns() {
            (self.unimodal, self.fused) = (0, self.loader.schedule.block);
        }
        Ok(Some(ScheduledTurn::Unimodal(turn)))
    }
}

impl<In: ModalityInputs> Iterator for FusedTurnIter<'_, In> {
    type Item = Result<ScheduledTurn<In>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.try_next().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<In: ModalityInputs> DataLoaderIterator<ScheduledTurn<In>> for FusedTurnIter<'_, In> {
    /// That of the unimodal turns.
    fn progress(&self) -> Progress {
        self.turns.progress()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use rstest::rstest;

    use super::*;
    use crate::dataset::InMemory;
    use crate::loader::RoundRobin;
    use crate::modality::ModalityInput;

    type Inputs = (
        Option<ModalityInput<Tensor<2>>>,
        Option<ModalityInput<Tensor<2>>>,
    );

    fn data(n: usize) -> InMemory<Inputs> {
        let inputs = Tensor::<2>::ones([n, 2], &Device::flex());
        InMemory::paired((inputs.clone(), inputs), (0..n).map(|i| i % 3)).unwrap()
    }

    fn loader(n: usize, schedule: UnimodalThenFused) -> FusedTurnLoader<Inputs> {
        let data = data(n);
        let shuffled = || data.shuffled(2, 7, &Device::flex()).unwrap().batches;
        let turns = AlternatingLoader::paired(shuffled(), 2, RoundRobin).unwrap();
        FusedTurnLoader::new(turns, shuffled(), schedule).unwrap()
    }

    /// Modalities as digits, fused turns as `f`.
    fn pattern(loader: &FusedTurnLoader<Inputs>) -> String {
        let turns = loader.iter().map(|turn| turn.unwrap().modality());
        turns
            .map(|modality| modality.map_or("f".to_string(), |m| m.to_string()))
            .collect()
    }

    #[rstest]
    #[case::each_round(1, 1, "01f01f01f")]
    #[case::every_other_round(2, 1, "0101f01")]
    #[case::blocks(1, 2, "0101ff01")]
    fn fused_turns_follow_rounds(
        #[case] every: usize,
        #[case] block: usize,
        #[case] expected: &str,
    ) {
        let schedule = UnimodalThenFused { every, block };
        let loader = loader(6, schedule);
        assert_eq!(pattern(&loader), expected);
        assert_eq!(pattern(&loader), expected, "the next epoch");
    }

    #[rstest]
    #[case(4, 1, 8)]
    #[case(2, 2, 8)]
    fn an_epoch_without_a_fused_turn_ends_with_an_error(
        #[case] every: usize,
        #[case] block: usize,
        #[case] needed: usize,
    ) {
        let loader = loader(6, UnimodalThenFused { every, block });
        for _ in 0..2 {
            let mut turns = loader.iter();
            assert!(turns.by_ref().take(6).all(|turn| turn.is_ok()));
            let error = turns.next().unwrap().err().unwrap().to_string();
            let expected = MlaError::NoFusedTurn { turns: 6, needed }.to_string();
            assert!(error.contains(&expected), "{error}");
            assert!(turns.next().is_none());
        }
    }

    #[test]
    fn a_restored_loader_repeats_the_order() {
        let labels = |loader: &FusedTurnLoader<Inputs>| -> Vec<Vec<i64>> {
            let turns = loader.iter().map(Result::unwrap);
            turns.map(|turn| turn.targets().labels().to_vec()).collect()
        };
        let first = loader(8, UnimodalThenFused::new());
        let handle = first.handle();
        let one = labels(&first);
        let position = handle.position().unwrap();
        let two = labels(&first);
        assert_ne!(one, two);

        let second = loader(8, UnimodalThenFused::new());
        second.handle().restore(&position).unwrap();
        assert_eq!(labels(&second), two);

        let other = loader(8, UnimodalThenFused::new().with_every(2));
        let error = other.handle().restore(&position).unwrap_err();
        assert!(error.to_string().contains("every"), "{error}");
    }

    #[test]
    fn a_shorter_loader_of_batches_starts_again() {
        let turns = data(8).in_order(2, &Device::flex()).unwrap();
        let turns = AlternatingLoader::paired(turns, 2, RoundRobin).unwrap();
        let batches = data(3).in_order(2, &Device::flex()).unwrap();
        let loader = FusedTurnLoader::new(turns, batches, UnimodalThenFused::new()).unwrap();
        let sizes = loader.iter().filter_map(|turn| match turn.unwrap() {
            ScheduledTurn::Unimodal(_) => None,
            ScheduledTurn::Fused(batch) => Some(batch.targets.len()),
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [2, 1, 2, 1]);
        assert_eq!(loader.num_items(), 8 * 3);
    }

    #[test]
    fn slices_have_a_share_of_both() {
        let whole = loader(8, UnimodalThenFused::new());
        let half = whole.slice(0, whole.num_items() / 2);
        assert_eq!(half.num_items(), whole.num_items() / 2);
        assert_eq!(half.iter().count(), 6);
    }

    #[rstest]
    #[case(0, 1, "every must be at least 1, got 0")]
    #[case(1, 0, "block must be at least 1, got 0")]
    fn a_schedule_is_checked(#[case] every: usize, #[case] block: usize, #[case] message: &str) {
        let error = UnimodalThenFused { every, block }.check().unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
