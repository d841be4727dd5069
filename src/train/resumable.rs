use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Device;
use burn::train::checkpoint::CheckpointerError;
use burn::train::metric::store::EventStoreClient;
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, Interruption, Learner, LearnerEvent,
    LearnerModel, LearningResult, SupervisedLearningStrategy, SupervisedTraining,
    SupervisedTrainingEventProcessor, TrainLoader, TrainOutput, TrainStep, TrainingComponents,
    TrainingError, TrainingItem, TrainingStrategy, ValidLoader,
};
use serde::Serialize;

use crate::encoder::Encoders;
use crate::error::{MlaError, at_least_one};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::modality::ModalityInputs;
use crate::model::Mla;
use crate::projector::OrthogonalProjector;
use crate::train::checkpoint::{
    Capture, CheckpointError, CheckpointProblem, CheckpointStore, EpochRecord, History, Monitor,
    Snapshot, TrainingProgress, ValidationRecord, same_option,
};
use crate::train::seed::derived;
use crate::train::{Evaluation, EvaluationOutput, LoaderHandle, TurnOutput};

/// Training in Burn's loop that can be stopped or killed at any turn and goes on from its last
/// checkpoint as if nothing had happened, bit for bit on the CPU.
///
/// A training strategy for Burn's [`SupervisedTraining`], for one device: progress display, metrics
/// and their logs, learning-rate schedules and gradient accumulation work as in Burn's own.
/// [`launch`](Self::launch) starts it.
///
/// # What makes it exact
///
/// - A checkpoint holds model, projector, fusion, optimizer, scheduler, the position of the loader
///   at the beginning of the epoch, counts, history and configuration.
/// - Random numbers of a turn (dropout) are drawn from a seed of that turn: the device is seeded
///   anew each time. Nothing else may draw from it meanwhile, such as a loader's augmentation.
/// - The turns of the epoch that had been taken are read again and dropped. For that the order of
///   the data must be a function of the pass: a loader that does not shuffle and has at most one
///   worker, or [`SeededLoader`](crate::train::SeededLoader) with
///   [`AlternatingLoader::with_passes`](crate::train::AlternatingLoader::with_passes). The
///   validation loader must not shuffle.
///
/// Burn's own metric logs start the epoch that is resumed anew, and Burn's early stopping reads
/// them: it goes on exactly only while they are there and watch the validation split.
/// [`History`] is part of the checkpoint, and so is what [`with_patience`](Self::with_patience)
/// does.
///
/// # Accumulation
///
/// With Burn's `grads_accumulation(n)` up to `n` turns in a row of the same modality make one
/// update ([`Blocks`](crate::modality::Blocks)): the last group of an epoch, or one before
/// another modality's turn, may be smaller. A checkpoint is made between two updates.
pub struct ResumableTraining {
    device: Device,
    store: CheckpointStore,
    loader: LoaderHandle,
    every: Option<u64>,
    monitor: Monitor,
    patience: Option<usize>,
    seed: Option<u64>,
    configuration: serde_json::Value,
    start: Option<Snapshot>,
    state: Arc<Mutex<TrainingProgress>>,
    /// The stop that ended the loop.
    stopped: Arc<Mutex<Option<Interruption>>>,
}

impl ResumableTraining {
    /// Trains on `device`, which is given autodiff, and keeps checkpoints in `store`: after each epoch, and
    /// when the training is interrupted. `loader` is the
    /// [handle](crate::train::AlternatingLoader::handle) of the loader of training turns.
    pub fn new(device: &Device, store: CheckpointStore, loader: LoaderHandle) -> Self {
        Self {
            device: device.clone().autodiff(),
            store,
            loader,
            every: None,
            monitor: Monitor::default(),
            patience: None,
            seed: None,
            configuration: serde_json::Value::Null,
            start: None,
            state: Arc::new(Mutex::new(TrainingProgress::new(0))),
            stopped: Arc::default(),
        }
    }

    /// Makes a checkpoint every `turns` turns as well.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for 0.
    pub fn with_every(mut self, turns: usize) -> crate::Result<Self> {
        self.every = Some(at_least_one("turns between checkpoints", turns)? as u64);
        Ok(self)
    }

    /// Replaces the measure by which the best epoch is kept, the fused accuracy.
    pub fn with_monitor(mut self, monitor: Monitor) -> Self {
        self.monitor = monitor;
        self
    }

