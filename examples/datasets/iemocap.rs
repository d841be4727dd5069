//! MLA on IEMOCAP: emotions of acted conversations by sound, the speaker's picture and words, with CAV-MAE for sound and
//! picture and M3AE for words.
//!
//! ```text
//! cargo run --release --example iemocap                                              # a miniature, seconds
//! cargo run --release --example iemocap -- --data IEMOCAP_full_release --prepare \
//!     --vocabulary vocab.txt --cav-mae cav-mae-scale++.pth --m3ae m3ae_base.pth      # session 5 is for testing
//! cargo run --release --example iemocap -- --data IEMOCAP_full_release --paper-mode \
//!     --lists my_train_iemo.txt my_test_iemo.txt ..                                  # the authors' split and selection
//! cargo run --release --example iemocap -- --data IEMOCAP_full_release --missing 0.5 --protocol cpm-nets ..
//! ```
//!
//! Expected: a table with the test accuracy of sound, picture, words and all of them, below the paper's row for MLA. It
//! has not been run on the data set yet. With sessions held out, expect less than the paper: in the authors' split, all
//! ten speakers and all dialogs are in training and test.
//!
//! As in the authors' code, texts have 256 tokens without special ones. Theirs gives the picture to the encoder at
//! 256 x 256 pixels and the filter banks without normalization; here the input is what CAV-MAE was pretrained on,
//! 224 x 224 pixels and normalized filter banks, which `--paper-mode` does not normalize either.
//!
//! Time and memory of 100 epochs with batches of 64, estimated from 1.3e13 operations for each batch, not measured: 4 to
//! 8 hours and 40 GB on one data-centre GPU; `--features cached` runs the encoders once, a few minutes there and half a
//! day on two cores, and then needs minutes. `--size small` takes hours on two cores. The preparation needs ffmpeg and
//! about half an hour on two cores.
//!
//! Data: sail.usc.edu/iemocap, after a signed release form. Licence: academic use; neither media nor transcripts may be
//! passed on.

use std::collections::BTreeSet;
use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla::encoder::{Frozen, MlpEncoderConfig};
use burn_mla_data::audio::{AudioFrontEnd, AudioFrontEndConfig};
use burn_mla_data::dataset::iemocap::{Iemocap, IemocapClasses, IemocapFold, write_miniature};
use burn_mla_data::dataset::{Incomplete, SplitSource};
use burn_mla_data::image::{Filter, ImageFrontEnd, ImageNormalization, ImageStep};
use burn_mla_data::manifest::{Manifest, TrainAndTest};
use burn_mla_data::text::{Padding, TextTokenizer, TokenizerConfig};
use burn_mla_data::video::Ffmpeg;
use burn_mla_encoders::cav_mae::{CavMaeAudioEncoder, CavMaeConfig, CavMaeVisualEncoder};
use burn_mla_encoders::m3ae::{M3aeConfig, M3aeTextEncoder};
use clap::{Parser, ValueEnum};
use harness::{
    Features, Options, Paper, PaperFrontEnd, Parts, Place, Recipe, Result, Session, cached,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "MLA on IEMOCAP")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Classes
    #[arg(long, value_enum, default_value_t = Classes::Four)]
    classes: Classes,
    /// Session for testing; the one before it is for validation
    #[arg(long, default_value_t = 5)]
    session: u8,
    /// MLA's lists of training and test utterances instead; those on neither are for validation
    #[arg(long, num_args = 2, value_names = ["TRAIN", "TEST"])]
    lists: Vec<PathBuf>,
    /// Encoders [default: the paper's base, tiny on a miniature]
    #[arg(long, value_enum)]
    size: Option<Size>,
    /// Pretrained CAV-MAE
    #[arg(long, value_name = "FILE")]
    cav_mae: Option<PathBuf>,
    /// Pretrained M3AE
    #[arg(long, value_name = "FILE")]
    m3ae: Option<PathBuf>,
    /// The vocabulary `vocab.txt` of bert-base-uncased
    #[arg(long, value_name = "FILE")]
    vocabulary: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Classes {
    /// Angry, happy with excited, neutral, sad: 5531 utterances.
    Four,
    /// The four with excited and frustrated apart: 7380 utterances.
    Six,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    /// CAV-MAE and M3AE base, as in the paper.
    Base,
    /// A twentieth of the operations, on the same input.
    Small,
    /// For miniatures.
    Tiny,
}

