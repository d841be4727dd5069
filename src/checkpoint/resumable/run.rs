//! The loop of a resumable training: turns, updates, validation and checkpoints.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::train::checkpoint::CheckpointerError;
use burn::train::metric::store::EventStoreClient;
use burn::train::{
    EventProcessorTraining, Interrupter, Learner, LearnerEvent, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainOutput, TrainStep, TrainingComponents,
    TrainingError, TrainingItem, ValidLoader,
};

use super::devices::Devices;
use super::{ResumableTraining, Start, locked};
use crate::checkpoint::{
    Capture, CheckpointError, EpochRecord, Snapshot, TrainingProgress, TurnStatistics,
    ValidationRecord, same_option,
};
use crate::directory_lock::DirectoryLock;
use crate::error::MlaError;
use crate::evaluation::Evaluation;
use crate::loader::{LoaderPosition, derived};
use crate::method::{DeviceWorker, MultimodalMethod, StepOutput, find_lost};

/// A training and, where there are several, its devices.
pub(super) struct Plan<I> {
    pub(super) training: ResumableTraining,
    pub(super) devices: Option<Devices<I>>,
}

/// A running training.
struct Run<'a, M: MultimodalMethod> {
    plan: &'a ResumableTraining,
    devices: Option<&'a Devices<M::TrainingInput>>,
    /// Threads that ask whether the devices still answer.
    watch: Vec<DeviceWorker>,
    learner: Learner<M>,
    progress: TrainingProgress,
    capture: Capture<M>,
    events: SupervisedTrainingEventProcessor<M>,
    event_store: Arc<EventStoreClient>,
    interrupter: Interrupter,
    accumulation: usize,
    /// Number of turns at the last checkpoint.
    saved_at: u64,
    lock: DirectoryLock,
}

impl<M: MultimodalMethod> SupervisedLearningStrategy<M> for Plan<M::TrainingInput> {
    fn fit(
        &self,
        components: TrainingComponents<M>,
        mut learner: Learner<M>,
        train: TrainLoader<M>,
        valid: ValidLoader<M>,
        _starting_epoch: usize,
    ) -> (M, SupervisedTrainingEventProcessor<M>) {
        let plan = &self.training;
        let train = match &self.devices {
            Some(_) => train,
            None => train.to_device(&plan.device),
        };
        let valid = valid.to_device(&plan.device.clone().inner());
        learner.fork(&plan.device);
        let mut early_stopping = components.early_stopping;
        let mut checkpointer = components.checkpointer;
        let Some(Start {
            progress,
            description,
            lock,
        }) = locked(&plan.state).take()
        else {
            unreachable!("`launch` sets what the training starts from");
        };
        let accumulation = components.grad_accumulation.unwrap_or(1);
        let devices = self.devices.as_ref();
        let watched = match devices {
            Some(devices) => devices.all().collect(),
            None => vec![plan.device.clone()],
        };
        let mut run = Run {
            plan,
            devices,
            watch: watched.into_iter().map(DeviceWorker::new).collect(),
            learner,
            saved_at: progress.turns,
            progress,
            capture: Capture::new(plan.store.directory(), description),
            events: components.event_processor,
            event_store: components.event_store,
            interrupter: components.interrupter,
            accumulation,
            lock,
        };
        if components.checkpoint.is_some() {
            run.fail("a resumable training cannot be combined with Burn's own checkpoints".into());
        }
        run.check_start();
        let mut stopped_early = false;
        if let Some(early_stopping) = &mut early_stopping {
            // Its state is rebuilt from the metric logs.
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
            run.guarded(|run| run.train(&train));
            if !run.interrupter.should_stop() {
                run.guarded(|run| run.validate(&valid));
            }
            if run.interrupter.should_stop() {
                // After an interruption without an error, all turns are kept.
                if run.interrupter.error().is_none() && run.progress.turns > run.saved_at {
                    run.guarded(|run| run.checkpoint(false));
                }
                break;
            }
            run.guarded(Run::finish_epoch);
            if run.interrupter.error().is_some() {
                break;
            }
            if let Some(checkpointer) = &mut checkpointer {
                checkpointer.checkpoint(&run.learner, epoch, &run.event_store);
            }
            if let Some(early_stopping) = &mut early_stopping {
                stopped_early = early_stopping.should_stop(epoch, &run.event_store);
            }
        }
        run.name_lost();
        *locked(&plan.stopped) = run.interrupter.interruption();
        *locked(&plan.history) = run.progress.history;
        (run.learner.model(), run.events)
    }
}

