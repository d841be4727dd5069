//! The training itself: what a program would otherwise wire up by hand.

use std::io;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use burn::train::{LearningResult, SupervisedTraining};

use crate::checkpoint::{CheckpointError, CheckpointStore, History, ResumableTraining};
use crate::dataset::Divide;
use crate::error::{MlaError, same_size};
use crate::evaluation::calibrate;
use crate::fit::config::LearningRate;
use crate::fit::{Ending, FitConfig, FitError, Fitted, Turns};
use crate::loader::TrainingData;
use crate::logger::{PlainRenderer, TableLogger};
use crate::method::MultimodalMethod;
use crate::metric::{DataWaitMetric, ModalityMetrics};
use crate::modality::MultimodalBatch;

/// Trains a model on `train`, selects the best epoch on `valid`, and fits the temperatures of the model
/// to `valid`.
///
/// It works for an [`Mla`](crate::Mla), each [`Joint`](crate::baseline::Joint) model and any other
/// [`MultimodalMethod`]. The training has the [usual metrics](ModalityMetrics), a line of progress per
/// epoch, a table of metrics, and checkpoints. With a
/// [directory](FitConfig::with_directory), the same call resumes a training that was stopped or killed
/// as if it had never stopped ([`ResumableTraining`]), also with more epochs if the learning rates stay
/// the same.
///
/// Training starts on the device of the model. Both loaders are moved to it. An alternating training
/// takes turns in the order of [`RoundRobin`](crate::loader::RoundRobin), over the modalities by their
/// losses with a [ranking](crate::MlaConfig::ranking). For other schedules, unpaired data or Burn's own early
/// stopping, use [`ResumableTraining`] or Burn's loop. [`fit_over`] is for several devices.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::dataset::InMemory;
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let (audio, text) = (Tensor::<2>::ones([40, 20], &device), Tensor::<2>::ones([40, 30], &device));
/// let data = InMemory::paired((audio, text), (0..40).map(|i| i % 4))?;
/// let (train, valid) = data.stratified_split(0.2, 0)?;
///
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
///
/// let config = FitConfig::new(2).with_names(["audio", "text"]);
/// let fitted = fit(model, train.shuffled(8, 0, &device)?, valid.in_order(8, &device)?, &config)?;
/// println!("epoch {:?}, {:?}", fitted.epoch, fitted.calibration);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - [`FitError::Empty`] without training or validation data;
/// - [`FitError::Model`] for an option outside its range, names whose number is not that of the
///   modalities, and a batch or a step that the model refuses;
/// - [`FitError::Checkpoint`] for a directory that cannot be used, or whose checkpoints are of another
///   training;
/// - [`FitError::Table`], [`FitError::TemporaryFolder`], [`FitError::Schedule`] before training;
/// - [`FitError::Training`] for another error of the loop, such as of a loader;
/// - [`FitError::BestEpochLost`] if the best checkpoint was removed.
///
/// All checkpoints before an error stay.
pub fn fit<M: MultimodalMethod>(
    model: M,
    train: impl Into<TrainingData<M::Inputs>>,
    valid: Arc<dyn DataLoader<MultimodalBatch<M::Inputs>>>,
    config: &FitConfig,
) -> Result<Fitted<M>, FitError> {
    fit_with(model, train, valid, config, ResumableTraining::launch)
}

