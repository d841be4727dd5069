//! Trainings of a method on a data set, and the table beside the paper's row.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn::train::Interrupter;
use burn_mla::atomic_file;
use burn_mla::encoder::{Encoder, MlpEncoderConfig};
use burn_mla::evaluation::Evaluation;
use burn_mla::modality::MissingRate;
use burn_mla_data::dataset::{PublishedDataset, Split};
use burn_mla_data::manifest::Manifest;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cached::cached;
use crate::key::{hex, key};
use crate::parts::Parts;
use crate::place::progress;
use crate::training::{Training, stop_on_ctrl_c};
use crate::{Features, Model, Options, Paper, PaperEncoder, Place, Recipe, Result};

/// Share of the training samples that are for validation, where the split has no validation samples.
const HELD_OUT: f64 = 0.1;

/// A data set, its options, and what the paper reports for it.
pub struct Session<'a> {
    paper: &'a Paper,
    options: &'a Options,
    place: &'a Place,
    /// All options, as they are recorded.
    arguments: Value,
}

impl<'a> Session<'a> {
    /// A session with all options of an example.
    ///
    /// # Errors
    ///
    /// An option that JSON cannot hold.
    pub fn new(
        paper: &'a Paper,
        arguments: &impl Serialize,
        options: &'a Options,
        place: &'a Place,
    ) -> Result<Self> {
        Ok(Self {
            paper,
            options,
            place,
            arguments: serde_json::to_value(arguments)?,
        })
    }

    /// Trains the method of the options with each seed, scores the test split, prints the table, and writes
    /// `results.json`. The same call resumes what was stopped. Other options or samples are another run, in a folder of
    /// its own.
    ///
    /// Without validation samples, some of the training samples are held out, in whole groups of a column; paper mode
    /// needs none.
    ///
    /// # Errors
    ///
    /// Those of the data, the model and the training.
    pub fn run(
        &self,
        data: &PublishedDataset,
        group: Option<&str>,
        model: &impl Model,
    ) -> Result<()> {
        let options = self.options;
        println!("{}\n", data.inventory());
        let manifest = self.samples(data, group, model)?;
        println!("{}", manifest.summary());
        let configuration = self.configuration(&manifest);
        let directory = self.directory(&configuration);
        let device = options.device()?;
        let (parts, widths) = match options.features {
            Features::Trained => {
                let parts = Parts::files(&manifest, model.front_ends()?, options.workers)?;
                (parts, None)
            }
            Features::Cached => {
                let (parts, widths) = self.cached(&manifest, model, &device)?;
                (parts, Some(widths))
            }
        };
        let parts = match options.missing {
            Some(rate) => {
                let rate = MissingRate::new(rate, 0)?.with_protocol(options.protocol.into());
                parts.missing(&rate)?
            }
            None => parts,
        };
        let interrupter = Interrupter::new();
        stop_on_ctrl_c(interrupter.clone())?;
        let mut scores = vec![];
        for seed in 0..u64::from(options.seeds) {
            device.seed(seed);
            let training = Training {
                paper: self.paper,
                paper_mode: options.paper_mode,
                parts: &parts,
                device: device.clone().autodiff(),
                n_classes: manifest.classes().len(),
                recipe: self.settings(),
                seed,
                configuration: &configuration,
                directory: directory.join(format!("seed-{seed}")),
                interrupter: interrupter.clone(),
            };
            let encoders = match &widths {
                None => model.encoders(&training.device)?,
                Some(widths) => layers(widths, &training.device)?,
            };
            scores.push(options.method.run(&training, encoders)?);
        }
        self.report(&configuration, &directory, &scores)
    }

    /// The samples of the run: those that can be read, with validation samples.
    pub(crate) fn samples(
        &self,
        data: &PublishedDataset,
        group: Option<&str>,
        model: &impl Model,
    ) -> Result<Manifest> {
        let mut manifest = data.manifest().clone();
        if let Some(share) = self.options.skip_unreadable {
            let all = manifest.dataset(model.front_ends()?)?;
            let (kept, skipped) = all.skip_unreadable(share, progress("decoding"))?;
            skipped
                .iter()
                .for_each(|error| println!("left out: {error}"));
            manifest = manifest.subset(kept.samples());
        }
        if !self.options.paper_mode && manifest.samples(Split::Valid).is_empty() {
            println!("{HELD_OUT} of the training samples are held out for validation");
            manifest = manifest.hold_out(HELD_OUT, 0, group)?;
        }
        Ok(manifest)
    }