impl<M: MultimodalMethod> Run<'_, M> {
    /// Checks that a resumed training has the same accumulation, which only Burn's loop knows.
    fn check_start(&mut self) {
        let plan = self.plan;
        let Some(snapshot) = &plan.start else {
            self.progress.accumulation = self.accumulation;
            return;
        };
        let (saved, given) = (self.progress.accumulation, self.accumulation);
        if let Err(problem) = same_option("gradient accumulation", &saved, &given) {
            let path = snapshot.path.as_deref();
            let path = path.unwrap_or(plan.store.directory());
            self.fail(CheckpointError::unusable(path, problem).to_string());
        }
    }

    fn has_stalled(&self) -> bool {
        let patience = self.plan.patience;
        patience.is_some_and(|n| self.progress.history.has_stalled(self.plan.monitor, n))
    }

    /// Takes the remaining turns of an epoch.
    fn train(&mut self, loader: &TrainLoader<M>) {
        let epoch = self.progress.epoch;
        let event = LearnerEvent::StartSplit {
            epoch_number: epoch,
            total_items: loader.num_items(),
        };
        let sent = self.events.process_train(event);
        self.interrupter.fail_on_error(sent);

        if self.progress.history.epochs.len() < epoch {
            let n_modalities = MultimodalMethod::n_modalities(&self.learner.model());
            self.progress.history.epochs.push(EpochRecord {
                training: vec![Default::default(); n_modalities],
                joint: Default::default(),
                validation: None,
                is_early_stage: false,
            });
        }
        let mut turns = loader.iter();
        let mut checksum = 0;
        for _ in 0..self.progress.turns_in_epoch {
            if self.interrupter.should_stop() {
                return;
            }
            match turns.next() {
                Some(Ok(turn)) => checksum = checksum_with::<M>(checksum, &turn),
                Some(Err(error)) => return self.interrupter.fail(error),
                None => {
                    let message = format!(
                        "the data of epoch {epoch} ends before turn {}, which was taken before: \
                         the order of the loader is not repeatable",
                        self.progress.turns_in_epoch
                    );
                    return self.fail(message);
                }
            }
        }
        if checksum != self.progress.turns_checksum {
            let message = format!(
                "the first {} turns of epoch {epoch} differ from those that were taken before: their \
                 modalities or labels are others",
                self.progress.turns_in_epoch
            );
            return self.fail(message);
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
            if self.plan.time_limit.is_some()
                && let Some(error) = self.find_lost()
            {
                return self.raise(error);
            }
            next = self.update(turn, &mut *turns);
            let due = |every| self.progress.turns - self.saved_at >= every;
            if self.plan.every.is_some_and(due) && self.interrupter.error().is_none() {
                self.checkpoint(false);
            }
        }
        if self.progress.turns_in_epoch == 0 && !self.interrupter.should_stop() {
            let what = "the training data";
            let error = MlaError::NoSamples { what };
            return self.learner.model().interruption().raise(error);
        }
        let sent = self.events.process_train(LearnerEvent::EndSplit(epoch));
        self.interrupter.fail_on_error(sent);
    }

    /// Makes one update of one turn, or of several consecutive turns of the same modality. Returns
    /// the next turn.
    fn update(
        &mut self,
        first: <M as TrainStep>::Input,
        turns: &mut dyn DataLoaderIterator<<M as TrainStep>::Input>,
    ) -> Option<Result<<M as TrainStep>::Input, DatasetError>> {
        let modality = M::modality(&first);
        let mut checksum = self.progress.turns_checksum;
        let mut accumulator = GradientsAccumulator::new();
        let mut items = vec![];
        let mut turn = first;
        loop {
            let progress = turns.progress();
            checksum = checksum_with::<M>(checksum, &turn);
            let taken = self.progress.turns + items.len() as u64;
            let output = match self.step(turn, derived(self.progress.seed, taken)) {
                Ok(output) => output,
                Err(error) => {
                    self.raise(error);
                    return None;
                }
            };
            let item = output.item;
            items.push((item, progress));
            if self.accumulation == 1 {
                self.apply(output.grads, items, checksum);
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
                    self.apply(accumulator.grads(), items, checksum);
                    return next;
                }
            }
        }
    }

    /// The forward and backward passes of a turn.
    fn step(
        &self,
        turn: <M as TrainStep>::Input,
        seed: u64,
    ) -> crate::Result<TrainOutput<StepOutput>> {
        let model = self.learner.model();
        match self.devices {
            Some(devices) => devices.step(&model, &turn, seed, self.plan.time_limit),
            None => {
                self.plan.device.seed(seed);
                model.try_train_step(turn)
            }
        }
    }

    /// Makes an update. `checksum` is that of the turns of the epoch until then.
    fn apply(
        &mut self,
        gradients: GradientsParams,
        items: Vec<(StepOutput, Progress)>,
        checksum: u32,
    ) {
        self.learner.lr_step();
        self.learner.optimizer_step(gradients);
        if self.interrupter.error().is_some() {
            // The model reported an error instead of the update.
            return;
        }
        self.progress.turns_checksum = checksum;
        for (item, progress) in items {
            let loss = item.loss.clone().try_into_scalar::<f64>();
            let loss = match loss {
                Ok(loss) => loss,
                Err(error) => return self.raise(MlaError::read("the loss")(error)),
            };
            self.progress.turns += 1;
            self.progress.turns_in_epoch += 1;
            let record = self.progress.history.epochs.last_mut();
            let record = record.expect("the current epoch has a record");
            let statistics = match item.modality {
                Some(modality) => record.training.get_mut(modality),
                None => Some(&mut record.joint),
            };
            if let Some(statistics) = statistics {
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
            MultimodalMethod::n_modalities(&model),
            MultimodalMethod::n_classes(&model),
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
            if batch.targets.tensor().device().is_autodiff() {
                let error = MlaError::TrainingMode { what: "the batch" };
                return model.interruption().raise(error);
            }
            let output = model.try_inference_step(batch).and_then(|output| {
                evaluation.add_output(&output)?;
                Ok(output)
            });
            let output = match output {
                Ok(output) => output,
                Err(error) => return self.raise(error),
            };
            let item = TrainingItem::new(output, progress, Some(iteration), None);
            let sent = self.events.process_valid(LearnerEvent::ProcessedItem(item));
            self.interrupter.fail_on_error(sent);
            if self.interrupter.should_stop() {
                return;
            }
        }
        let evaluation = match evaluation.finish() {
            Ok(evaluation) => evaluation,
            Err(error) => return self.raise(error),
        };
        if let Some(record) = self.progress.history.epochs.last_mut() {
            record.validation = Some(ValidationRecord::from(&evaluation));
            record.is_early_stage = !model.is_selectable();
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
        let position = match self.plan.loader.position() {
            Ok(position) => position,
            Err(error) => return self.fail(error.to_string()),
        };
        let stands_still = position == self.progress.loader && self.progress.turns_in_epoch > 0;
        if stands_still && !position.schedule.is_null() {
            let message = "the handle of the training is that of another loader: its position has \
                           not changed";
            return self.fail(message.to_string());
        }
        match self.rank() {
            Ok(position) => self.progress.loader = position,
            Err(error) => return self.fail(error.to_string()),
        }
        self.progress.epoch += 1;
        self.progress.turns_in_epoch = 0;
        self.progress.turns_checksum = 0;
        let is_best = self.progress.history.best_epoch(self.plan.monitor) == Some(epoch);
        self.checkpoint(is_best);
    }

    /// Ranks the modalities by the losses of the epoch, and returns the position of the loader after it.
    fn rank(&self) -> crate::Result<LoaderPosition> {
        let loader = &self.plan.loader;
        let epoch = self.progress.history.epochs.last();
        let turns = epoch.map_or(&[][..], |epoch| &epoch.training);
        let losses: Vec<f64> = turns.iter().map(TurnStatistics::loss).collect();
        loader.rank(&losses)?;
        loader.position()
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
        let obsolete_after = first.filter(|&turns| turns == self.saved_at);
        let saved = self.snapshot().and_then(|snapshot| {
            if let Some(turns) = obsolete_after {
                store.remove_later_best(turns)?;
            }
            // The best one first: after a crash between the two writes the epoch is repeated.
            if is_best {
                store.save_best_locked(&self.lock, &snapshot)?;
            }
            store.save_locked(&self.lock, &snapshot)
        });
        match saved {
            Ok(_) => self.saved_at = self.progress.turns,
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn find_lost(&self) -> Option<MlaError> {
        find_lost(&self.watch, self.plan.time_limit)
    }

    /// Stops the training with an error, which names the device if a read failed because one is lost.
    fn raise(&self, error: MlaError) {
        let error = match error {
            MlaError::DeviceRead { .. } => self.find_lost().unwrap_or(error),
            error => error,
        };
        self.learner.model().interruption().raise(error);
    }

    /// Names the devices in an error of Burn's own, such as one of the thread of its metrics, which reads
    /// from them.
    fn name_lost(&self) {
        let model = self.learner.model();
        let interruption = model.interruption();
        if self.interrupter.error().is_some()
            && interruption.fault().is_none()
            && let Some(error) = self.find_lost()
        {
            interruption.raise(error);
        }
    }

    /// Runs a part of the training. Many of Burn's operations panic where a device is lost: such a panic
    /// stops the training with an error that names the device, and the state on it is not used again. Any
    /// other panic goes on.
    fn guarded(&mut self, part: impl FnOnce(&mut Self)) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| part(self))) else {
            return;
        };
        match self.find_lost() {
            Some(error) => self.raise(error),
            None => resume_unwind(panic),
        }
    }

    fn fail(&self, message: String) {
        let error = CheckpointerError::Unknown(message);
        self.interrupter.fail(TrainingError::Checkpoint(error));
    }
}

/// The checksum of turns when one more was taken.
fn checksum_with<M: MultimodalMethod>(so_far: u32, turn: &<M as TrainStep>::Input) -> u32 {
    let labels = M::targets(turn).labels();
    let modality = M::modality(turn).map_or(-1, |modality| modality as i64);
    let numbers = [modality, labels.len() as i64];
    let mut checksum = crc32fast::Hasher::new_with_initial(so_far);
    for number in numbers.iter().chain(labels) {
        checksum.update(&number.to_le_bytes());
    }
    checksum.finalize()
}
