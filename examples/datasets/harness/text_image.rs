//! Texts and images through M3AE: options, front ends, encoders, and features that are computed once.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_mla::encoder::{Encoder, Frozen, MlpEncoderConfig};
use burn_mla::modality::ModalityInput;
use burn_mla_data::dataset::{PublishedDataset, Split, SplitSource};
use burn_mla_data::image::{Filter, ImageFrontEnd, ImageNormalization, ImageStep};
use burn_mla_data::manifest::{FrontEnd, Manifest, TrainAndTest};
use burn_mla_data::text::{Padding, TextTokenizer, TokenFiles, TokenizerConfig};
use burn_mla_encoders::m3ae::{M3aeConfig, M3aeImageEncoder, M3aeTextEncoder};
use clap::{Args, ValueEnum};

use crate::{
    Features, Options, PaperEncoder, PaperFrontEnd, PaperInput, Parts, Place, Result, cached,
};

const NO_VOCABULARY: &str = "\
--vocabulary FILE is missing: the vocab.txt or tokenizer.json of bert-base-uncased, which is at
https://huggingface.co/google-bert/bert-base-uncased (Apache-2.0)";

/// Share of the training samples of a list that is for validation, where the authors published no such list.
const HELD_OUT: f64 = 0.1;

/// Options of examples with texts and images.
#[derive(Debug, Clone, Args)]
pub struct TextImageOptions {
    /// Vocabulary of bert-base-uncased: vocab.txt or tokenizer.json
    #[arg(long, value_name = "FILE")]
    pub vocabulary: Option<PathBuf>,
    /// Pretrained weights of M3AE for both encoders [default: initial weights]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// The weights were trained in JAX, as those that the authors of M3AE published
    #[arg(long)]
    pub jax: bool,
    /// Size of both encoders [default: base, as the authors' code]
    #[arg(long, value_enum)]
    pub size: Option<Size>,
    /// Reads tokens that --prepare or MLA's script wrote, instead of texts
    #[arg(long)]
    pub tokens: bool,
    /// Lists of MLA, MMBT or QMF instead of the default split: training, test, and validation if there is one
    #[arg(long, num_args = 2..=3, value_name = "FILE")]
    pub lists: Vec<PathBuf>,
    /// Decodes all files first and leaves out those that fail, of at most this share
    #[arg(long, value_name = "SHARE")]
    pub skip_unreadable: Option<f64>,
}

/// A size of M3AE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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
    options: &'a TextImageOptions,
    is_miniature: bool,
    tokenizer: Option<TextTokenizer>,
    config: M3aeConfig,
}

impl<'a> TextImage<'a> {
    /// Reads the vocabulary.
    ///
    /// # Errors
    ///
    /// A missing vocabulary, and one that is refused.
    pub fn new(options: &'a TextImageOptions, place: &Place) -> Result<Self> {
        let (is_miniature, length) = (
            place.is_miniature,
            if place.is_miniature { 32 } else { 256 },
        );
        let own = is_miniature.then(|| place.root.join("vocab.txt"));
        let tokenizer = options.vocabulary.clone().or(own);
        let tokenizer = tokenizer
            .map(|path| tokenizer_of(&path, length))
            .transpose()?;
        if tokenizer.is_none() && (place.prepare || !options.tokens) {
            return Err(NO_VOCABULARY.into());
        }
        let default = if is_miniature { Size::Tiny } else { Size::Base };
        let config = match (options.size.unwrap_or(default), options.jax) {
            (Size::Base, false) => M3aeConfig::base(),
            (Size::Base, true) => M3aeConfig::jax_base(),
            (Size::Large, false) => M3aeConfig::large(),
            (Size::Large, true) => M3aeConfig::jax_large(),
            (Size::Small, _) => sized(384, 6, 6),
            (Size::Tiny, _) => sized(64, 2, 2),
        };
        let n_ids = tokenizer.as_ref().map(TextTokenizer::n_ids);
        let config = config.with_text_length(length);
        let config = config.with_vocabulary(n_ids.unwrap_or(M3aeConfig::base().vocabulary));
        Ok(Self {
            options,
            is_miniature,
            tokenizer,
            config,
        })
    }

    /// The lists of the options.
    pub fn lists(&self) -> Option<SplitSource> {
        let [train, test, rest @ ..] = &self.options.lists[..] else {
            return None;
        };
        Some(SplitSource::Lists {
            train: train.clone(),
            valid: rest.first().cloned(),
            test: test.clone(),
        })
    }

    /// Whether tokens are read instead of texts; those of a miniature always are.
    pub fn reads_tokens(&self) -> bool {
        self.options.tokens || self.is_miniature
    }

