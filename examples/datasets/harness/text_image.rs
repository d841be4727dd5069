//! Texts and images through M3AE: options, front ends and encoders.

use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla_data::dataset::SplitSource;
use burn_mla_data::image::{Filter, ImageFrontEnd, ImageNormalization, ImageStep};
use burn_mla_data::manifest::TrainAndTest;
use burn_mla_encoders::m3ae::M3aeConfig;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{
    Model, Options, PaperEncoder, PaperFrontEnd, Place, Result, Words, WordsOptions, exist, lists,
};

/// Options of examples with texts and images.
#[derive(Debug, Clone, Args, Serialize)]
pub struct TextImageOptions {
    /// Options of every example.
    #[command(flatten)]
    #[serde(flatten)]
    pub options: Options,
    /// Options of the texts.
    #[command(flatten)]
    #[serde(flatten)]
    pub words: WordsOptions,
    /// Pretrained weights of M3AE for both encoders [default: initial weights]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// The weights were trained in JAX, as those that the authors of M3AE published
    #[arg(long)]
    pub jax: bool,
    /// Size of both encoders [default: base, as the authors' code]
    #[arg(long, value_enum)]
    pub size: Option<Size>,
    /// Lists of MLA, MMBT or QMF instead of the default split: training, test, and validation if there is one
    #[arg(long, num_args = 2..=3, value_name = "FILE")]
    pub lists: Vec<PathBuf>,
}

/// A size of M3AE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub enum Size {
    /// 2 blocks of width 64, for a miniature.
    Tiny,
    /// 6 blocks of width 384, to train on a CPU.
    Small,
    /// 12 blocks of width 768.
    Base,
    /// 24 blocks of width 1024.
    Large,
}

/// Texts and images for M3AE.
pub struct TextImage<'a> {
    arguments: &'a TextImageOptions,
    is_miniature: bool,
    /// The texts.
    pub words: Words,
    config: M3aeConfig,
}

impl<'a> TextImage<'a> {
    /// Reads the vocabulary.
    ///
    /// # Errors
    ///
    /// A missing vocabulary, one that is refused, and weights that are not there.
    pub fn new(arguments: &'a TextImageOptions, place: &Place) -> Result<Self> {
        exist("--weights", &arguments.weights)?;
        let is_miniature = place.is_miniature;
        if place.prepares && !is_miniature && arguments.words.tokens.is_none() {
            return Err("--prepare writes tokens, which are read with --tokens: give both".into());
        }
        let (size, length) = if is_miniature {
            (Size::Tiny, 32)
        } else {
            (Size::Base, 256)
        };
        let words = arguments.words.words(place, length)?;
        let config = match (arguments.size.unwrap_or(size), arguments.jax) {
            (Size::Base, false) => M3aeConfig::base(),
            (Size::Base, true) => M3aeConfig::jax_base(),
            (Size::Large, false) => M3aeConfig::large(),
            (Size::Large, true) => M3aeConfig::jax_large(),
            (Size::Small, _) => sized(384, 6, 6),
            (Size::Tiny, _) => sized(64, 2, 2),
        };
        let config = config
            .with_text_length(length)
            .with_vocabulary(words.n_ids());
        Ok(Self {
            arguments,
            is_miniature,
            words,
            config,
        })
    }

    /// The lists of the options; of a miniature in paper mode, those in its folder.
    ///
    /// # Errors
    ///
    /// Paper mode without lists, and a list that is not there.
    pub fn lists(&self, place: &Place, names: [&str; 2]) -> Result<Option<SplitSource>> {
        lists(&self.arguments.lists, &self.arguments.options, place, names)
    }

    fn images(&self) -> TrainAndTest<ImageFrontEnd> {
        if !self.is_miniature {
            return TrainAndTest {
                train: ImageFrontEnd::m3ae_train(),
                test: ImageFrontEnd::m3ae(),
            };
        }
        let resize = ImageStep::Resize {
            width: 64,
            height: 64,
            filter: Filter::Bilinear,
        };
        let small = ImageFrontEnd::new(vec![resize], ImageNormalization::IMAGENET);
        TrainAndTest {
            train: small.clone(),
            test: small,
        }
    }
}

impl Model for TextImage<'_> {
    fn front_ends(&self) -> Result<Vec<PaperFrontEnd>> {
        Ok(vec![
            self.words.front_end()?,
            PaperFrontEnd::new(self.images()),
        ])
    }

    fn encoders(&self, device: &Device) -> Result<Vec<PaperEncoder>> {
        let mut text = self.config.init_text(device)?;
        let mut image = self.config.init_image(device)?;
        if let Some(file) = &self.arguments.weights {
            text = text.load_pretrained(file)?;
            image = image.load_pretrained(file)?;
        }
        Ok(vec![text.into(), image.into()])
    }

    fn description(&self) -> String {
        format!("{:?} {:?}", self.config, self.arguments.weights)
    }

    fn missing_weights(&self) -> Option<&'static str> {
        self.arguments.weights.is_none().then_some("--weights")
    }
}

fn sized(d_model: usize, depth: usize, n_heads: usize) -> M3aeConfig {
    let config = M3aeConfig::base().with_d_model(d_model);
    config.with_depth(depth).with_n_heads(n_heads)
}