/// As [`fit`], with the samples of each turn divided over the device of the model and `others`
/// ([`ResumableTraining::launch_over`]).
///
/// The training data stay on their device, from which each device gets its part: a CPU is best. A training
/// can resume on another number of devices.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::dataset::InMemory;
/// use burn_mla::fit::fit_over;
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let (audio, text) = (Tensor::<2>::ones([40, 20], &device), Tensor::<2>::ones([40, 30], &device));
/// let data = InMemory::paired((audio, text), (0..40).map(|i| i % 4))?;
/// let (train, valid) = data.stratified_split(0.2, 0)?;
///
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
///
/// let others = [device.clone()]; // elsewhere other GPUs
/// let (train, valid) = (train.shuffled(8, 0, &device)?, valid.in_order(8, &device)?);
/// let config = FitConfig::new(2).with_best(false);
/// let fitted = fit_over(model, train, valid, &others, &config)?;
/// assert_eq!(fitted.model.projection().n_steps(), 16); // 2 epochs of 4 batches and 2 modalities
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`fit`], and [`FitError::Checkpoint`] for a method that is not
/// [divisible](MultimodalMethod::is_divisible).
pub fn fit_over<M>(
    model: M,
    train: impl Into<TrainingData<M::Inputs>>,
    valid: Arc<dyn DataLoader<MultimodalBatch<M::Inputs>>>,
    others: &[Device],
    config: &FitConfig,
) -> Result<Fitted<M>, FitError>
where
    M: MultimodalMethod,
    M::TrainingInput: Divide,
{
    let launch = |training: ResumableTraining, paradigm, model, optimizer, scheduler| {
        training.launch_over(others, paradigm, model, optimizer, scheduler)
    };
    fit_with(model, train, valid, config, launch)
}

/// [`fit`] with a way to start the training.
fn fit_with<M: MultimodalMethod>(
    model: M,
    train: impl Into<TrainingData<M::Inputs>>,
    valid: Arc<dyn DataLoader<MultimodalBatch<M::Inputs>>>,
    config: &FitConfig,
    launch: impl FnOnce(
        ResumableTraining,
        SupervisedTraining<M>,
        M,
        ModuleOptimizer,
        ModuleLrScheduler,
    ) -> Result<(LearningResult<M>, History), CheckpointError>,
) -> Result<Fitted<M>, FitError> {
    config.check()?;
    let train = train.into();
    check_items("the training data", train.batches.loader.num_items())?;
    check_items("the validation data", valid.num_items())?;
    let names = names(config, MultimodalMethod::n_modalities(&model))?;
    let devices = model.devices();
    let model = if devices.iter().any(Device::is_autodiff) {
        model
    } else {
        model.train()
    };
    let device = devices.into_iter().next().unwrap_or_default();
    let valid = valid.to_device(&device.clone().without_autodiff());

    let temporary;
    let directory = match &config.directory {
        Some(directory) => directory.as_path(),
        None => {
            temporary = tempfile::tempdir().map_err(FitError::TemporaryFolder)?;
            temporary.path()
        }
    };
    let store = CheckpointStore::open(directory)?;
    let latest = store.latest()?;

    let training = model.training_loader(train.batches)?;
    let per_epoch = model.n_turns(train.n_batches);
    let scheduler = scheduler(
        config,
        Turns {
            per_epoch,
            total: per_epoch * config.n_epochs,
        },
    )?;
    let mut resumable = ResumableTraining::new(&device, store.clone(), training.handle)
        .with_monitor(config.monitor)
        .with_seed(config.seed)
        .with_configuration(&config.configuration)?
        .resume(latest);
    if let Some(every) = config.every {
        resumable = resumable.with_every(every)?;
    }
    if let Some(patience) = config.patience {
        resumable = resumable.with_patience(patience)?;
    }
    if let Some(limit) = config.time_limit {
        resumable = resumable.with_time_limit(limit);
    }
    let mut paradigm = supervised(config, directory, &names, training.loader, valid.clone())?;
    if let Some(wait) = train.wait {
        paradigm = paradigm.metric_train_numeric(DataWaitMetric::new(wait));
    }
    let optimizer = config.optimizer.clone();
    let (result, history) = launch(resumable, paradigm, model, optimizer, scheduler)?;

    let (model, ending) = end(result, &history, config)?;
    let (model, epoch) = select(model, &history, &store, config)?;
    let (model, calibration) = match ending {
        Ending::Interrupted(_) => (model, None),
        _ if !config.calibration => (model, None),
        _ => {
            let (model, calibration) = calibrate(model, &*valid)?;
            (model, Some(calibration))
        }
    };
    Ok(Fitted {
        model,
        epoch,
        history,
        calibration,
        ending,
    })
}

