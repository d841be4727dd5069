//! The options of the example.

use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla_data::dataset::emoji::Modality;
use clap::{Parser, value_parser};
use serde::{Deserialize, Serialize};

/// MLA on emoji, images and texts, against joint training
#[derive(Debug, Clone, Parser, Serialize, Deserialize)]
pub struct Args {
    /// Modalities, separated by commas: fluent, noto, gray8, label, tags, label-de
    #[arg(long, value_delimiter = ',', default_values = ["fluent", "label"])]
    pub modalities: Vec<Modality>,
    /// Device: flex; ndarray, cuda or wgpu with the cargo feature of that name
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Passes over the data
    #[arg(long, default_value_t = 17, value_parser = value_parser!(u32).range(1..))]
    #[arg(default_value_if("quick", "true", "3"))]
    pub epochs: u32,
    /// Number of seeds, each with both methods
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub seeds: u32,
    /// Rate at which modalities are missing, from 0 to below 1
    #[arg(long, value_name = "RATE")]
    pub missing: Option<f64>,
    /// Turns between two checkpoints, in addition to the one after each epoch
    #[arg(long, value_name = "TURNS")]
    pub checkpoint_every: Option<usize>,
    /// Folder for results
    #[arg(long, default_value = "target/emoji")]
    pub out: PathBuf,
    /// Resume the run in this folder, with the options that it was started with
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// Short run of 3 epochs
    #[arg(long)]
    pub quick: bool,
}

impl Args {
    /// Returns the options of the resumed run, or the given ones, which are saved.
    pub fn load() -> Result<Self, Box<dyn Error>> {
        let args = Self::parse();
        let folder = args.resume.as_ref().unwrap_or(&args.out);
        let path = folder.join("args.json");
        if args.resume.is_some() {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let mut started: Self = serde_json::from_str(&text)?;
            started.out = folder.clone();
            return Ok(started);
        }
        if path.exists() {
            return Err(format!("{} exists; use --resume or another --out", path.display()).into());
        }
        args.device()?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(path, serde_json::to_string_pretty(&args)?)?;
        Ok(args)
    }

    #[allow(deprecated)] // by Burn: ndarray
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
