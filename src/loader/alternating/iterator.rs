//! One epoch of an alternating loader: a queue of pending turns per modality.

use std::collections::VecDeque;

use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;

use super::{AlternatingLoader, EpochLength, NO_SAMPLES, Source};
use crate::error::{MlaError, Result};
use crate::loader::ranking::EpochOrder;
use crate::modality::{ModalityInputs, MultimodalBatch, Turn};

/// An entry of the queue of a modality.
// Nearly all entries are turns, where a box would only add an allocation.
#[allow(clippy::large_enum_variant)]
enum Entry<T> {
    Turn(Turn<T>),
    /// A batch without the modality.
    Absent,
    EndOfPass,
}

/// The pending entries of one pass. Counted as they come and go: a queue can hold a whole pass.
#[derive(Default)]
struct Pending {
    turns: usize,
    absent: usize,
    has_end: bool,
}

/// The queue of one modality.
struct Lane<T> {
    entries: VecDeque<Entry<T>>,
    /// The passes that the entries belong to, in order.
    pending: VecDeque<Pending>,
    /// Number of completed passes over the data.
    passes: usize,
    /// Number of passes completed since the last turn.
    barren: usize,
    /// Whether any batch had the modality.
    seen: bool,
    n_samples: usize,
    served: usize,
    /// A later step at which the schedule has the modality, as far as known.
    due: u64,
}

impl<T> Lane<T> {
    fn new(n_samples: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            pending: VecDeque::new(),
            passes: 0,
            barren: 0,
            seen: false,
            n_samples,
            served: 0,
            due: 0,
        }
    }

    fn push(&mut self, entry: Entry<T>) {
        if self.pending.back().is_none_or(|pass| pass.has_end) {
            self.pending.push_back(Pending::default());
        }
        if let Some(pass) = self.pending.back_mut() {
            match entry {
                Entry::Turn(_) => pass.turns += 1,
                Entry::Absent => pass.absent += 1,
                Entry::EndOfPass => pass.has_end = true,
            }
        }
        self.entries.push_back(entry);
    }

    /// Takes the next entry. The end of a pass completes it.
    fn pop(&mut self) -> Option<Entry<T>> {
        let entry = self.entries.pop_front()?;
        if let Some(pass) = self.pending.front_mut() {
            match entry {
                Entry::Turn(_) => pass.turns -= 1,
                Entry::Absent => pass.absent -= 1,
                Entry::EndOfPass => {
                    self.pending.pop_front();
                    self.passes += 1;
                    self.barren += 1;
                }
            }
        }
        Some(entry)
    }

    /// Whether the end of a pass comes next.
    fn is_at_end(&self) -> bool {
        matches!(self.entries.front(), Some(Entry::EndOfPass))
    }

    /// Whether the rest of a pass is queued.
    fn has_whole_pass(&self) -> bool {
        self.pending.front().is_some_and(|pass| pass.has_end)
    }

    /// Whether a whole pass contained no turn.
    fn is_barren(&self) -> bool {
        self.barren > 1
    }

    /// Whether no turn of the first pass is pending.
    fn has_passed(&self) -> bool {
        self.passes > 0 || self.only_absent_left().is_some()
    }

    /// The number of skipped turns left in a pass, if only those are left.
    fn only_absent_left(&self) -> Option<usize> {
        let pass = self.pending.front()?;
        (pass.has_end && pass.turns == 0).then_some(pass.absent)
    }
}

/// Number of steps that a schedule may leave out a modality that an epoch waits for.
const LONGEST_ABSENCE: u64 = 1 << 22;

/// Checks after a pass that it contained every modality.
fn check_seen<T>(lanes: &[Lane<T>]) -> Result<(), DatasetError> {
    let Some(modality) = lanes.iter().position(|lane| !lane.seen) else {
        return Ok(());
    };
    Err(DatasetError::new(if lanes.iter().any(|lane| lane.seen) {
        MlaError::AbsentModality { modality }
    } else {
        MlaError::NoSamples { what: NO_SAMPLES }
    }))
}

type Batches<'a, T> = Option<Box<dyn DataLoaderIterator<T> + 'a>>;

/// The passes being read; `None` between two passes.
enum Feeds<'a, In: ModalityInputs> {
    Paired(Batches<'a, MultimodalBatch<In>>),
    Unpaired(Vec<Batches<'a, Turn<In::One>>>),
}

pub(super) struct AlternatingIter<'a, In: ModalityInputs> {
    loader: &'a AlternatingLoader<In>,
    feeds: Feeds<'a, In>,
    lanes: Vec<Lane<In::One>>,
    order: EpochOrder,
    /// Why the epoch cannot start.
    fault: Option<MlaError>,
    turns: usize,
    /// Whether a pass ended since the schedule was last checked.
    pass_ended: bool,
    over: bool,
}

