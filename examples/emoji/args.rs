//! The options of the example.

use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla_data::dataset::emoji::Modality;
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// MLA on emoji, images and texts, against joint training.
#[derive(Debug, Clone, Parser, Serialize, Deserialize)]
#[command(name = "emoji")]
pub struct Args {
    /// Modalities, separated by commas: fluent, noto, gray8, label, tags, label-de
    #[arg(long, value_delimiter = ',', default_values = ["fluent", "label"])]
    pub modalities: Vec<Modality>,

    /// Where to compute; all but flex need the cargo feature of that name
    #[arg(long, value_enum, default_value = "flex")]
    pub device: DeviceName,

    /// Passes over the data
    #[arg(long, default_value_t = 17, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: u32,

    /// Number of seeds, each with both methods
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub seeds: u32,

    /// Rate at which modalities are missing, from 0 to below 1
    #[arg(long, value_name = "RATE")]
    pub missing: Option<f64>,

    /// Turns between two checkpoints; there is one after each epoch in any case
    #[arg(long, value_name = "TURNS")]
    pub checkpoint_every: Option<usize>,

    /// Folder for results
    #[arg(long, default_value = "target/emoji")]
    pub out: PathBuf,

    /// Resume the run in this folder, with the options that it was started with
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,

    /// Short run, 3 epochs
    #[arg(long)]
    pub quick: bool,
}

/// A device by the name of its cargo feature.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

impl Args {
    /// Options of this run: those of the resumed run, or the given ones, which are saved.
    pub fn load() -> Result<Self, Box<dyn Error>> {
        let args = Self::parse();
        if let Some(folder) = &args.resume {
            let path = folder.join("args.json");
            let place = |error: &dyn Error| format!("{}: {error}", path.display());
            let text = std::fs::read_to_string(&path).map_err(|error| place(&error))?;
            let started: Self = serde_json::from_str(&text).map_err(|error| place(&error))?;
            let (out, resume) = (folder.clone(), args.resume);
            return Ok(Self {
                out,
                resume,
                ..started
            });
        }
        let path = args.out.join("args.json");
        if path.exists() {
            let out = args.out.display();
            return Err(format!("{out} holds a run: use --resume {out} or another --out").into());
        }
        std::fs::create_dir_all(&args.out)?;
        std::fs::write(path, serde_json::to_string_pretty(&args)?)?;
        Ok(args)
    }

    pub fn epochs(&self) -> usize {
        if self.quick { 3 } else { self.epochs as usize }
    }
}