    /// Stops when `epochs` epochs in a row were no better, by the
    /// [monitor](Self::with_monitor), than the best before them.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for 0.
    pub fn with_patience(mut self, epochs: usize) -> crate::Result<Self> {
        self.patience = Some(at_least_one("patience", epochs)?);
        Ok(self)
    }

    /// Replaces the seed of the random numbers drawn while training, 0.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// What the training is configured with, to be saved in checkpoints: going on with another
    /// configuration is refused.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Record`] for what JSON cannot hold.
    pub fn with_configuration(
        mut self,
        configuration: &impl Serialize,
    ) -> Result<Self, CheckpointError> {
        let value = serde_json::to_value(configuration);
        self.configuration = value.map_err(|error| CheckpointError::Record {
            part: "configuration",
            message: error.to_string(),
        })?;
        Ok(self)
    }

    /// Goes on from a snapshot, such as [`CheckpointStore::latest`] of the store, instead of
    /// starting anew. From an older one the training leaves the later ones behind: they are removed
    /// with its first checkpoint.
    pub fn resume(mut self, snapshot: Option<Snapshot>) -> Self {
        self.start = snapshot;
        self
    }

    /// Starts Burn's training, or goes on with it, and returns Burn's result together with what
    /// was measured.
    ///
    /// The training is Burn's, as configured: its metrics, number of epochs, early stopping,
    /// accumulation, renderer and interrupter. A stop through the interrupter leaves a checkpoint
    /// behind; an error does not, the last one before it stays.
    ///
    /// # Errors
    ///
    /// - [`CheckpointError::Occupied`] to start anew where there are checkpoints already;
    /// - [`CheckpointError::Unusable`] for a snapshot that does not fit what it is to go on with;
    /// - [`CheckpointError::Model`] for a monitor of a modality that does not exist.
    ///
    /// Nothing has been trained then. What goes wrong later is in the result.
    pub fn launch<M: ResumableModel>(
        self,
        training: SupervisedTraining<M>,
        mut learner: Learner<M>,
    ) -> Result<(LearningResult<M>, History), CheckpointError> {
        self.monitor
            .check(ResumableModel::n_modalities(&learner.model()))?;
        let progress = match &self.start {
            Some(snapshot) => {
                let path = snapshot.path.as_deref().unwrap_or(self.store.directory());
                self.restore(snapshot, &mut learner)
                    .map_err(|problem| CheckpointError::unusable(path, problem))?
            }
            None if self.store.list()?.is_empty() => TrainingProgress {
                configuration: self.configuration.clone(),
                monitor: self.monitor,
                loader: self.loader.position(),
                ..TrainingProgress::new(self.seed.unwrap_or_default())
            },
            None => {
                let directory = self.store.directory().to_path_buf();
                return Err(CheckpointError::Occupied { directory });
            }
        };
        let state = self.state.clone();
        *lock(&state) = progress;
        let stopped = self.stopped.clone();
        let strategy = TrainingStrategy::Custom(Arc::new(self));
        let mut result = training.with_training_strategy(strategy).launch(learner);
        // Burn's dashboard resets the interrupter at the end of a training that it stopped.
        if result.interrupted.is_none() && result.error.is_none() {
            result.interrupted = lock(&stopped).take();
        }
        let history = lock(&state).history.clone();
        Ok((result, history))
    }