/// Front ends and encoders that fit each other.
struct Models {
    sound: AudioFrontEnd,
    image: TrainAndTest<ImageFrontEnd>,
    text: TextTokenizer,
    cav_mae: CavMaeConfig,
    m3ae: M3aeConfig,
}

type Networks = (CavMaeAudioEncoder, CavMaeVisualEncoder, M3aeTextEncoder);

fn main() -> Result<()> {
    let args = Arguments::parse();
    let options = &args.options;
    let place = Place::new("iemocap", options, write_miniature)?;
    let set = args.set(&place)?;
    if place.prepare {
        let (config, progress) = (place.prepare_config(), Place::progress("frames of"));
        println!(
            "{}",
            set.prepare(&place.root, &Ffmpeg::new(), &config, progress)?
        );
    }
    if !place.prepared.is_dir() {
        let folder = place.prepared.display();
        return Err(format!("{folder}: no frames yet; make them by --prepare").into());
    }
    let data = set.read(&place.root)?;
    println!("{}\n\n{}", data.inventory(), data.summary());

    let models = args.models(&place, &data)?;
    let session = Session {
        name: "IEMOCAP",
        modalities: &["audio", "image", "text"],
        n_classes: data.classes().len(),
        options,
        place: &place,
        recipe: Recipe::AUTHORS,
        paper: Paper {
            modalities: &[46.29, 37.63, 73.22],
            fused: 78.92,
        },
    };
    if options.features == Features::Cached {
        let parts = args.cached(&models, &place, &data)?;
        let width = models.m3ae.d_model;
        let layer = move |device: &Device| MlpEncoderConfig::new(width, width).init(device);
        return session.run(parts, |device| {
            let layers = [layer(device)?, layer(device)?, layer(device)?];
            Ok(layers.map(Into::into).to_vec())
        });
    }
    let front_ends = vec![
        PaperFrontEnd::new(models.sound.clone()),
        PaperFrontEnd::new(models.image.clone()),
        PaperFrontEnd::new(models.text.clone()),
    ];
    let parts = Parts::files(&data, front_ends, options.workers)?;
    session.run(parts, |device| {
        let (audio, image, text) = args.networks(&models, device)?;
        Ok(vec![audio.into(), image.into(), text.into()])
    })
}

impl Arguments {
    fn set(&self, place: &Place) -> Result<Iemocap> {
        let classes = match self.classes {
            Classes::Four => IemocapClasses::Four,
            Classes::Six => IemocapClasses::Six,
        };
        let set = Iemocap::new()
            .with_prepared(&place.prepared)
            .with_classes(classes)
            .with_fold(IemocapFold::session(self.session))
            .with_incomplete(Incomplete::LeaveOut);
        let (train, test) = match &self.lists[..] {
            [train, test] => (train.clone(), test.clone()),
            _ if !self.options.paper_mode => return Ok(set),
            _ if place.is_miniature => {
                let list = |part| place.root.join(format!("my_{part}_iemo.txt"));
                (list("train"), list("test"))
            }
            _ => return Err("--paper-mode needs the authors' --lists TRAIN TEST".into()),
        };
        let lists = SplitSource::Lists {
            train,
            valid: None,
            test,
        };
        Ok(set.with_splits(lists).with_unlisted_valid(true))
    }

