//! Data loader of alternating turns (Eq. 1).

mod iterator;

use std::sync::Arc;

use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::tensor::Device;
use serde_json::json;

use self::iterator::AlternatingIter;
use crate::error::{MlaError, Result};
use crate::loader::position::{Counts, LoaderHandle};
use crate::loader::ranking::{EpochOrder, Ranks};
use crate::loader::{LoaderSource, LossRanking, Schedule, SourceLoader, UnpairedLoaders};
use crate::modality::{ModalityInputs, MultimodalBatch, Turn};

/// The length of an epoch of an [`AlternatingLoader`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EpochLength {
    /// Ends once every modality has seen its data; shorter ones repeat.
    #[default]
    Longest,
    /// Ends once the first modality has seen its data.
    Shortest,
    /// Ends after a number of turns, not counting skipped ones. Every epoch starts with the first
    /// batches of the source loaders, which should therefore shuffle.
    Turns(usize),
}

/// Data loader of alternating turns: arranges the batches of other loaders in the order of a
/// schedule.
///
/// It is a Burn [`DataLoader`], for Burn's training loop or your own:
/// - [`paired`](Self::paired): one loader of [`MultimodalBatch`]es; with a schedule that treats
///   all modalities alike, each batch serves every modality once per epoch;
/// - [`unpaired`](Self::unpaired): one loader per modality, of any lengths.
///
/// The schedule's step continues from epoch to epoch. When a modality is absent in a whole batch,
/// its turn is skipped and counted ([`skipped`](Self::skipped)).
///
/// Batches are read at most one ahead of their use. When a schedule favours one modality, the inputs
/// of the others are held for at most one pass over the data, or until the end of the epoch with
/// [`EpochLength::Turns`]. A turn costs the same however many inputs are held.
///
/// Progress and [`num_items`](DataLoader::num_items) count samples times modalities.
pub struct AlternatingLoader<In: ModalityInputs> {
    source: Source<In>,
    schedule: Arc<dyn Schedule>,
    epoch: EpochLength,
    ranks: Option<Arc<Ranks>>,
    counts: Arc<Counts>,
    /// What the order of the source follows from; `None` for an order that cannot be repeated.
    sources: Option<Vec<LoaderSource>>,
}

/// What [`MlaError::NoSamples`] names.
const NO_SAMPLES: &str = "the data of the alternating loader";

enum Source<In: ModalityInputs> {
    Paired {
        loader: Arc<dyn DataLoader<MultimodalBatch<In>>>,
        n_modalities: usize,
    },
    Unpaired(Vec<Arc<dyn DataLoader<Turn<In::One>>>>),
}