    fn restore<M: ResumableModel>(
        &self,
        snapshot: &Snapshot,
        learner: &mut Learner<M>,
    ) -> Result<TrainingProgress, CheckpointProblem> {
        let mut progress = snapshot.progress.clone();
        progress.check_configuration(&self.configuration)?;
        progress.configuration = self.configuration.clone();
        same_option("monitor", &progress.monitor, &self.monitor)?;
        same_option("seed", &progress.seed, &self.seed.unwrap_or(progress.seed))?;
        // The model is tried first: Burn's learner would panic on a record that does not fit.
        snapshot.restore_model(learner.model())?;
        learner.load_model(snapshot.model_record()?);
        learner.load_optim(snapshot.optimizer_record()?);
        learner.load_scheduler(snapshot.scheduler_record()?);
        let position = self.loader.restore(&progress.loader);
        position.map_err(|error| CheckpointProblem::Mismatch {
            part: "loader",
            message: error.to_string(),
        })?;
        Ok(progress)
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What [`ResumableTraining`] needs of a model, besides what Burn's loop does.
///
/// [`Mla`] has it; so has whatever else is to be trained in the same way.
pub trait ResumableModel:
    LearnerModel + TrainStep<Output = TurnOutput> + InferenceStep<Output = EvaluationOutput>
{
    /// Number of modalities.
    fn n_modalities(&self) -> usize;

    /// Number of classes.
    fn n_classes(&self) -> usize;

    /// Whose turn it is; turns of different modalities are not accumulated together.
    fn modality(turn: &<Self as TrainStep>::Input) -> usize;

    /// Gives the model the interrupter of its training, through which it reports an error of
    /// [`TrainStep::optimize`] and those of [`report`](Self::report).
    fn attach(&self, interrupter: &Interrupter);

    /// Stops the training with an error.
    fn report(&self, error: MlaError);

    /// [`TrainStep::step`] with its errors.
    ///
    /// # Errors
    ///
    /// Those of the model; it is as it was then.
    fn try_train_step(
        &self,
        turn: <Self as TrainStep>::Input,
    ) -> crate::Result<TrainOutput<TurnOutput>>;

    /// [`InferenceStep::step`] with its errors.
    ///
    /// # Errors
    ///
    /// Those of the model.
    fn try_inference_step(
        &self,
        batch: <Self as InferenceStep>::Input,
    ) -> crate::Result<EvaluationOutput>;
}

impl<E, H, P, F> ResumableModel for Mla<E, H, P, F>
where
    E: Encoders + 'static,
    H: SharedHead + 'static,
    P: OrthogonalProjector + 'static,
    F: UncertaintyFusion + 'static,
{
    fn n_modalities(&self) -> usize {
        self.n_modalities()
    }

    fn n_classes(&self) -> usize {
        self.n_classes()
    }

    fn modality(turn: &<Self as TrainStep>::Input) -> usize {
        E::Inputs::modality(&turn.input)
    }

    fn attach(&self, interrupter: &Interrupter) {
        self.faults.attach(interrupter);
    }

    fn report(&self, error: MlaError) {
        self.faults.raise(error);
    }

    fn try_train_step(
        &self,
        turn: <Self as TrainStep>::Input,
    ) -> crate::Result<TrainOutput<TurnOutput>> {
        self.try_step(turn)
    }

    fn try_inference_step(
        &self,
        batch: <Self as InferenceStep>::Input,
    ) -> crate::Result<EvaluationOutput> {
        self.try_evaluate(batch)
    }
}

/// A training under way.
struct Run<'a, M: ResumableModel> {
    plan: &'a ResumableTraining,
    learner: Learner<M>,
    progress: TrainingProgress,
    capture: Capture<M>,
    events: SupervisedTrainingEventProcessor<M>,
    event_store: Arc<EventStoreClient>,
    interrupter: Interrupter,
    accumulation: usize,
    /// Turns at the last checkpoint.
    saved_at: u64,
}

impl<M: ResumableModel> SupervisedLearningStrategy<M> for ResumableTraining {
    fn fit(
        &self,
        components: TrainingComponents<M>,
        mut learner: Learner<M>,
        train: TrainLoader<M>,
        valid: ValidLoader<M>,
        _starting_epoch: usize,
    ) -> (M, SupervisedTrainingEventProcessor<M>) {
        let train = train.to_device(&self.device);
        let valid = valid.to_device(&self.device.clone().inner());
        learner.fork(&self.device);
        let mut early_stopping = components.early_stopping;
        let mut checkpointer = components.checkpointer;
        let progress = lock(&self.state).clone();
        let accumulation = components.grad_accumulation.unwrap_or(1);
        let mut run = Run {
            plan: self,
            learner,
            saved_at: progress.turns,
            progress,
            capture: Capture::new(),
            events: components.event_processor,
            event_store: components.event_store,
            interrupter: components.interrupter,
            accumulation,
        };
        run.learner.model().attach(&run.interrupter);
        if components.checkpoint.is_some() {
            run.fail(
                "Burn's checkpoints and those of a resumable training exclude each other".into(),
            );
        }
        run.check_start();
        let mut stopped_early = false;
        if let Some(early_stopping) = &mut early_stopping {
            // It sees again what it has seen, from the metric logs.
            for epoch in 1..run.progress.epoch {
                stopped_early = early_stopping.should_stop(epoch, &run.event_store);
            }
        }
        while run.progress.epoch <= components.num_epochs
            && !run.interrupter.should_stop()
            && !stopped_early
            && !run.has_stalled()
        {
            let epoch = run.progress.epoch;
            run.train(&train);
            if !run.interrupter.should_stop() {
                run.validate(&valid);
            }
            if run.interrupter.should_stop() {
                // An interruption, and no error: nothing that was done is lost.
                if run.interrupter.error().is_none() && run.progress.turns > run.saved_at {
                    run.checkpoint(false);
                }
                break;
            }
            run.finish_epoch();
            if let Some(checkpointer) = &mut checkpointer {
                checkpointer.checkpoint(&run.learner, epoch, &run.event_store);
            }
            if let Some(early_stopping) = &mut early_stopping {
                stopped_early = early_stopping.should_stop(epoch, &run.event_store);
            }
        }
        *lock(&self.stopped) = run.interrupter.interruption();
        *lock(&self.state) = run.progress;
        (run.learner.model(), run.events)
    }
}

impl<M: ResumableModel> Run<'_, M> {
    /// Checks that a training that goes on is the one that was begun.
    fn check_start(&mut self) {
        let plan = self.plan;
        let Some(snapshot) = &plan.start else {
            self.progress.accumulation = self.accumulation;
            return;
        };
        let (saved, given) = (self.progress.accumulation, self.accumulation);
        let checked = same_option("gradient accumulation", &saved, &given)
            .and_then(|()| {
                let recorded = self
                    .snapshot()
                    .map_err(|error| CheckpointProblem::Mismatch {
                        part: "state",
                        message: error.to_string(),
                    })?;
                snapshot.check_restored(&recorded)
            })
            .map_err(|problem| {
                let path = snapshot.path.as_deref();
                let path = path.unwrap_or(plan.store.directory());
                CheckpointError::unusable(path, problem)
            });
        if let Err(error) = checked {
            self.fail(error.to_string());
        }
    }

