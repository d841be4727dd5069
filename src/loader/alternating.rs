use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;

use crate::error::{MlaError, Result};
use crate::loader::Schedule;
use crate::loader::UnpairedLoaders;
use crate::loader::position::{Counts, LoaderHandle, Passes};
use crate::modality::{ModalityInputs, MultimodalBatch, Turn};

/// When an epoch of an [`AlternatingLoader`] is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EpochLength {
    /// When every modality has been through its data once; those that are through earlier go
    /// round again.
    #[default]
    Longest,
    /// When the first modality has been through its data once.
    Shortest,
    /// After a number of turns, skipped ones not counted. Every epoch starts with the loaders'
    /// first batches: let them shuffle.
    Turns(usize),
}

/// Turns loaders of batches into the sequence of turns that a schedule asks for.
///
/// Itself a Burn [`DataLoader`], for Burn's training loop or a loop of one's own:
/// - [`paired`](Self::paired): one loader of [`MultimodalBatch`]es; with a schedule that treats
///   all modalities alike, each batch serves every modality once an epoch;
/// - [`unpaired`](Self::unpaired): a loader a modality, of any lengths.
///
/// The schedule's step counts on from epoch to epoch. Where a modality is absent in a whole
/// batch its turn is skipped and counted ([`skipped`](Self::skipped)).
///
/// Batches are read at most one ahead of their use. A schedule that favours one modality makes
/// the others' inputs wait: for at most one pass over the data, or with [`EpochLength::Turns`]
/// until the epoch ends.
///
/// Progress and [`num_items`](DataLoader::num_items) count samples times modalities.
pub struct AlternatingLoader<In: ModalityInputs> {
    source: Source<In>,
    schedule: Arc<dyn Schedule>,
    epoch: EpochLength,
    counts: Arc<Counts>,
    passes: Arc<Mutex<Vec<Passes>>>,
}

enum Source<In: ModalityInputs> {
    Paired {
        loader: Arc<dyn DataLoader<MultimodalBatch<In>>>,
        n_modalities: usize,
    },
    Unpaired(Vec<Arc<dyn DataLoader<Turn<In::One>>>>),
}

impl<In: ModalityInputs> AlternatingLoader<In> {
    /// Turns from one loader of paired batches with `n_modalities` modalities.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] for `n_modalities = 0`.
    pub fn paired(
        loader: Arc<dyn DataLoader<MultimodalBatch<In>>>,
        n_modalities: usize,
        schedule: impl Schedule + 'static,
    ) -> Result<Self> {
        let source = Source::Paired {
            loader,
            n_modalities,
        };
        Self::new(source, Arc::new(schedule))
    }

    /// Turns from a loader a modality.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] without a loader, [`MlaError::AbsentModality`] for one that
    /// has no items.
    pub fn unpaired(
        loaders: impl UnpairedLoaders<Inputs = In>,
        schedule: impl Schedule + 'static,
    ) -> Result<Self> {
        let loaders = loaders.into_turns();
        if let Some(modality) = loaders.iter().position(|loader| loader.num_items() == 0) {
            return Err(MlaError::AbsentModality { modality });
        }
        Self::new(Source::Unpaired(loaders), Arc::new(schedule))
    }

    fn new(source: Source<In>, schedule: Arc<dyn Schedule>) -> Result<Self> {
        let loader = Self {
            source,
            schedule,
            epoch: EpochLength::default(),
            counts: Arc::default(),
            passes: Arc::default(),
        };
        match loader.n_modalities() {
            0 => Err(MlaError::NoModalities {
                what: "the alternating loader",
            }),
            _ => Ok(loader),
        }
    }

    /// Replaces the length of an epoch.
    pub fn with_epoch(mut self, epoch: EpochLength) -> Self {
        self.epoch = epoch;
        self
    }

    /// Starts the schedule at a step other than 0, to go on where another training ended.
    pub fn with_step(self, step: u64) -> Self {
        self.counts.start_at(step);
        self
    }

    /// Lets [`handle`](Self::handle) save and restore the order of the loaders that this one reads
    /// from: the [`passes`](crate::loader::SeededLoader::passes) of each.
    pub fn with_passes(self, passes: impl IntoIterator<Item = Passes>) -> Self {
        let passes = passes.into_iter().collect();
        *self.passes.lock().unwrap_or_else(PoisonError::into_inner) = passes;
        self
    }

    /// A handle to save where the loader is and to bring it back there.
    pub fn handle(&self) -> LoaderHandle {
        LoaderHandle::new(self.counts.clone(), self.passes.clone())
    }