impl<In: ModalityInputs> AlternatingLoader<In> {
    /// A loader of turns from one loader of paired batches with `n_modalities` modalities.
    ///
    /// `loader` is an `Arc` of a [`ResumableLoader`](crate::loader::ResumableLoader), or an
    /// `Arc<dyn DataLoader<_>>`, with which a training cannot resume.
    ///
    /// A modality that no batch of a pass contains ends the iteration with
    /// [`MlaError::AbsentModality`].
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] for `n_modalities = 0`, [`MlaError::NoSamples`] for a loader
    /// without items.
    pub fn paired(
        loader: impl Into<SourceLoader<MultimodalBatch<In>>>,
        n_modalities: usize,
        schedule: impl Schedule + 'static,
    ) -> Result<Self> {
        let SourceLoader { loader, sources } = loader.into();
        if loader.num_items() == 0 {
            return Err(MlaError::NoSamples { what: NO_SAMPLES });
        }
        let source = Source::Paired {
            loader,
            n_modalities,
        };
        Self::new(source, Arc::new(schedule), sources)
    }

    /// A loader of turns from one loader per modality.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] without loaders, [`MlaError::AbsentModality`] for a loader
    /// without items.
    pub fn unpaired(
        loaders: impl UnpairedLoaders<Inputs = In>,
        schedule: impl Schedule + 'static,
    ) -> Result<Self> {
        let (loaders, sources): (Vec<_>, Vec<_>) = loaders
            .into_turns()
            .into_iter()
            .map(|of| (of.loader, of.sources))
            .unzip();
        let sources: Option<Vec<_>> = sources.into_iter().collect();
        if let Some(modality) = loaders.iter().position(|loader| loader.num_items() == 0) {
            return Err(MlaError::AbsentModality { modality });
        }
        let sources = sources.map(|each| each.concat());
        Self::new(Source::Unpaired(loaders), Arc::new(schedule), sources)
    }

    fn new(
        source: Source<In>,
        schedule: Arc<dyn Schedule>,
        sources: Option<Vec<LoaderSource>>,
    ) -> Result<Self> {
        let loader = Self {
            source,
            schedule,
            epoch: EpochLength::default(),
            ranks: None,
            counts: Arc::default(),
            sources,
        };
        match loader.n_modalities() {
            0 => Err(MlaError::NoModalities {
                what: "the alternating loader",
            }),
            _ => Ok(loader),
        }
    }

    /// Sets the length of an epoch.
    pub fn with_epoch(mut self, epoch: EpochLength) -> Self {
        self.epoch = epoch;
        self
    }

    /// Orders the turns of each epoch by the losses of the one before. The schedule becomes one of ranks, and
    /// its steps count from the start of the epoch. The order stays the same within an epoch. With
    /// [`EpochLength::Turns`] an epoch must have at least a round of the schedule: the last ranks of a shorter one
    /// never train.
    ///
    /// [`fit`](crate::fit::fit) and [`ResumableTraining`](crate::checkpoint::ResumableTraining) measure the
    /// losses and keep them in checkpoints. Your own loop passes them to [`LoaderHandle::rank`] at the end of
    /// each epoch. An epoch that follows turns without it yields [`MlaError::NotRanked`], as in Burn's own
    /// strategies, which do not report losses to the loader.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::dataset::InMemory;
    /// use burn_mla::loader::LossRanking;
    /// use burn_mla::modality::OneOf2;
    /// use burn_mla::prelude::*;
    ///
    /// let device = Device::flex();
    /// let inputs = (Tensor::<2>::ones([6, 20], &device), Tensor::<2>::ones([6, 30], &device));
    /// let data = InMemory::paired(inputs, [0, 1, 2, 0, 1, 2])?;
    /// let turns = AlternatingLoader::paired(data.in_order(3, &device)?, 2, RoundRobin)?
    ///     .with_ranking(LossRanking::WeakestFirst);
    /// let first = turns.iter().next().unwrap()?;
    /// assert!(matches!(first.input, OneOf2::A(_)));
    /// turns.handle().rank(&[0.4, 1.3])?; // modality 1 lags
    /// let first = turns.iter().next().unwrap()?;
    /// assert!(matches!(first.input, OneOf2::B(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_ranking(mut self, ranking: LossRanking) -> Self {
        self.ranks = Some(Arc::new(Ranks::new(ranking, self.n_modalities())));
        self
    }

    /// Starts the schedule at `step`, to continue another training.
    pub fn with_step(self, step: u64) -> Self {
        self.counts.start_at(step);
        self
    }

    /// A handle that saves and restores the position of the loader: its step, and the order of its
    /// source loaders. It refuses to do so if the order of a source loader cannot be repeated.
    pub fn handle(&self) -> LoaderHandle {
        let mut schedule = json!({
            "order": format!("{:?}", self.schedule),
            "epoch": format!("{:?}", self.epoch),
            "n_modalities": self.n_modalities(),
        });
        if let Some(ranks) = &self.ranks {
            schedule["ranking"] = format!("{:?}", ranks.ranking()).into();
        }
        let ranks = self.ranks.clone();
        LoaderHandle::new(self.counts.clone(), schedule, ranks, self.sources.clone())
    }

    /// Number of modalities.
    pub fn n_modalities(&self) -> usize {
        match &self.source {
            Source::Paired { n_modalities, .. } => *n_modalities,
            Source::Unpaired(loaders) => loaders.len(),
        }
    }

    /// Number of turns scheduled so far, including skipped ones: `t` of the next turn.
    pub fn step(&self) -> u64 {
        self.counts.step()
    }

    /// Number of turns skipped so far because their modality was absent in the whole batch.
    pub fn skipped(&self) -> u64 {
        self.counts.skipped()
    }

    /// Number of samples per modality.
    fn lengths(&self) -> Vec<usize> {
        match &self.source {
            Source::Paired {
                loader,
                n_modalities,
            } => vec![loader.num_items(); *n_modalities],
            Source::Unpaired(loaders) => loaders.iter().map(|l| l.num_items()).collect(),
        }
    }

    fn derived(&self, source: Source<In>, counts: Arc<Counts>) -> Arc<Self> {
        Arc::new(Self {
            source,
            schedule: self.schedule.clone(),
            epoch: self.epoch,
            ranks: self.ranks.clone(),
            counts,
            sources: None,
        })
    }
}