fn check_items(what: &'static str, n_items: usize) -> Result<(), FitError> {
    if n_items == 0 {
        return Err(FitError::Empty { what });
    }
    Ok(())
}

fn names(config: &FitConfig, n_modalities: usize) -> Result<Vec<String>, MlaError> {
    let Some(names) = &config.names else {
        return Ok((0..n_modalities).map(|m| m.to_string()).collect());
    };
    same_size("names of modalities", n_modalities, names.len())?;
    Ok(names.clone())
}

fn scheduler(config: &FitConfig, turns: Turns) -> Result<ModuleLrScheduler, FitError> {
    match &config.learning_rate {
        LearningRate::Constant(rate) => Ok((*rate).into()),
        LearningRate::Schedule(schedule) => {
            schedule(turns).map_err(|message| FitError::Schedule { message })
        }
    }
}

/// Burn's loop with metrics, table and progress.
fn supervised<M: MultimodalMethod>(
    config: &FitConfig,
    directory: &Path,
    names: &[String],
    train: Arc<dyn DataLoader<M::TrainingInput>>,
    valid: Arc<dyn DataLoader<MultimodalBatch<M::Inputs>>>,
) -> Result<SupervisedTraining<M>, FitError> {
    let table = match &config.table {
        Some(path) => TableLogger::csv(path),
        None => TableLogger::csv(directory.join("metrics.csv")),
    };
    let renderer = if config.progress {
        PlainRenderer::default()
    } else {
        PlainRenderer::new(io::sink())
    };
    let branches = names.iter().map(String::as_str).chain(["fused"]);
    let accuracies = branches.map(|name| format!("Accuracy {name}"));
    let shown = accuracies.chain([DataWaitMetric::NAME.to_string()]);
    let mut renderer = renderer.with_metrics(shown);
    if let Some(label) = &config.label {
        renderer = renderer.with_label(label);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut training = SupervisedTraining::new(directory, train, valid)
        .with_application_logger(None)
        .with_metric_logger(table?)
        .renderer(Box::new(renderer))
        .modality_metrics(names.len(), &names)
        .map_err(FitError::Model)?
        .num_epochs(config.n_epochs);
    if let Some(interrupter) = &config.interrupter {
        training = training.with_interrupter(interrupter.clone());
    }
    Ok(training)
}

/// The trained model, and why the loop ended.
fn end<M: MultimodalMethod>(
    result: LearningResult<M>,
    history: &History,
    config: &FitConfig,
) -> Result<(M, Ending), FitError> {
    if let Some(error) = result.error {
        let fault = result.model.interruption().fault();
        return Err(fault.map_or(FitError::Training(error), FitError::Model));
    }
    let ending = match result.interrupted {
        Some(interruption) => Ending::Interrupted(interruption.reason),
        None if history.epochs.len() < config.n_epochs => Ending::Patience,
        None => Ending::Epochs,
    };
    Ok((result.model, ending))
}

/// The model of the best epoch, or of the last turn, and its epoch.
fn select<M: MultimodalMethod>(
    model: M,
    history: &History,
    store: &CheckpointStore,
    config: &FitConfig,
) -> Result<(M, Option<usize>), FitError> {
    let last = history.epochs.last();
    let complete = last.is_some_and(|epoch| epoch.validation.is_some());
    let last = complete.then_some(history.epochs.len());
    if !config.best {
        return Ok((model, last));
    }
    let Some(epoch) = history.best_epoch(config.monitor) else {
        return Ok((model, None));
    };
    if last == Some(epoch) {
        return Ok((model, last));
    }
    // A checkpoint after an epoch is at the start of the next one.
    let best = store.best()?;
    let Some(best) = best.filter(|best| best.progress.epoch == epoch + 1) else {
        return Err(FitError::BestEpochLost {
            epoch,
            directory: store.directory().to_path_buf(),
        });
    };
    let restored = best.load_model(model).map_err(|problem| {
        let path = best.path.as_deref().unwrap_or(store.directory());
        CheckpointError::unusable(path, problem)
    })?;
    Ok((restored, Some(epoch)))
}
