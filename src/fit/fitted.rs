//! The result of `fit`.

use crate::checkpoint::History;
use crate::evaluation::Calibration;

/// A trained model and its history.
#[derive(Debug)]
pub struct Fitted<M> {
    /// The model of [`epoch`](Self::epoch), calibrated unless
    /// [`calibration`](Self::calibration) is `None`, without autodiff.
    pub model: M,
    /// The epoch that the model is from, counted from 1: the best one by the monitor, or the last one
    /// by [`FitConfig::with_best`](crate::fit::FitConfig::with_best). `None` if the training stopped
    /// within its first epoch, or if all measures are NaN; the model is then that of the last turn.
    pub epoch: Option<usize>,
    /// Measurements of each epoch, including those before a resumption.
    pub history: History,
    /// The fitted temperatures; `None` if calibration is switched off or the training was
    /// interrupted.
    pub calibration: Option<Calibration>,
    /// Why the training ended.
    pub ending: Ending,
}

/// Why a training ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// After the configured number of epochs.
    Epochs,
    /// After as many epochs without improvement as the patience allows.
    Patience,
    /// By the interrupter, with its reason if it has one. The same call resumes the training if it has
    /// a directory.
    Interrupted(Option<String>),
}