    /// What a run is identified by: all options, and which sample is in which split.
    pub(crate) fn configuration(&self, manifest: &Manifest) -> Value {
        let samples: Vec<usize> = (0..manifest.len()).collect();
        let samples = hex(&manifest.list_sha256(&samples));
        json!({"arguments": self.arguments, "samples": samples})
    }

    /// The folder of a run.
    pub(crate) fn directory(&self, configuration: &Value) -> PathBuf {
        let key = key(&[&configuration.to_string()]);
        self.place.out.join(format!("{}-{key}", self.method()))
    }

    fn method(&self) -> String {
        let value = self.options.method.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_string())
    }

    /// Features of frozen encoders, and their widths.
    fn cached(
        &self,
        manifest: &Manifest,
        model: &impl Model,
        device: &Device,
    ) -> Result<(Parts, Vec<usize>)> {
        if let Some(option) = model.missing_weights()
            && !self.place.is_miniature
        {
            let problem = "random features are of no use";
            return Err(format!("--features cached needs {option}: {problem}").into());
        }
        device.seed(0);
        let (folder, description) = (self.place.out.join("features"), model.description());
        let both = model.front_ends()?.into_iter().zip(model.encoders(device)?);
        let (mut features, mut widths) = (vec![], vec![]);
        for ((column, _), (front_end, encoder)) in manifest.modalities().zip(both) {
            widths.push(encoder.d_feature());
            let data = (manifest, column);
            features.push(cached(
                data,
                front_end,
                encoder,
                &description,
                &folder,
                device,
            )?);
        }
        Ok((Parts::features(manifest, features)?, widths))
    }

    /// The settings of the recipe that the options do not replace.
    fn settings(&self) -> Recipe {
        let options = self.options;
        let recipe = if self.place.is_miniature {
            Recipe::MINIATURE
        } else {
            Recipe::AUTHORS
        };
        Recipe {
            epochs: options.epochs.map_or(recipe.epochs, |n| n as usize),
            batch_size: options.batch_size.map_or(recipe.batch_size, |n| n as usize),
            learning_rate: options.learning_rate.unwrap_or(recipe.learning_rate),
            ..recipe
        }
    }

    fn report(&self, configuration: &Value, directory: &Path, scores: &[Evaluation]) -> Result<()> {
        let Paper {
            dataset,
            modalities,
            fused,
        } = *self.paper;
        let names = modalities.iter().map(|(name, _)| *name).chain(["fused"]);
        let line = |name: &str, values: &mut dyn Iterator<Item = f64>| {
            print!("{name:<28}");
            values.for_each(|value| print!("{value:>9.2}"));
            println!();
        };
        print!("\n{:<28}", "test accuracy, %");
        names.clone().for_each(|name| print!("{name:>9}"));
        println!();
        let paper = modalities.iter().map(|(_, accuracy)| *accuracy);
        line("paper, MLA", &mut paper.chain([fused]));
        let branches = |score: &Evaluation| {
            let branches = score.modalities.iter().chain([&score.fused]);
            branches.map(|branch| 100.0 * branch.accuracy()).collect()
        };
        let scores: Vec<Vec<f64>> = scores.iter().map(branches).collect();
        let n = scores.len();
        let mean = |at: usize| scores.iter().map(|score| score[at]).sum::<f64>() / n as f64;
        let method = self.method();
        let what = format!("{method}, {n} seed{}", if n == 1 { "" } else { "s" });
        line(&what, &mut (0..=modalities.len()).map(mean));
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
            "dataset": dataset,
            "miniature": self.place.is_miniature,
            "method": method,
            "configuration": configuration,
            "names": names.collect::<Vec<_>>(),
            "accuracy": scores,
        });
        std::fs::create_dir_all(directory)?;
        let path = directory.join("results.json");
        atomic_file::write(&path, serde_json::to_string_pretty(&results)?.as_bytes())?;
        if !self.place.is_miniature {
            println!("\nsee {}", path.display());
        }
        Ok(())
    }
}

/// A layer for each modality, on its features.
fn layers(widths: &[usize], device: &Device) -> Result<Vec<PaperEncoder>> {
    let layer = |&width| Ok(MlpEncoderConfig::new(width, width).init(device)?.into());
    widths.iter().map(layer).collect()
}
