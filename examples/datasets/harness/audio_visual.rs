//! What the data sets of sound and video share: encoders, front ends and lists.

use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla::encoder::{Frozen, MlpEncoderConfig};
use burn_mla::modality::{FbankBatch, VideoBatch};
use burn_mla_data::audio::AudioFrontEndConfig;
use burn_mla_data::dataset::{PublishedDataset, Split, SplitSource};
use burn_mla_data::manifest::{Manifest, TrainAndTest};
use burn_mla_data::video::VideoFrontEnd;
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder};
use burn_mla_encoders::weights::WeightFile;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{Features, Options, PaperEncoder, PaperFrontEnd, Parts, Place, Result, cached};

/// Options of the examples with sound and video.
#[derive(Debug, Clone, Args, Serialize)]
pub struct AudioVisual {
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

impl AudioVisual {
    /// The lists of the options; of a miniature in paper mode, those in its folder.
    ///
    /// # Errors
    ///
    /// Paper mode without lists.
    pub fn lists(
        &self,
        options: &Options,
        place: &Place,
        names: [&str; 2],
    ) -> Result<Option<SplitSource>> {
        let (train, test) = match &self.lists[..] {
            [train, test] => (train.clone(), test.clone()),
            _ if options.paper_mode && place.is_miniature => {
                (place.root.join(names[0]), place.root.join(names[1]))
            }
            _ if options.paper_mode => {
                return Err(
                    "--paper-mode needs the lists of the authors: --lists TRAIN TEST".into(),
                );
            }
            _ => return Ok(None),
        };
        Ok(Some(SplitSource::Lists {
            train,
            valid: None,
            test,
        }))
    }

    /// Prints what a data set has and lacks. Without validation clips, a tenth of the training clips becomes them,
    /// in whole groups of `column`; paper mode needs none.
    ///
    /// # Errors
    ///
    /// Too few training clips.
    pub fn complete(
        &self,
        data: &PublishedDataset,
        options: &Options,
        column: &str,
    ) -> Result<Manifest> {
        println!("{}\n", data.inventory());
        let has_valid = !data.samples(Split::Valid).is_empty();
        let clips = if has_valid || options.paper_mode {
            data.manifest().clone()
        } else {
            data.hold_out(0.1, 0, Some(column))?
        };
        println!("{}", clips.summary());
        Ok(clips)
    }

    /// The clips as batches: as they are, or as features of frozen encoders.
    ///
    /// # Errors
    ///
    /// Clips that cannot be read, and frozen encoders without weights.
    pub fn parts(
        &self,
        clips: &Manifest,
        audio: &AudioFrontEndConfig,
        options: &Options,
        place: &Place,
    ) -> Result<Parts> {
        let visual = TrainAndTest {
            train: VideoFrontEnd::mla_train(),
            test: VideoFrontEnd::mla(),
        };
        let sound = audio.init()?;
        if options.features == Features::Trained {
            let front_ends = vec![PaperFrontEnd::new(sound), PaperFrontEnd::new(visual)];
            return Parts::files(clips, front_ends, options.workers);
        }
        if self.weights.is_none() && !place.is_miniature {
            return Err("--features cached needs --weights: random features are of no use".into());
        }
        let device = options.device()?;
        device.seed(0);
        let (audio_net, visual_net) = self.networks(place, &device)?;
        let config = format!("{:?} {:?}", self.resnet(place), self.weights);
        let directory = |name: &str| place.out.join("features").join(name);
        let heard = cached(
            clips,
            "audio",
            sound,
            &Frozen::new(audio_net),
            &config,
            &directory("audio"),
            &device,
        )?;
        let seen = cached(
            clips,
            "visual",
            visual,
            &Frozen::new(visual_net),
            &config,
            &directory("visual"),
            &device,
        )?;
        Parts::features(clips, vec![heard, seen])
    }

    /// Fresh encoders: the networks, or a layer for each modality on cached features.
    ///
    /// # Errors
    ///
    /// Weights that do not fit.
    pub fn encoders(
        &self,
        options: &Options,
        place: &Place,
        device: &Device,
    ) -> Result<Vec<PaperEncoder>> {
        if options.features == Features::Cached {
            let width = *self.resnet(place).widths.last().unwrap_or(&1);
            let layer = || MlpEncoderConfig::new(width, width).init(device);
            return Ok(vec![layer()?.into(), layer()?.into()]);
        }
        let (audio, visual) = self.networks(place, device)?;
        Ok(vec![audio.into(), visual.into()])
    }

    fn resnet(&self, place: &Place) -> ResNetConfig {
        let default = if place.is_miniature {
            ResNet::Small
        } else {
            ResNet::Resnet18
        };
        match self.encoder.unwrap_or(default) {
            ResNet::Resnet18 => ResNetConfig::resnet18(),
            ResNet::Small => ResNetConfig::new([1, 1, 1, 1]).with_widths([8, 16, 32, 64]),
        }
    }

    fn networks(
        &self,
        place: &Place,
        device: &Device,
    ) -> Result<(ResNetEncoder<FbankBatch>, ResNetEncoder<VideoBatch>)> {
        let resnet = self.resnet(place);
        let (audio, visual) = (resnet.init(device)?, resnet.init(device)?);
        let Some(file) = &self.weights else {
            return Ok((audio, visual));
        };
        let file = || WeightFile::new(file);
        Ok((
            file().with_submodule("audio_net").load(audio)?,
            file().with_submodule("visual_net").load(visual)?,
        ))
    }
}
