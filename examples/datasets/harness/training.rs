//! One training: from fresh encoders to the scores of the best epoch.

use std::fmt;
use std::path::PathBuf;
use std::thread;

use burn::lr_scheduler::step::StepLrSchedulerConfig;
use burn::optim::SgdConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::Device;
use burn::train::Interrupter;
use burn_mla::evaluation::Evaluation;
use burn_mla::fit::{Ending, FitError};
use burn_mla::method::MultimodalMethod;
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use serde_json::Value;
use signal_hook::{consts::SIGINT, iterator::Signals};

use crate::parts::{Inputs, Parts};
use crate::{Paper, Recipe, Result};

/// One training.
pub(crate) struct Training<'a> {
    pub(crate) paper: &'a Paper,
    pub(crate) parts: &'a Parts,
    pub(crate) device: Device,
    pub(crate) n_classes: usize,
    pub(crate) recipe: Recipe,
    /// Whether the best epoch is selected on the test split.
    pub(crate) paper_mode: bool,
    pub(crate) seed: u64,
    pub(crate) configuration: &'a Value,
    pub(crate) directory: PathBuf,
    pub(crate) interrupter: Interrupter,
}

/// The error of a training that was stopped by Ctrl-C.
#[derive(Debug)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped; the same command resumes")
    }
}

impl std::error::Error for Stopped {}

impl Training<'_> {
    /// Trains a model, or resumes its last checkpoint, and scores it on the test split.
    pub(crate) fn fit<M>(&self, model: M) -> Result<Evaluation>
    where
        M: MultimodalMethod<Inputs = Inputs>,
    {
        let Self {
            paper,
            recipe,
            paper_mode,
            ..
        } = self;
        let host = self.device.clone().without_autodiff();
        let train = self
            .parts
            .train(recipe.batch_size, self.seed, &self.device)?;
        let selection = if *paper_mode {
            Split::Test
        } else {
            Split::Valid
        };
        let valid = self.parts.in_order(selection, recipe.batch_size, &host)?;
        let optimizer = SgdConfig::new()
            .with_momentum(Some(MomentumConfig::new().with_momentum(recipe.momentum)))
            .with_weight_decay(Some(WeightDecayConfig::new(recipe.weight_decay)));
        let (start, decay, epochs) = (recipe.learning_rate, recipe.decay, recipe.decay_epochs);
        let config = FitConfig::new(recipe.epochs)
            .with_directory(&self.directory)
            .with_optimizer(optimizer.init())
            .with_schedule(move |turns| {
                let steps = (epochs * turns.per_epoch).max(1);
                StepLrSchedulerConfig::new(start, steps)
                    .with_gamma(decay)
                    .init()
            })
            .with_calibration(!paper_mode)
            .with_seed(self.seed)
            .with_configuration(self.configuration)?
            .with_names(paper.modalities.iter().map(|(name, _)| *name))
            .with_label(format!("{} seed {}", paper.dataset, self.seed))
            .with_interrupter(self.interrupter.clone());
        let fitted = fit(model, train, valid, &config).map_err(|error| match error {
            FitError::Checkpoint(error) => format!("{error}\n(--out DIR begins a run elsewhere)"),
            error => error.to_string(),
        })?;
        if let Ending::Interrupted(_) = fitted.ending {
            return Err(Stopped.into());
        }
        let test = self.parts.in_order(Split::Test, recipe.batch_size, &host)?;
        Ok(evaluate(&fitted.model, &*test)?)
    }

    /// Batches of a pass over the training samples.
    pub(crate) fn n_batches(&self) -> usize {
        self.parts.n_train().div_ceil(self.recipe.batch_size)
    }
}

/// Stops the training at the end of its step; a second Ctrl-C ends the program.
pub(crate) fn stop_on_ctrl_c(interrupter: Interrupter) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT])?;
    thread::spawn(move || {
        signals.forever().next();
        eprintln!("stopping after this step; press Ctrl-C again to stop at once");
        interrupter.stop(Some("Ctrl-C"));
        signals.forever().next();
        std::process::exit(130);
    });
    Ok(())
}