    fn has_stalled(&self) -> bool {
        let patience = self.plan.patience;
        patience.is_some_and(|n| self.progress.history.has_stalled(self.plan.monitor, n))
    }

    /// The turns of an epoch that are left.
    fn train(&mut self, loader: &TrainLoader<M>) {
        let epoch = self.progress.epoch;
        let event = LearnerEvent::StartSplit {
            epoch_number: epoch,
            total_items: loader.num_items(),
        };
        let sent = self.events.process_train(event);
        self.interrupter.fail_on_error(sent);

        if self.progress.history.epochs.len() < epoch {
            let n_modalities = ResumableModel::n_modalities(&self.learner.model());
            self.progress.history.epochs.push(EpochRecord {
                training: vec![Default::default(); n_modalities],
                validation: None,
            });
        }
        let mut turns = loader.iter();
        for _ in 0..self.progress.turns_in_epoch {
            if self.interrupter.should_stop() {
                return;
            }
            match turns.next() {
                Some(Ok(_)) => {}
                Some(Err(error)) => return self.interrupter.fail(error),
                None => {
                    let message = format!(
                        "the data of epoch {epoch} ends before turn {}, which had been taken: \
                         the loader does not repeat itself",
                        self.progress.turns_in_epoch
                    );
                    return self.fail(message);
                }
            }
        }
        let mut next = turns.next();
        while let Some(turn) = next.take() {
            if self.interrupter.should_stop() {
                break;
            }
            let turn = match turn {
                Ok(turn) => turn,
                Err(error) => return self.interrupter.fail(error),
            };
            next = self.update(turn, &mut *turns);
            let due = |every| self.progress.turns - self.saved_at >= every;
            if self.plan.every.is_some_and(due) && self.interrupter.error().is_none() {
                self.checkpoint(false);
            }
        }
        let sent = self.events.process_train(LearnerEvent::EndSplit(epoch));
        self.interrupter.fail_on_error(sent);
    }

    /// One update, of one turn or of several in a row of the same modality, and the turn after it.
    fn update(
        &mut self,
        first: <M as TrainStep>::Input,
        turns: &mut dyn DataLoaderIterator<<M as TrainStep>::Input>,
    ) -> Option<Result<<M as TrainStep>::Input, DatasetError>> {
        let modality = M::modality(&first);
        let mut accumulator = GradientsAccumulator::new();
        let mut items = vec![];
        let mut turn = first;
        loop {
            let progress = turns.progress();
            let taken = self.progress.turns + items.len() as u64;
            self.plan.device.seed(derived(self.progress.seed, taken));
            let model = self.learner.model();
            let output = match model.try_train_step(turn) {
                Ok(output) => output,
                Err(error) => {
                    model.report(error);
                    return None;
                }
            };
            let item = output.item;
            items.push((item, progress));
            if self.accumulation == 1 {
                self.apply(output.grads, items);
                return turns.next();
            }
            accumulator.accumulate(&self.learner.model(), output.grads);
            let next = turns.next();
            match next {
                Some(Ok(next))
                    if items.len() < self.accumulation && M::modality(&next) == modality =>
                {
                    turn = next;
                }
                next => {
                    self.apply(accumulator.grads(), items);
                    return next;
                }
            }
        }
    }

