//! Trainings of a method on a data set, and the table beside the paper's row.

use std::path::PathBuf;
use std::thread;

use burn::lr_scheduler::step::StepLrSchedulerConfig;
use burn::optim::SgdConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::Device;
use burn::train::Interrupter;
use burn_mla::evaluation::Evaluation;
use burn_mla::fit::Ending;
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::MissingRate;
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use serde_json::json;
use signal_hook::{consts::SIGINT, iterator::Signals};

use crate::parts::Inputs;
use crate::{Options, Paper, PaperEncoder, Parts, Place, Recipe, Result};

/// A data set, its settings, and what the paper reports for it.
pub struct Session<'a> {
    /// Name of the data set.
    pub name: &'a str,
    /// Names of the modalities, in the order of the encoders.
    pub modalities: &'a [&'a str],
    /// Number of classes.
    pub n_classes: usize,
    /// The options.
    pub options: &'a Options,
    /// The folders.
    pub place: &'a Place,
    /// Settings of the authors' code.
    pub recipe: Recipe,
    /// What the paper reports for MLA.
    pub paper: Paper,
}

/// One training.
pub(crate) struct Training<'a> {
    session: &'a Session<'a>,
    pub(crate) parts: &'a Parts,
    pub(crate) device: Device,
    pub(crate) n_classes: usize,
    recipe: Recipe,
    seed: u64,
    directory: PathBuf,
    interrupter: Interrupter,
}

impl Session<'_> {
    /// Trains the method of the options with each seed, scores the test split, prints the table, and writes
    /// `results.json`. The same call resumes what was stopped.
    ///
    /// # Errors
    ///
    /// Those of the data, the model and the training.
    pub fn run(
        &self,
        parts: Parts,
        init: impl Fn(&Device) -> Result<Vec<PaperEncoder>>,
    ) -> Result<()> {
        let options = self.options;
        let parts = match options.missing {
            Some(rate) => {
                let rate = MissingRate::new(rate, 0)?.with_protocol(options.protocol.into());
                parts.missing(&rate)?
            }
            None => parts,
        };
        let device = options.device()?;
        let interrupter = Interrupter::new();
        stop_on_ctrl_c(interrupter.clone())?;
        let method = format!("{:?}", options.method);
        let mut scores = vec![];
        for seed in 0..u64::from(options.seeds) {
            device.seed(seed);
            let training = Training {
                session: self,
                parts: &parts,
                device: device.clone().autodiff(),
                n_classes: self.n_classes,
                recipe: self.settings(),
                seed,
                directory: self.place.out.join(format!("{method}-seed-{seed}")),
                interrupter: interrupter.clone(),
            };
            scores.push(options.method.run(&training, init(&training.device)?)?);
        }
        self.report(&method, &scores)
    }

    /// The settings of the recipe that the options do not replace.
    fn settings(&self) -> Recipe {
        let options = self.options;
        let recipe = if self.place.is_miniature {
            Recipe::MINIATURE
        } else {
            self.recipe.clone()
        };
        Recipe {
            epochs: options.epochs.map_or(recipe.epochs, |n| n as usize),
            batch_size: options.batch_size.map_or(recipe.batch_size, |n| n as usize),
            learning_rate: options.learning_rate.unwrap_or(recipe.learning_rate),
            ..recipe
        }
    }

    fn report(&self, method: &str, scores: &[Evaluation]) -> Result<()> {
        let names = self.modalities.iter().copied().chain(["fused"]);
        let line = |name: &str, values: &mut dyn Iterator<Item = f64>| {
            print!("{name:<28}");
            values.for_each(|value| print!("{value:>9.2}"));
            println!();
        };
        print!("\n{:<28}", "test accuracy, %");
        names.clone().for_each(|name| print!("{name:>9}"));
        println!();
        let paper = self.paper.modalities.iter().copied();
        line("paper, MLA", &mut paper.chain([self.paper.fused]));
        let branches = |score: &Evaluation| {
            let branches = score.modalities.iter().chain([&score.fused]);
            branches.map(|branch| 100.0 * branch.accuracy()).collect()
        };
        let scores: Vec<Vec<f64>> = scores.iter().map(branches).collect();
        let n = scores.len();
        let mean = |at: usize| scores.iter().map(|score| score[at]).sum::<f64>() / n as f64;
        let what = format!("{method}, {n} seed{}", if n == 1 { "" } else { "s" });
        line(&what, &mut (0..=self.modalities.len()).map(mean));
        if self.place.is_miniature {
            println!(
                "\nA MINIATURE of synthetic data: the two lines have nothing to do with each other."
            );
        } else if self.options.paper_mode {
            println!(
                "\nPaper mode: the epoch was selected on the test split, as in the authors' code."
            );
        }
        let results = json!({
            "dataset": self.name,
            "miniature": self.place.is_miniature,
            "method": method,
            "options": self.options,
            "names": names.collect::<Vec<_>>(),
            "accuracy": scores,
        });
        std::fs::create_dir_all(&self.place.out)?;
        let path = self.place.out.join("results.json");
        std::fs::write(&path, serde_json::to_string_pretty(&results)?)?;
        if !self.place.is_miniature {
            println!("\nsee {}", path.display());
        }
        Ok(())
    }
}

impl Training<'_> {
    /// Trains a model, or resumes its last checkpoint, and scores it on the test split.
    pub(crate) fn fit<M>(&self, model: M) -> Result<Evaluation>
    where
        M: MultimodalMethod<Inputs = Inputs>,
    {
        let Self {
            session, recipe, ..
        } = self;
        let (paper_mode, host) = (
            session.options.paper_mode,
            self.device.clone().without_autodiff(),
        );
        let train = self
            .parts
            .train(recipe.batch_size, self.seed, &self.device)?;
        let selection = if paper_mode {
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
            .with_configuration(&session.options)?
            .with_names(session.modalities.iter().copied())
            .with_label(format!("{} seed {}", session.name, self.seed))
            .with_interrupter(self.interrupter.clone());
        let fitted = fit(model, train, valid, &config)?;
        if let Ending::Interrupted(_) = fitted.ending {
            println!("stopped; the same command resumes");
            std::process::exit(130);
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
fn stop_on_ctrl_c(interrupter: Interrupter) -> std::io::Result<()> {
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