    /// Number of modalities.
    pub fn n_modalities(&self) -> usize {
        match &self.source {
            Source::Paired { n_modalities, .. } => *n_modalities,
            Source::Unpaired(loaders) => loaders.len(),
        }
    }

    /// Number of turns scheduled so far, skipped ones included: `t` of the next one.
    pub fn step(&self) -> u64 {
        self.counts.step()
    }

    /// Number of turns skipped so far since their modality was absent in the whole batch.
    pub fn skipped(&self) -> u64 {
        self.counts.skipped()
    }

    /// Samples of each modality's data.
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
            counts,
            passes: Arc::default(),
        })
    }
}

impl<In: ModalityInputs> DataLoader<Turn<In::One>> for AlternatingLoader<In> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Turn<In::One>> + 'a> {
        let lanes = self
            .lengths()
            .into_iter()
            .map(|n_samples| Lane {
                entries: VecDeque::new(),
                passes: 0,
                barren: 0,
                n_samples,
                served: 0,
            })
            .collect();
        Box::new(AlternatingIter {
            loader: self,
            feeds: match &self.source {
                Source::Paired { .. } => Feeds::Paired(None),
                Source::Unpaired(loaders) => {
                    Feeds::Unpaired(loaders.iter().map(|_| None).collect())
                }
            },
            lanes,
            turns: 0,
            over: false,
        })
    }

    fn num_items(&self) -> usize {
        self.lengths().iter().sum()
    }

    /// The copy goes on counting where this loader's [`step`](Self::step) and
    /// [`skipped`](Self::skipped) are, and they count with it.
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
    /// A slice counts for itself, so that slices stay in step, as training on several devices
    /// needs, only while none skips a turn and each epoch has the same number of turns in all: let
    /// the slices be of one length and each batch have something of every modality. Where they are
    /// out of step the update is refused
    /// ([`MlaError::MixedModalities`]).
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

/// What comes next for a modality.
// Nearly all entries are turns: a box would only add an allocation each.
#[allow(clippy::large_enum_variant)]
enum Entry<T> {
    Turn(Turn<T>),
    /// The modality is absent in a whole batch.
    Absent,
    EndOfPass,
}

impl<T> Entry<T> {
    fn is_end(&self) -> bool {
        matches!(self, Self::EndOfPass)
    }
}

/// What waits for one modality.
struct Lane<T> {
    entries: VecDeque<Entry<T>>,
    /// Passes over the data that are over.
    passes: usize,
    /// How many ended since the last turn.
    barren: usize,
    n_samples: usize,
    served: usize,
}

impl<T> Lane<T> {
    fn end_pass(&mut self) {
        self.passes += 1;
        self.barren += 1;
    }

    /// Whether a whole pass held no turn.
    fn is_barren(&self) -> bool {
        self.barren > 1
    }

    /// Whether no turn of the first pass is left.
    fn has_passed(&self) -> bool {
        self.passes > 0 || self.only_absent_left().is_some()
    }

    /// The number of skipped turns that are left when nothing else is left of a pass.
    fn only_absent_left(&self) -> Option<usize> {
        let end = self.entries.iter().position(Entry::is_end)?;
        let absent = |entry: &Entry<T>| matches!(entry, Entry::Absent);
        self.entries.iter().take(end).all(absent).then_some(end)
    }
}

type Batches<'a, T> = Option<Box<dyn DataLoaderIterator<T> + 'a>>;

/// The passes that are being read; `None` between two.
enum Feeds<'a, In: ModalityInputs> {
    Paired(Batches<'a, MultimodalBatch<In>>),
    Unpaired(Vec<Batches<'a, Turn<In::One>>>),
}

struct AlternatingIter<'a, In: ModalityInputs> {
    loader: &'a AlternatingLoader<In>,
    feeds: Feeds<'a, In>,
    lanes: Vec<Lane<In::One>>,
    turns: usize,
    over: bool,
}