    fn models(&self, place: &Place, data: &Manifest) -> Result<Models> {
        let default = if place.is_miniature {
            Size::Tiny
        } else {
            Size::Base
        };
        let size = self.size.unwrap_or(default);
        let (cav_mae, m3ae) = match size {
            Size::Base => (CavMaeConfig::base(), M3aeConfig::base()),
            Size::Small => {
                let cav_mae = CavMaeConfig::new().with_d_model(192).with_n_heads(3);
                let m3ae = M3aeConfig::new().with_d_model(192).with_n_heads(3);
                (cav_mae.with_specific_depth(7), m3ae.with_depth(8))
            }
            Size::Tiny => {
                let cav_mae = CavMaeConfig::new().with_d_model(32).with_n_heads(2);
                let cav_mae = cav_mae.with_specific_depth(0).with_image_size(32);
                let m3ae = M3aeConfig::new().with_d_model(32).with_n_heads(2);
                (
                    cav_mae.with_audio_length(96),
                    m3ae.with_depth(1).with_text_length(32),
                )
            }
        };
        let sound = if self.options.paper_mode {
            AudioFrontEndConfig::mla_fbank()
        } else {
            AudioFrontEndConfig::mla_cav_mae()
        };
        let text = TokenizerConfig::new(m3ae.text_length)
            .with_special_tokens(false)
            .with_padding(Padding::Fixed);
        let vocabulary = match &self.vocabulary {
            Some(file) => file.clone(),
            None if place.is_miniature => vocabulary_of(data, place)?,
            None => return Err("the texts need --vocabulary: that of bert-base-uncased".into()),
        };
        let text = text.word_piece(vocabulary)?;
        Ok(Models {
            sound: sound.with_n_frames(Some(cav_mae.audio_length)).init()?,
            image: images(cav_mae.image_size),
            m3ae: m3ae.with_vocabulary(text.n_ids()),
            text,
            cav_mae,
        })
    }

    fn networks(&self, models: &Models, device: &Device) -> Result<Networks> {
        let mut audio = models.cav_mae.init_audio(device)?;
        let mut image = models.cav_mae.init_visual(device)?;
        let mut text = models.m3ae.init_text(device)?;
        if let Some(file) = &self.cav_mae {
            audio = audio.authors_weight_file(file).load(audio)?;
            image = image.authors_weight_file(file).load(image)?;
        }
        if let Some(file) = &self.m3ae {
            text = text.load_pretrained(file)?;
        }
        Ok((audio, image, text))
    }

    /// Features of frozen encoders.
    fn cached(&self, models: &Models, place: &Place, data: &Manifest) -> Result<Parts> {
        let has_weights = self.cav_mae.is_some() && self.m3ae.is_some();
        if !has_weights && !place.is_miniature {
            let problem =
                "--features cached needs --cav-mae and --m3ae: random features are of no use";
            return Err(problem.into());
        }
        let device = self.options.device()?;
        device.seed(0);
        let (audio, image, text) = self.networks(models, &device)?;
        let config = format!("{:?} {:?}", models.cav_mae, models.m3ae);
        let folder = |name| place.out.join("features").join(name);
        let (heard, seen, read) = (folder("audio"), folder("image"), folder("text"));
        let (sound, picture) = (models.sound.clone(), models.image.clone());
        let words = models.text.clone();
        let (audio, image, text) = (Frozen::new(audio), Frozen::new(image), Frozen::new(text));
        let features = vec![
            cached(data, "audio", sound, &audio, &config, &heard, &device)?,
            cached(data, "image", picture, &image, &config, &seen, &device)?,
            cached(data, "text", words, &text, &config, &read, &device)?,
        ];
        Parts::features(data, features)
    }
}

/// A random crop and flip in training, the middle at test time.
fn images(side: usize) -> TrainAndTest<ImageFrontEnd> {
    let filter = Filter::Bicubic;
    let (scale, ratio) = ((0.5, 1.0), (3.0 / 4.0, 4.0 / 3.0));
    let crop = ImageStep::RandomResizedCrop {
        side,
        scale,
        ratio,
        filter,
    };
    let flip = ImageStep::RandomFlip { probability: 0.5 };
    let resize = ImageStep::ResizeShorter { side, filter };
    let middle = ImageStep::CenterCrop { side };
    let steps = |steps| ImageFrontEnd::new(steps, ImageNormalization::IMAGENET);
    TrainAndTest {
        train: steps(vec![crop, flip]),
        test: steps(vec![resize, middle]),
    }
}

/// The words of a miniature as a vocabulary.
fn vocabulary_of(data: &Manifest, place: &Place) -> Result<PathBuf> {
    let texts = (0..data.len()).filter_map(|sample| data.text(sample, "text"));
    let lower = texts.map(str::to_lowercase).collect::<Vec<_>>().join(" ");
    let words: BTreeSet<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
    let words = words.into_iter().filter(|word| !word.is_empty());
    let lines: Vec<&str> = special.into_iter().chain(words).collect();
    let path = place.root.join("vocab.txt");
    std::fs::write(&path, lines.join("\n"))?;
    Ok(path)
}