    fn apply(&mut self, gradients: GradientsParams, items: Vec<(TurnOutput, Progress)>) {
        self.learner.lr_step();
        self.learner.optimizer_step(gradients);
        if self.interrupter.error().is_some() {
            // The model reported an error instead of taking the update.
            return;
        }
        for (item, progress) in items {
            let loss = item.loss.clone().try_into_scalar::<f64>();
            let loss = match loss {
                Ok(loss) => loss,
                Err(error) => {
                    let error = MlaError::read("the loss")(error);
                    return self.fail(error.to_string());
                }
            };
            self.progress.turns += 1;
            self.progress.turns_in_epoch += 1;
            let record = self.progress.history.epochs.last_mut();
            let record = record.expect("an epoch under way has a record");
            if let Some(statistics) = record.training.get_mut(item.modality) {
                statistics.add(item.targets.len(), loss);
            }
            let item = TrainingItem::new(
                item,
                progress,
                Some(self.progress.turns_in_epoch as usize),
                Some(self.learner.lr_current()),
            );
            let sent = self.events.process_train(LearnerEvent::ProcessedItem(item));
            self.interrupter.fail_on_error(sent);
        }
    }

    fn validate(&mut self, loader: &ValidLoader<M>) {
        let epoch = self.progress.epoch;
        let event = LearnerEvent::StartSplit {
            epoch_number: epoch,
            total_items: loader.num_items(),
        };
        let sent = self.events.process_valid(event);
        self.interrupter.fail_on_error(sent);
        let model = self.learner.model().valid();
        let mut evaluation = Evaluation::new(
            ResumableModel::n_modalities(&model),
            ResumableModel::n_classes(&model),
        );
        let mut batches = loader.iter();
        let mut iteration = 0;
        while let Some(batch) = batches.next() {
            let progress = batches.progress();
            iteration += 1;
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => return self.interrupter.fail(error),
            };
            let output = model.try_inference_step(batch).and_then(|output| {
                evaluation.add_output(&output)?;
                Ok(output)
            });
            let output = match output {
                Ok(output) => output,
                Err(error) => return model.report(error),
            };
            let item = TrainingItem::new(output, progress, Some(iteration), None);
            let sent = self.events.process_valid(LearnerEvent::ProcessedItem(item));
            self.interrupter.fail_on_error(sent);
            if self.interrupter.should_stop() {
                return;
            }
        }
        let evaluation = evaluation.finish();
        if let Some(record) = self.progress.history.epochs.last_mut() {
            record.validation = Some(ValidationRecord::from(&evaluation));
        }
        for sent in [
            self.events.process_valid(LearnerEvent::EndSplit(epoch)),
            self.events.process_train(LearnerEvent::EndEpoch(epoch)),
            self.events.flush(),
        ] {
            self.interrupter.fail_on_error(sent);
        }
    }

    fn finish_epoch(&mut self) {
        let epoch = self.progress.epoch;
        self.progress.epoch += 1;
        self.progress.turns_in_epoch = 0;
        self.progress.loader = self.plan.loader.position();
        let is_best = self.progress.history.best_epoch(self.plan.monitor) == Some(epoch);
        self.checkpoint(is_best);
    }

    fn snapshot(&mut self) -> Result<Snapshot, CheckpointError> {
        let progress = self.progress.clone();
        self.capture
            .snapshot(&self.learner, &self.event_store, progress)
    }

    fn checkpoint(&mut self, is_best: bool) {
        let plan = self.plan;
        let store = &plan.store;
        let first = plan.start.as_ref().map(|start| start.progress.turns);
        let leaves_behind = first.filter(|&turns| turns == self.saved_at);
        let saved = self.snapshot().and_then(|snapshot| {
            if let Some(turns) = leaves_behind {
                store.remove_later_best(turns)?;
            }
            // The best one first: who dies in between takes the same epoch again.
            if is_best {
                store.save_best(&snapshot)?;
            }
            store.save(&snapshot)
        });
        match saved {
            Ok(_) => self.saved_at = self.progress.turns,
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn fail(&self, message: String) {
        let error = CheckpointerError::Unknown(message);
        self.interrupter.fail(TrainingError::Checkpoint(error));
    }
}
