//! The options of the example.

use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

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
    /// Device: flex; ndarray, cuda or wgpu with the cargo feature of that name; with the feature remote
    /// `remote:ws://HOST:PORT[,ws://HOST:PORT..]`, workers that divide each batch [default: flex, or that of
    /// the resumed run]
    #[arg(long)]
    pub device: Option<String>,
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
    /// Folder for results [default: a new one in target/emoji]
    #[arg(long, default_value_os_t = new_folder(), hide_default_value = true)]
    pub out: PathBuf,
    /// Resume the run in this folder, with the options that it was started with; only the device may be another
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// Short run of 3 epochs
    #[arg(long)]
    pub quick: bool,
}

fn new_folder() -> PathBuf {
    let seconds = UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
    PathBuf::from(format!("target/emoji/{seconds}"))
}

impl Args {
    /// Returns the options of the resumed run, or the given ones, which are saved.
    pub fn load() -> Result<Self, Box<dyn Error>> {
        let args = Self::parse();
        let path = args.resume.as_ref().unwrap_or(&args.out).join("args.json");
        let place = |error: &dyn Error| format!("{}: {error}", path.display());
        if let Some(out) = args.resume {
            let text = std::fs::read_to_string(&path).map_err(|error| place(&error))?;
            let started: Self = serde_json::from_str(&text).map_err(|error| place(&error))?;
            let device = args.device.or(started.device);
            return Ok(Self {
                out,
                device,
                ..started
            });
        }
        args.devices()?;
        std::fs::create_dir_all(&args.out)?;
        let file = File::create_new(&path).map_err(|error| place(&error))?;
        serde_json::to_writer_pretty(file, &args)?;
        Ok(args)
    }

    /// The devices, at least one.
    #[allow(deprecated)] // Burn marks ndarray deprecated.
    pub fn devices(&self) -> Result<Vec<Device>, String> {
        let device = self.device.as_deref().unwrap_or("flex");
        #[cfg(feature = "remote")]
        if let Some(workers) = device.strip_prefix("remote:") {
            let devices: Result<Vec<_>, _> = workers.split(',').map(connect).collect();
            return devices.map(|devices| devices.concat());
        }
        let device = match device {
            "flex" => Device::flex(),
            #[cfg(feature = "ndarray")]
            "ndarray" => Device::ndarray(),
            #[cfg(feature = "cuda")]
            "cuda" => Device::cuda(0),
            #[cfg(feature = "wgpu")]
            "wgpu" => Device::wgpu(Default::default()),
            name => return Err(format!("device {name} is unknown or needs a cargo feature")),
        };
        Ok(vec![device])
    }
}

/// The devices of a `worker`.
#[cfg(feature = "remote")]
fn connect(address: &str) -> Result<Vec<Device>, String> {
    use burn::remote::RemoteHost;

    let mut host = RemoteHost::websocket(address);
    if let Ok(token) = std::env::var("WORKER_TOKEN") {
        host = host.with_credential(token);
    }
    let devices = host.devices();
    let devices = devices.map_err(|error| format!("worker {address}: {error}"))?;
    Ok(devices.into_iter().collect())
}