impl<In: ModalityInputs> DataLoader<Turn<In::One>> for AlternatingLoader<In> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Turn<In::One>> + 'a> {
        Box::new(AlternatingIter::new(self))
    }

    fn num_items(&self) -> usize {
        self.lengths().iter().sum()
    }

    /// The copy shares [`step`](Self::step) and [`skipped`](Self::skipped) with this loader.
    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Turn<In::One>>> {
        let source = match &self.source {
            Source::Paired {
                loader,
                n_modalities,
            } => Source::Paired {
                loader: loader.to_device(device),
                n_modalities: *n_modalities,
            },
            Source::Unpaired(loaders) => {
                Source::Unpaired(loaders.iter().map(|l| l.to_device(device)).collect())
            }
        };
        self.derived(source, self.counts.clone())
    }

    /// The same share of each modality's data: `start` and `end` count as
    /// [`num_items`](DataLoader::num_items) does.
    ///
    /// A slice has its own counts and the [ranking](Self::with_ranking) of this loader. Training on several
    /// devices needs slices whose turns agree: they must have the same length, and each batch must contain every
    /// modality, because a skipped turn puts a slice out of step. An update from slices out of step fails with
    /// [`MlaError::MixedModalities`].
    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Turn<In::One>>> {
        let total = self.num_items().max(1);
        let share =
            |at: usize, length: usize| (at as u128 * length as u128 / total as u128) as usize;
        let source = match &self.source {
            Source::Paired {
                loader,
                n_modalities,
            } => {
                let length = loader.num_items();
                Source::Paired {
                    loader: loader.slice(share(start, length), share(end, length)),
                    n_modalities: *n_modalities,
                }
            }
            Source::Unpaired(loaders) => {
                let part = |loader: &Arc<dyn DataLoader<Turn<In::One>>>| {
                    let length = loader.num_items();
                    loader.slice(share(start, length), share(end, length))
                };
                Source::Unpaired(loaders.iter().map(part).collect())
            }
        };
        self.derived(source, Arc::new(Counts::from_step(self.step())))
    }
}

impl<In: ModalityInputs> AlternatingLoader<In> {
    fn check_count(&self, got: usize) -> Result<()> {
        let expected = self.n_modalities();
        if got == expected {
            return Ok(());
        }
        Err(MlaError::ModalityCount {
            what: "a batch of the paired loader",
            expected,
            got,
        })
    }

    /// The order of an epoch that starts now.
    fn epoch_order(&self) -> Result<EpochOrder> {
        match &self.ranks {
            Some(ranks) => ranks.order(self.step(), self.counts.ranking()),
            None => Ok(EpochOrder::by_index(self.n_modalities())),
        }
    }

    fn check_modality(&self, modality: usize) -> Result<()> {
        let n_modalities = self.n_modalities();
        if modality < n_modalities {
            return Ok(());
        }
        Err(MlaError::ModalityOutOfRange {
            modality,
            n_modalities,
        })
    }
}
