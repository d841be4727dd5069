//! What the data sets of sound and video share: lists, front ends and encoders.

use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla::modality::{FbankBatch, VideoBatch};
use burn_mla_data::dataset::SplitSource;
use burn_mla_data::manifest::TrainAndTest;
use burn_mla_data::video::VideoFrontEnd;
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder};
use burn_mla_encoders::weights::WeightFile;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    Model, Options, PaperEncoder, PaperFrontEnd, Place, Result, Sound, SoundOptions, exist, lists,
};

/// Options of the examples with sound and video.
#[derive(Debug, Clone, Args, Serialize)]
pub struct AudioVisual {
    /// Options of every example.
    #[command(flatten)]
    #[serde(flatten)]
    pub options: Options,
    /// Options of the sound.
    #[command(flatten)]
    #[serde(flatten)]
    pub sound: SoundOptions,
    /// Encoders [default: the paper's resnet18, small on a miniature]
    #[arg(long, value_enum)]
    pub encoder: Option<ResNet>,
    /// Checkpoint of MLA's or OGM-GE's code to start from, with `audio_net` and `visual_net`
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Lists of training and test clips: MLA's or OGM-GE's
    #[arg(long, num_args = 2, value_names = ["TRAIN", "TEST"])]
    pub lists: Vec<PathBuf>,
}

/// An encoder of sound and frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub enum ResNet {
    /// ResNet-18 from scratch, as in the paper.
    Resnet18,
    /// A residual network with a hundredth of the operations.
    Small,
}

/// Sound and three frames of each clip, each through a residual network.
pub struct AudioVisualModel<'a> {
    arguments: &'a AudioVisual,
    sound: &'a Sound,
    resnet: ResNetConfig,
}

impl AudioVisual {
    /// The lists of the options; of a miniature in paper mode, those in its folder. Other files of the options are checked,
    /// too.
    ///
    /// # Errors
    ///
    /// Paper mode without lists, and a file that is not there.
    pub fn lists(&self, place: &Place, names: [&str; 2]) -> Result<Option<SplitSource>> {
        exist("--weights", &self.weights)?;
        self.sound.check()?;
        lists(&self.lists, &self.options, place, names)
    }

    /// The encoders of the options.
    pub fn model<'a>(&'a self, sound: &'a Sound, place: &Place) -> AudioVisualModel<'a> {
        let default = if place.is_miniature {
            ResNet::Small
        } else {
            ResNet::Resnet18
        };
        AudioVisualModel {
            arguments: self,
            sound,
            resnet: match self.encoder.unwrap_or(default) {
                ResNet::Resnet18 => ResNetConfig::resnet18(),
                ResNet::Small => ResNetConfig::new([1, 1, 1, 1]).with_widths([8, 16, 32, 64]),
            },
        }
    }
}

impl Model for AudioVisualModel<'_> {
    fn front_ends(&self) -> Result<Vec<PaperFrontEnd>> {
        let frames = TrainAndTest {
            train: VideoFrontEnd::mla_train(),
            test: VideoFrontEnd::mla(),
        };
        let sound = self.arguments.sound.front_end(self.sound);
        Ok(vec![sound, PaperFrontEnd::new(frames)])
    }

    fn encoders(&self, device: &Device) -> Result<Vec<PaperEncoder>> {
        let mut audio: ResNetEncoder<FbankBatch> = self.resnet.init(device)?;
        let mut visual: ResNetEncoder<VideoBatch> = self.resnet.init(device)?;
        if let Some(file) = &self.arguments.weights {
            let part = |name| WeightFile::new(file).with_submodule(name);
            audio = part("audio_net").load(audio)?;
            visual = part("visual_net").load(visual)?;
        }
        Ok(vec![audio.into(), visual.into()])
    }

    fn description(&self) -> String {
        format!("{:?} {:?}", self.resnet, self.arguments.weights)
    }

    fn missing_weights(&self) -> Option<&'static str> {
        self.arguments.weights.is_none().then_some("--weights")
    }
}
