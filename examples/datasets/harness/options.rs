//! The options that all examples have.

use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla::modality::MissingProtocol;
use burn_mla_data::dataset::Incomplete;
use clap::{Args, ValueEnum, value_parser};
use serde::Serialize;

use crate::Method;

/// Options of every example.
#[derive(Debug, Clone, Args, Serialize)]
pub struct Options {
    /// Folder of the data set; without it, a synthetic miniature is made, trained on for a few steps and
    /// removed
    #[arg(long, value_name = "ROOT")]
    pub data: Option<PathBuf>,
    /// Writes a miniature with all classes to DIR and ends; then try --data DIR
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    #[serde(skip)]
    pub miniature: Option<PathBuf>,
    /// Folder of prepared files [default: `prepared` in the folder of the data set]
    #[arg(long, value_name = "DIR")]
    pub prepared: Option<PathBuf>,
    /// Prepares files first: frames of videos, sound of videos without sound files, and the tokens or features that other
    /// options read; existing files are kept
    #[arg(long)]
    #[serde(skip)]
    pub prepare: bool,
    /// Share of files that may fail in the preparation
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    #[serde(skip)]
    pub max_failures: f64,
    /// Takes what can be decoded of damaged videos, instead of counting them as failures
    #[arg(long)]
    #[serde(skip)]
    pub accept_damage: bool,
    /// What is done with samples that lack a modality
    #[arg(long, value_enum, default_value_t = IncompleteSamples::LeaveOut)]
    pub incomplete: IncompleteSamples,
    /// Decodes all files first and leaves out samples that fail, of at most this share
    #[arg(long, value_name = "SHARE")]
    pub skip_unreadable: Option<f64>,
    /// Method
    #[arg(long, value_enum, default_value_t = Method::Mla)]
    pub method: Method,
    /// Rate at which modalities are missing in every split, from 0 to below 1
    #[arg(long, value_name = "RATE")]
    pub missing: Option<f64>,
    /// How missing modalities are drawn
    #[arg(long, value_enum, default_value_t = Protocol::Independent)]
    pub protocol: Protocol,
    /// Whether encoders train, or are frozen and their features computed once
    #[arg(long, value_enum, default_value_t = Features::Trained)]
    pub features: Features,
    /// Selects the best epoch on the test split, as the authors' code does: not an honest score
    #[arg(long)]
    pub paper_mode: bool,
    /// Passes over the data [default: as the authors' code]
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// Samples of a batch [default: as the authors' code]
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// Learning rate [default: as the authors' code]
    #[arg(long)]
    pub learning_rate: Option<f64>,
    /// Number of seeds
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    #[serde(skip)]
    pub seeds: u32,
    /// Threads that decode
    #[arg(long, default_value_t = 2)]
    #[serde(skip)]
    pub workers: usize,
    /// Device: flex; ndarray, cuda or wgpu with the cargo feature of that name
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Folder of cached features and of runs; a run has checkpoints, metrics and results in a folder named after its
    /// method and its options, and the same command resumes it [default: target/NAME]
    #[arg(long, value_name = "DIR")]
    #[serde(skip)]
    pub out: Option<PathBuf>,
}

/// What is done with samples that lack a modality; see [`Incomplete`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub enum IncompleteSamples {
    /// They are left out and named.
    LeaveOut,
    /// They are kept, with a missing modality.
    Keep,
    /// They are an error.
    Refuse,
}

impl From<IncompleteSamples> for Incomplete {
    fn from(samples: IncompleteSamples) -> Self {
        match samples {
            IncompleteSamples::LeaveOut => Self::LeaveOut,
            IncompleteSamples::Keep => Self::Missing,
            IncompleteSamples::Refuse => Self::Refuse,
        }
    }
}

/// How missing modalities are drawn; see [`MissingProtocol`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Protocol {
    /// Each independently; one of an otherwise empty sample stays.
    Independent,
    /// That of Table 2: one stays for sure. Three modalities lack at most 2/3.
    CpmNets,
}

impl From<Protocol> for MissingProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Independent => Self::Independent,
            Protocol::CpmNets => Self::CpmNets,
        }
    }
}

/// Where features come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Features {
    /// From encoders that train with the model.
    Trained,
    /// From frozen encoders, computed once.
    Cached,
}

impl Options {
    /// The device.
    ///
    /// # Errors
    ///
    /// A device that is unknown or not built.
    #[allow(deprecated)] // Burn marks ndarray deprecated.
    pub fn device(&self) -> Result<Device, String> {
        match self.device.as_str() {
            "flex" => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            "ndarray" => Ok(Device::ndarray()),
            #[cfg(feature = "cuda")]
            "cuda" => Ok(Device::cuda(0)),
            #[cfg(feature = "wgpu")]
            "wgpu" => Ok(Device::wgpu(Default::default())),
            name => Err(format!("device {name} is unknown or needs a cargo feature")),
        }
    }
}