    /// The tokenizer.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn tokenizer(&self) -> Result<&TextTokenizer> {
        self.tokenizer.as_ref().ok_or_else(|| NO_VOCABULARY.into())
    }

    fn token_files(&self) -> TokenFiles {
        TokenFiles::new(self.config.text_length)
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

    fn front_ends(&self) -> Result<Vec<PaperFrontEnd>> {
        let texts = if self.reads_tokens() {
            PaperFrontEnd::new(self.token_files())
        } else {
            PaperFrontEnd::new(self.tokenizer()?.clone())
        };
        Ok(vec![texts, PaperFrontEnd::new(self.images())])
    }

    /// The data set as inputs of the encoders: files, or features of frozen encoders.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, and frozen encoders without weights.
    pub fn parts(
        &self,
        data: &PublishedDataset,
        options: &Options,
        place: &Place,
    ) -> Result<Parts> {
        println!("{}\n{}", data.inventory(), data.summary());
        let mut manifest = data.manifest().clone();
        if let Some(share) = self.options.skip_unreadable {
            let all = manifest.dataset(self.front_ends()?)?;
            let (kept, skipped) = all.skip_unreadable(share, Place::progress("decoding"))?;
            skipped
                .iter()
                .for_each(|error| println!("left out: {error}"));
            manifest = manifest.subset(kept.samples());
        }
        if !options.paper_mode && manifest.samples(Split::Valid).is_empty() {
            println!("{HELD_OUT} of the training samples are held out for validation");
            manifest = manifest.hold_out(HELD_OUT, 0, None)?;
        }
        if options.features == Features::Trained {
            return Parts::files(&manifest, self.front_ends()?, options.workers);
        }
        if self.options.weights.is_none() && !self.is_miniature {
            return Err("frozen encoders need --weights".into());
        }
        let (device, folder) = (options.device()?, place.out.join("features"));
        let texts = Frozen::new(self.text_encoder(&device)?);
        let texts = if self.reads_tokens() {
            self.cached(
                &manifest,
                "text",
                self.token_files(),
                &texts,
                &folder,
                &device,
            )?
        } else {
            let tokenizer = self.tokenizer()?.clone();
            self.cached(&manifest, "text", tokenizer, &texts, &folder, &device)?
        };
        let images = Frozen::new(self.image_encoder(&device)?);
        let images = self.cached(&manifest, "image", self.images(), &images, &folder, &device)?;
        Parts::features(&manifest, vec![texts, images])
    }

    fn cached<F, E>(
        &self,
        manifest: &Manifest,
        column: &str,
        front_end: F,
        encoder: &Frozen<E>,
        folder: &Path,
        device: &Device,
    ) -> Result<Option<ModalityInput<PaperInput>>>
    where
        F: FrontEnd,
        E: Encoder<Input = F::Input>,
    {
        let folder = folder.join(column);
        cached(
            manifest,
            column,
            front_end,
            encoder,
            &self.config,
            &folder,
            device,
        )
    }

    /// The encoders of texts and images.
    ///
    /// # Errors
    ///
    /// Weights that cannot be read or do not fit.
    pub fn encoders(&self, options: &Options, device: &Device) -> Result<Vec<PaperEncoder>> {
        if options.features == Features::Cached {
            let width = self.config.d_model;
            let layer = || MlpEncoderConfig::new(width, width).init(device);
            return Ok(vec![layer()?.into(), layer()?.into()]);
        }
        let (texts, images) = (self.text_encoder(device)?, self.image_encoder(device)?);
        Ok(vec![texts.into(), images.into()])
    }

    fn text_encoder(&self, device: &Device) -> Result<M3aeTextEncoder> {
        let encoder = self.config.init_text(device)?;
        Ok(match &self.options.weights {
            Some(path) => encoder.load_pretrained(path)?,
            None => encoder,
        })
    }

    fn image_encoder(&self, device: &Device) -> Result<M3aeImageEncoder> {
        let encoder = self.config.init_image(device)?;
        Ok(match &self.options.weights {
            Some(path) => encoder.load_pretrained(path)?,
            None => encoder,
        })
    }
}

fn sized(d_model: usize, depth: usize, n_heads: usize) -> M3aeConfig {
    let config = M3aeConfig::base().with_d_model(d_model);
    config.with_depth(depth).with_n_heads(n_heads)
}

fn tokenizer_of(path: &Path, length: usize) -> Result<TextTokenizer> {
    let config = TokenizerConfig::new(length)
        .with_special_tokens(false)
        .with_padding(Padding::Fixed);
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    Ok(if is_json {
        config.json(path)?
    } else {
        config.word_piece(path)?
    })
}
