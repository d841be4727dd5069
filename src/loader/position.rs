//! Position of a loader, which checkpoints save and restore.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Difference, MlaError, Result};
use crate::loader::LoaderSource;
use crate::loader::ranking::Ranks;

/// The position of an [`AlternatingLoader`](crate::loader::AlternatingLoader) or of a loader of
/// batches, and what its order follows from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoaderPosition {
    /// Number of scheduled turns, including skipped ones.
    pub step: u64,
    /// Number of skipped turns.
    pub skipped: u64,
    /// Schedule and length of an epoch; null for a loader of batches.
    pub schedule: Value,
    /// Last mean loss of each modality, by which a [ranked](crate::loader::AlternatingLoader::with_ranking)
    /// loader orders the turns of the next epoch; empty for other loaders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Option<f64>>,
    /// Position of each source loader.
    pub sources: Vec<SourcePosition>,
}

/// The position of a source loader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourcePosition {
    /// What the order follows from, such as a seed and a batch size.
    pub order: Value,
    /// Number of started passes.
    pub passes: u64,
}

/// A handle that saves and restores the position of an
/// [`AlternatingLoader`](crate::loader::AlternatingLoader) or of a loader of batches. It remains
/// valid after the loader has moved into a training loop.
#[derive(Debug, Clone)]
pub struct LoaderHandle {
    counts: Arc<Counts>,
    schedule: Value,
    ranks: Option<Arc<Ranks>>,
    sources: Option<Vec<LoaderSource>>,
}

impl LoaderHandle {
    pub(super) fn new(
        counts: Arc<Counts>,
        schedule: Value,
        ranks: Option<Arc<Ranks>>,
        sources: Option<Vec<LoaderSource>>,
    ) -> Self {
        Self {
            counts,
            schedule,
            ranks,
            sources,
        }
    }

    /// A handle to a loader of batches without a schedule, given its
    /// [sources](crate::loader::SourceLoader::sources).
    pub fn of_sources(sources: Option<Vec<LoaderSource>>) -> Self {
        Self::new(Arc::default(), Value::Null, None, sources)
    }

    /// The handle to a loader that adds turns on batches of further sources.
    pub(super) fn with_fused(self, fused: Value, sources: Option<Vec<LoaderSource>>) -> Self {
        let sources = self.sources.zip(sources);
        Self {
            counts: self.counts,
            schedule: json!({"turns": self.schedule, "fused": fused}),
            ranks: self.ranks,
            sources: sources.map(|(turns, batches)| [turns, batches].concat()),
        }
    }

    /// Ranks the modalities by their mean losses in the epoch that ended, for a loader
    /// [with a ranking](crate::loader::AlternatingLoader::with_ranking). A loss that is not finite, such as the
    /// NaN of a modality without turns, leaves the last one of that modality. Other loaders ignore the losses.
    ///
    /// Call it at the end of each epoch, before [`position`](Self::position).
    /// [`ResumableTraining`](crate::checkpoint::ResumableTraining) and [`fit`](crate::fit::fit) do.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] for another number of losses than modalities.
    pub fn rank(&self, losses: &[f64]) -> Result<()> {
        match &self.ranks {
            Some(ranks) => ranks.update(losses),
            None => Ok(()),
        }
    }

    fn sources(&self) -> Result<&[LoaderSource]> {
        self.sources.as_deref().ok_or(MlaError::NotRepeatable {
            what: "the order of the training data",
        })
    }

    /// The current position. To resume within an epoch, save the position at its start and repeat
    /// its first turns: the position does not include how far the source loaders are within a
    /// pass.
    ///
    /// # Errors
    ///
    /// [`MlaError::NotRepeatable`] for source loaders that are not
    /// [`ResumableLoader`](crate::loader::ResumableLoader)s.
    pub fn position(&self) -> Result<LoaderPosition> {
        let sources = self.sources()?.iter();
        Ok(LoaderPosition {
            step: self.counts.step(),
            skipped: self.counts.skipped(),
            schedule: self.schedule.clone(),
            losses: self.ranks.as_ref().map_or(vec![], |ranks| ranks.losses()),
            sources: sources
                .map(|source| SourcePosition {
                    order: source.order().clone(),
                    passes: source.passes().begun(),
                })
                .collect(),
        })
    }

    /// Moves the loader to `position`, from the next epoch on.
    ///
    /// # Errors
    ///
    /// [`MlaError::OtherLoader`] for the position of a loader with another schedule, or with sources
    /// of another number, seed, batch size or number of items, [`MlaError::Size`] for another number of losses
    /// than modalities, [`MlaError::NotRepeatable`] as [`position`](Self::position). The loader is then
    /// unchanged.
    pub fn restore(&self, position: &LoaderPosition) -> Result<()> {
        let sources = self.sources()?;
        let given: Vec<Value> = sources
            .iter()
            .map(|source| source.order().clone())
            .collect();
        let saved = position.sources.iter().map(|source| source.order.clone());
        let differs = Difference::between("schedule", &position.schedule, &self.schedule)
            .or_else(|| Difference::between("sources", &saved.collect(), &given.into()));
        if let Some(Difference { at, saved, given }) = differs {
            return Err(MlaError::OtherLoader { at, saved, given });
        }
        if let Some(ranks) = &self.ranks {
            ranks.restore(&position.losses)?;
        }
        self.counts.step.store(position.step, Ordering::Relaxed);
        self.counts
            .skipped
            .store(position.skipped, Ordering::Relaxed);
        for (source, saved) in sources.iter().zip(&position.sources) {
            source.passes().restore(saved.passes);
        }
        Ok(())
    }
}

/// The counts of an alternating loader, shared with its copies on other devices.
#[derive(Debug, Default)]
pub(super) struct Counts {
    step: AtomicU64,
    skipped: AtomicU64,
    /// Number of the ranking of the last turn, 0 before the first turn and without rankings.
    ranking: AtomicU64,
}

impl Counts {
    pub(super) fn from_step(step: u64) -> Self {
        let counts = Self::default();
        counts.start_at(step);
        counts
    }

    pub(super) fn start_at(&self, step: u64) {
        self.step.store(step, Ordering::Relaxed);
    }

    pub(super) fn step(&self) -> u64 {
        self.step.load(Ordering::Relaxed)
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    pub(super) fn ranking(&self) -> u64 {
        self.ranking.load(Ordering::Relaxed)
    }

    /// Counts a turn in an epoch with the ranking of a number.
    pub(super) fn take(&self, ranking: u64) {
        self.step.fetch_add(1, Ordering::Relaxed);
        self.ranking.store(ranking, Ordering::Relaxed);
    }

    pub(super) fn skip(&self, turns: usize) {
        self.step.fetch_add(turns as u64, Ordering::Relaxed);
        self.skipped.fetch_add(turns as u64, Ordering::Relaxed);
    }
}
