//! The options of the study, and the folders of its runs.

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::emoji::saved;
use burn_mla_data::dataset::emoji::Modality;

/// MLA on emoji, images and texts, against joint training.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Arguments {
    /// Modalities, separated by commas
    #[arg(long, value_delimiter = ',', default_values = ["fluent", "label"])]
    pub modalities: Vec<Modality>,

    /// Device to compute on; all but flex and ndarray need the cargo feature of that name
    #[arg(long, value_enum, default_value = "flex")]
    pub device: DeviceName,

    /// Passes over the data
    #[arg(long, default_value_t = 17, value_parser = at_least_one)]
    pub epochs: usize,

    /// Samples per step
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    pub batch_size: usize,

    /// Number of seeds, each with both methods; scores are their mean
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub seeds: usize,

    /// Folder for results, or folder of the model for --predict [default: a new folder under
    /// target/emoji; for --predict the newest one there]
    #[arg(long)]
    pub out: Option<PathBuf>,

    /// Rate at which modalities are missing, in training and test, the same for both methods
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub missing: Option<f64>,

    /// Turns between two checkpoints, in addition to the one after each epoch
    #[arg(long, value_name = "TURNS", value_parser = at_least_one)]
    pub checkpoint_every: Option<usize>,

    /// Resume the run in this folder, with the options that it was started with
    #[arg(long, value_name = "DIR", conflicts_with_all =
        ["modalities", "device", "epochs", "batch_size", "seeds", "out", "missing",
         "checkpoint_every", "quick", "predict"])]
    pub resume: Option<PathBuf>,

    /// Show the training in Burn's terminal dashboard; needs --features tui
    #[arg(long)]
    pub dashboard: bool,

    /// Short run of 3 epochs
    #[arg(long, conflicts_with = "epochs")]
    pub quick: bool,

    /// Predict instead of training: for the index of an emoji, with all its modalities, or for a
    /// text, with the text modalities of the model
    #[arg(long, value_name = "TEXT OR INDEX")]
    pub predict: Option<String>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number of at least 1".to_string()),
        Ok(n) => Ok(n),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.0..1.0).contains(rate));
    rate.ok_or_else(|| "expected a number from 0 to below 1".to_string())
}

/// File of the options of a run, for `--resume`.
const ARGUMENTS: &str = "arguments.json";

/// A device by the name of its cargo feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum DeviceName {
    Flex,
    #[cfg(feature = "ndarray")]
    Ndarray,
    #[cfg(feature = "cuda")]
    Cuda,
    #[cfg(feature = "wgpu")]
    Wgpu,
}

impl DeviceName {
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            #[cfg(feature = "ndarray")]
            Self::Ndarray => "ndarray",
            #[cfg(feature = "cuda")]
            Self::Cuda => "cuda",
            #[cfg(feature = "wgpu")]
            Self::Wgpu => "wgpu",
        }
    }

    // Burn marks ndarray deprecated.
    #[allow(deprecated)]
    pub fn device(self) -> Device {
        match self {
            Self::Flex => Device::flex(),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => Device::ndarray(),
            #[cfg(feature = "cuda")]
            Self::Cuda => Device::cuda(0),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Device::wgpu(Default::default()),
        }
    }
}

impl Arguments {
    /// Returns the options of the resumed run, or these options.
    pub fn of_run(self) -> Result<Self, Box<dyn Error>> {
        let Some(folder) = &self.resume else {
            return Ok(self);
        };
        let path = folder.join(ARGUMENTS);
        let place = |error: &dyn Error| format!("nothing to resume: {}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| place(&error))?;
        let started: Self = serde_json::from_str(&text).map_err(|error| place(&error))?;
        Ok(Self {
            out: Some(folder.clone()),
            dashboard: self.dashboard,
            resume: self.resume,
            ..started
        })
    }

    /// Saves the options of a new run. An existing run is never overwritten.
    pub fn save(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        if self.resume.is_some() {
            return Ok(());
        }
        let path = folder.join(ARGUMENTS);
        if path.exists() {
            let folder = folder.display();
            return Err(format!(
                "{folder} already contains a run; resume it with --resume {folder} or choose another --out"
            )
            .into());
        }
        std::fs::write(path, serde_json::to_string_pretty(self)?)?;
        Ok(())
    }

    /// Checks the conditions that clap cannot check.
    pub fn check(&self) -> Result<(), Box<dyn Error>> {
        if self.dashboard && !cfg!(feature = "tui") {
            return Err("--dashboard needs the cargo option --features tui".into());
        }
        let twice = |(at, modality)| self.modalities[..at].contains(modality);
        match self
            .modalities
            .iter()
            .enumerate()
            .find(|&found| twice(found))
        {
            None => Ok(()),
            Some((_, twice)) => Err(format!("--modalities contains {} twice", twice.name()).into()),
        }
    }

    /// Returns the folder for results, which is created if it does not exist.
    pub fn out_folder(&self) -> Result<PathBuf, Box<dyn Error>> {
        let folder = match &self.out {
            Some(folder) => folder.clone(),
            None => fresh_folder()?,
        };
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }

    /// Returns the folder of a saved model.
    pub fn model_folder(&self) -> Result<PathBuf, Box<dyn Error>> {
        if let Some(folder) = &self.out {
            return Ok(folder.clone());
        }
        let finished = |number: &u32| run_folder(*number).join(saved::SETTINGS).exists();
        let newest = runs(&runs_folder())?.into_iter().filter(finished).max();
        Ok(run_folder(newest.ok_or(
            "no saved model under target/emoji: train one first",
        )?))
    }
}

fn runs_folder() -> PathBuf {
    PathBuf::from("target/emoji")
}

/// Numbers of the existing runs.
fn runs(folder: &Path) -> Result<Vec<u32>, Box<dyn Error>> {
    if !folder.exists() {
        return Ok(vec![]);
    }
    let mut found = vec![];
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("run-"));
        found.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    Ok(found)
}

fn run_folder(number: u32) -> PathBuf {
    runs_folder().join(format!("run-{number}"))
}

fn fresh_folder() -> Result<PathBuf, Box<dyn Error>> {
    let folder = runs_folder();
    std::fs::create_dir_all(&folder)?;
    let mut number = runs(&folder)?.into_iter().max().unwrap_or(0) + 1;
    loop {
        let fresh = run_folder(number);
        match std::fs::create_dir(&fresh) {
            Ok(()) => return Ok(fresh),
            // Another process created it in the meantime.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(format!("{}: {error}", fresh.display()).into()),
        }
    }
}