impl<In: ModalityInputs> AlternatingIter<'_, In> {
    /// Reads until something waits for `modality`.
    fn fill(&mut self, modality: usize) -> Result<(), DatasetError> {
        if !self.lanes[modality].entries.is_empty() {
            return Ok(());
        }
        match (&mut self.feeds, &self.loader.source) {
            (Feeds::Paired(feed), Source::Paired { loader, .. }) => {
                let entries: Vec<Entry<In::One>> =
                    match feed.get_or_insert_with(|| loader.iter()).next() {
                        None => {
                            *feed = None;
                            self.lanes.iter().map(|_| Entry::EndOfPass).collect()
                        }
                        Some(batch) => {
                            let turns = batch?.into_turns().map_err(DatasetError::new)?;
                            self.loader
                                .check_count(turns.len())
                                .map_err(DatasetError::new)?;
                            let entry = |turn: Option<_>| turn.map_or(Entry::Absent, Entry::Turn);
                            turns.into_iter().map(entry).collect()
                        }
                    };
                for (lane, entry) in self.lanes.iter_mut().zip(entries) {
                    // Where an epoch is a pass, a lane in which the rest of it waits needs no more.
                    let by_pass = !matches!(self.loader.epoch, EpochLength::Turns(_));
                    if !(by_pass && lane.entries.iter().any(Entry::is_end)) {
                        lane.entries.push_back(entry);
                    }
                }
            }
            (Feeds::Unpaired(feeds), Source::Unpaired(loaders)) => {
                let feed = feeds[modality].get_or_insert_with(|| loaders[modality].iter());
                let entry = match feed.next() {
                    None => {
                        feeds[modality] = None;
                        Entry::EndOfPass
                    }
                    Some(turn) => Entry::Turn(turn?),
                };
                self.lanes[modality].entries.push_back(entry);
            }
            _ => unreachable!("an iterator is made from its own loader's source"),
        }
        Ok(())
    }

    /// Notes the end of a pass as soon as it is reached, so that an epoch ends with its last
    /// turn.
    fn settle(&mut self, modality: usize) -> Result<(), DatasetError> {
        self.fill(modality)?;
        let lane = &mut self.lanes[modality];
        if lane.entries.front().is_some_and(Entry::is_end) {
            lane.entries.pop_front();
            lane.end_pass();
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        match self.loader.epoch {
            EpochLength::Longest => self.lanes.iter().all(Lane::has_passed),
            EpochLength::Shortest => self.lanes.iter().any(Lane::has_passed),
            EpochLength::Turns(n) => self.turns >= n,
        }
    }

    fn try_next(&mut self) -> Result<Option<Turn<In::One>>, DatasetError> {
        if self.turns == 0 {
            // A modality without data has made its pass before it starts.
            for modality in 0..self.lanes.len() {
                if self.lanes[modality].passes == 0 {
                    self.settle(modality)?;
                }
            }
        }
        while !self.is_over() {
            let modality = self
                .loader
                .schedule
                .modality(self.loader.step(), self.lanes.len());
            self.loader
                .check_modality(modality)
                .map_err(DatasetError::new)?;
            if self.lanes[modality].is_barren() {
                if self.lanes.iter().all(Lane::is_barren) {
                    let what = "the data of the alternating loader";
                    return Err(DatasetError::new(MlaError::Empty { what }));
                }
                self.loader.counts.skip(1);
                continue;
            }
            self.fill(modality)?;
            let lane = &mut self.lanes[modality];
            match lane.entries.pop_front() {
                Some(Entry::EndOfPass) | None => lane.end_pass(),
                Some(Entry::Absent) => self.loader.counts.skip(1),
                Some(Entry::Turn(turn)) => {
                    lane.barren = 0;
                    lane.served += turn.targets.len();
                    self.turns += 1;
                    self.loader.counts.take();
                    self.settle(modality)?;
                    return Ok(Some(turn));
                }
            }
        }
        if !matches!(self.loader.epoch, EpochLength::Turns(_)) {
            let unserved = self.lanes.iter().filter(|lane| lane.passes == 0);
            self.loader
                .counts
                .skip(unserved.filter_map(Lane::only_absent_left).sum());
        }
        Ok(None)
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

impl<In: ModalityInputs> Iterator for AlternatingIter<'_, In> {
    type Item = Result<Turn<In::One>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.try_next().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<In: ModalityInputs> DataLoaderIterator<Turn<In::One>> for AlternatingIter<'_, In> {
    fn progress(&self) -> Progress {
        let (done, total) = match self.loader.epoch {
            EpochLength::Turns(n) => (self.turns.min(n), n),
            _ => {
                let served = |lane: &Lane<In::One>| lane.served.min(lane.n_samples);
                let total: usize = self.lanes.iter().map(|lane| lane.n_samples).sum();
                let done = self.lanes.iter().map(served).sum();
                (done, total)
            }
        };
        let done = match self.is_over() {
            true => total,
            false => done.min(total.saturating_sub(1)),
        };
        Progress::new(done, total, Some("items".to_string()))
    }
}