impl<'a, In: ModalityInputs> AlternatingIter<'a, In> {
    pub(super) fn new(loader: &'a AlternatingLoader<In>) -> Self {
        let lanes = loader.lengths().into_iter().map(Lane::new).collect();
        let (order, fault) = match loader.epoch_order() {
            Ok(order) => (order, None),
            Err(error) => (EpochOrder::by_index(loader.n_modalities()), Some(error)),
        };
        Self {
            loader,
            feeds: match &loader.source {
                Source::Paired { .. } => Feeds::Paired(None),
                Source::Unpaired(loaders) => {
                    Feeds::Unpaired(loaders.iter().map(|_| None).collect())
                }
            },
            lanes,
            order,
            fault,
            turns: 0,
            pass_ended: false,
            over: false,
        }
    }

    /// Reads until `modality` has a pending entry.
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
                            check_seen(&self.lanes)?;
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
                    lane.seen |= matches!(entry, Entry::Turn(_));
                    // When an epoch is a pass, a lane that has the rest of the pass queued needs no more.
                    let by_pass = !matches!(self.loader.epoch, EpochLength::Turns(_));
                    if !(by_pass && lane.has_whole_pass()) {
                        lane.push(entry);
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
                self.lanes[modality].push(entry);
            }
            _ => unreachable!("an iterator is made from its own loader's source"),
        }
        Ok(())
    }

    /// Records the end of a pass as soon as it is reached. An epoch then ends with its last turn.
    fn settle(&mut self, modality: usize) -> Result<(), DatasetError> {
        self.fill(modality)?;
        let lane = &mut self.lanes[modality];
        if lane.is_at_end() {
            lane.pop();
            self.pass_ended = true;
        }
        Ok(())
    }

    /// Checks that the schedule returns to every modality that the epoch waits for. Without this, an
    /// epoch would never end.
    fn check_schedule(&mut self) -> Result<()> {
        let step = self.loader.step();
        for (modality, lane) in self.lanes.iter_mut().enumerate() {
            if lane.has_passed() || lane.due >= step {
                continue;
            }
            let (order, schedule) = (&self.order, &*self.loader.schedule);
            let last = step.saturating_add(LONGEST_ABSENCE);
            let due = (step..last).find(|&t| order.modality(schedule, t) == modality);
            lane.due = due.ok_or(MlaError::NeverScheduled {
                modality,
                step,
                n_steps: LONGEST_ABSENCE,
            })?;
        }
        Ok(())
    }

    /// Number of steps, from the current one, on modalities without data.
    fn barren_steps(&self) -> Result<usize> {
        let with_data = self.lanes.iter().position(|lane| !lane.is_barren());
        let modality = with_data.ok_or(MlaError::NoSamples { what: NO_SAMPLES })?;
        let step = self.loader.step();
        let last = step.saturating_add(LONGEST_ABSENCE);
        for t in step..last {
            let scheduled = self.order.modality(&*self.loader.schedule, t);
            self.loader.check_modality(scheduled)?;
            if !self.lanes[scheduled].is_barren() {
                return Ok((t - step) as usize);
            }
        }
        Err(MlaError::NeverScheduled {
            modality,
            step,
            n_steps: LONGEST_ABSENCE,
        })
    }

    fn is_over(&self) -> bool {
        match self.loader.epoch {
            EpochLength::Longest => self.lanes.iter().all(Lane::has_passed),
            EpochLength::Shortest => self.lanes.iter().any(Lane::has_passed),
            EpochLength::Turns(n) => self.turns >= n,
        }
    }

    fn try_next(&mut self) -> Result<Option<Turn<In::One>>, DatasetError> {
        if let Some(error) = self.fault.take() {
            return Err(DatasetError::new(error));
        }
        if self.turns == 0 {
            // The pass of a modality without data ends before it starts.
            for modality in 0..self.lanes.len() {
                if self.lanes[modality].passes == 0 {
                    self.settle(modality)?;
                }
            }
        }
        while !self.is_over() {
            if std::mem::take(&mut self.pass_ended)
                && !matches!(self.loader.epoch, EpochLength::Turns(_))
            {
                self.check_schedule().map_err(DatasetError::new)?;
            }
            let step = self.loader.step();
            let modality = self.order.modality(&*self.loader.schedule, step);
            self.loader
                .check_modality(modality)
                .map_err(DatasetError::new)?;
            if self.lanes[modality].is_barren() {
                let barren = self.barren_steps().map_err(DatasetError::new)?;
                self.loader.counts.skip(barren);
                continue;
            }
            self.fill(modality)?;
            let lane = &mut self.lanes[modality];
            match lane.pop() {
                Some(Entry::EndOfPass) | None => self.pass_ended = true,
                Some(Entry::Absent) => self.loader.counts.skip(1),
                Some(Entry::Turn(turn)) => {
                    lane.barren = 0;
                    lane.served += turn.targets.len();
                    self.turns += 1;
                    self.loader.counts.take(self.order.ranking());
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
        let done = if self.is_over() {
            total
        } else {
            done.min(total.saturating_sub(1))
        };
        Progress::new(done, total, Some("items".to_string()))
    }
}
