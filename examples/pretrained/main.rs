//! MLA with pretrained encoders: `cargo run --release -p burn-mla-pretrained -- --weights DIR`.
//!
//! Trains on images and names of emoji, once with hashed words and once with the features of MiniLM
//! for the names. Images go through ResNet-18. The epoch is chosen on the validation split and the test
//! split is scored once. Prints the test accuracies, mean and standard deviation over the seeds, and
//! writes `report.json`. Expect the names to gain most, and the fused prediction with them. Ctrl-C
//! stops with a checkpoint, and the same command resumes. Without `--weights` the program prints where
//! to get them.

mod args;
mod images;
mod report;
mod texts;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use args::{Args, Features};
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use burn::module::ParamGroup;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn::train::Interrupter;
use burn_mla::dataset::TakeRows;
use burn_mla::encoder::Frozen;
use burn_mla::evaluation::Evaluation;
use burn_mla::fit::Ending;
use burn_mla::loader::{MappedLoader, TrainingData};
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::ImageBatch;
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{
    Batches, Emoji, EmojiBatch, EmojiInput, EncoderSizes, Modality,
};
use burn_mla_encoders::Projected;
use burn_mla_encoders::blocks::block_groups;
use clap::Parser;
use report::{Accuracies, Report, Scores};
use signal_hook::{consts::SIGINT, iterator::Signals};

// A CPU backend allocates every result; with the allocator of glibc a step takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Width of the features of both encoders.
const D_FEATURE: usize = 128;
const DROPOUT: f64 = 0.1;
const LEARNING_RATE: f64 = 2e-3;
/// Learning rate of the last layer of a text encoder that trains, and its decay per layer below.
const TEXT_LEARNING_RATE: f64 = 1e-4;
const TEXT_DECAY: f64 = 0.8;

const NAMES: [&str; 2] = ["image", "text"];

type Inputs<T> = (Option<ModalityInput<ImageBatch>>, Option<ModalityInput<T>>);
type Loader<T> = Arc<dyn DataLoader<MultimodalBatch<Inputs<T>>>>;

/// The settings that all trainings share.
struct Run<'a> {
    args: &'a Args,
    device: Device,
    emoji: Arc<Emoji>,
    interrupter: Interrupter,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let weights = args.training.weights()?;
    std::fs::create_dir_all(&args.out)?;
    let mut report = Report::open(&args.out, &args.training)?;
    let sizes = EncoderSizes::default();
    let run = Run {
        args,
        device: args.device()?,
        emoji: Emoji::load(sizes.d_text)?,
        interrupter: Interrupter::new(),
    };
    let (emoji, host) = (&*run.emoji, Device::flex());

    // First what may be refused. A Ctrl-C ends the computation of features, which resumes as well.
    let hashed = texts::hashed(emoji, &host)?;
    let tokens = texts::tokens(emoji, weights, &host)?;
    let features = match args.features {
        Features::Cached => Some(texts::cached(
            emoji,
            weights,
            &args.out.join("features"),
            &host,
        )?),
        Features::Trained => None,
    };
    stop_on_ctrl_c(run.interrupter.clone())?;

    let hashed = run.seeds("hashed", &hashed, none, &mut report, |device| {
        let encoder = MlpEncoderConfig::new(sizes.d_text, D_FEATURE)
            .with_hidden(vec![sizes.text_hidden])
            .with_dropout(DROPOUT)
            .with_input_dropout(sizes.text_input_dropout);
        Ok(encoder.init(device)?)
    })?;
    let hidden = vec![sizes.text_hidden];
    let (name, pretrained) = if let Some(features) = &features {
        let name = "MiniLM, cached";
        let scores = run.seeds(name, features, none, &mut report, |device| {
            let encoder = Frozen::new(texts::encoder(weights, device)?);
            Ok(Projected::init(
                encoder,
                D_FEATURE,
                hidden.clone(),
                DROPOUT,
                device,
            )?)
        })?;
        (name, scores)
    } else {
        let name = "MiniLM, trained";
        let groups = |encoder: &Projected<_>| block_groups(encoder, 1);
        let scores = run.seeds(name, &tokens, groups, &mut report, |device| {
            let encoder = texts::encoder(weights, device)?;
            Ok(Projected::init(
                encoder,
                D_FEATURE,
                hidden.clone(),
                DROPOUT,
                device,
            )?)
        })?;
        (name, scores)
    };
    report::print(&[("hashed words", hashed), (name, pretrained)]);
    println!("\nsee {}", args.out.join("report.json").display());
    Ok(())
}

/// Stops the training at the end of its step; a second Ctrl-C ends the program.
fn stop_on_ctrl_c(interrupter: Interrupter) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT])?;
    std::thread::spawn(move || {
        signals.forever().next();
        eprintln!("stopping after this step; press Ctrl-C again to stop at once");
        interrupter.stop(Some("Ctrl-C"));
        signals.forever().next();
        std::process::exit(130);
    });
    Ok(())
}

/// The blocks of an encoder whose weights are not pretrained, or do not train.
fn none<E>(_: &E) -> Vec<ParamGroup> {
    vec![]
}

impl Run<'_> {
    /// Trains and scores a model for each seed that the report lacks. `groups` are the blocks of a
    /// pretrained text encoder.
    fn seeds<E>(
        &self,
        name: &str,
        texts: &E::Input,
        groups: impl Fn(&E) -> Vec<ParamGroup>,
        report: &mut Report,
        init: impl Fn(&Device) -> Result<E, Box<dyn Error>>,
    ) -> Result<Vec<Scores>, Box<dyn Error>>
    where
        E: Encoder + 'static,
        E::Input: TakeRows,
    {
        let mut all = vec![];
        for seed in 0..u64::from(self.args.seeds) {
            let label = format!("{name}, seed {seed}");
            if let Some(scores) = report.get(&label) {
                println!("{label}: finished before");
                all.push(scores.clone());
                continue;
            }
            self.device.seed(seed);
            let device = self.device.clone().autodiff();
            // The images first, so that each seed starts with the same ResNet for all texts.
            let image = images::encoder(self.args.training.image_weights.as_deref(), &device)?;
            let image = Projected::init(image, D_FEATURE, vec![], DROPOUT, &device)?;
            let text = init(&device)?;
            let blocks = groups(&text);
            let head = LinearHeadConfig::new(D_FEATURE, self.emoji.classes.len()).init(&device)?;
            let model = MlaConfig::new().with_label_smoothing(Some(0.1));
            let model = model.init_paper((image, text), head)?;

            let file = label.replace(", ", "-").replace(' ', "-");
            let directory = self.args.out.join("checkpoints").join(&file);
            let config = FitConfig::new(self.args.training.epochs as usize)
                .with_directory(&directory)
                .with_table(self.args.out.join(format!("metrics-{file}.csv")))
                .with_optimizer(AdamWConfig::new().with_weight_decay(0.05).init())
                .with_schedule(move |turns| schedule(turns.total, &blocks))
                .with_seed(seed)
                .with_names(NAMES)
                .with_label(&label)
                .with_configuration(&self.args.training)?
                .with_interrupter(self.interrupter.clone());
            let scores = self.train(model, texts, seed, &config, &device)?;
            report.add(label, scores.clone())?;
            // The checkpoints of a model that is scored are not needed; one has 130 MB.
            std::fs::remove_dir_all(&directory)?;
            all.push(scores);
        }
        Ok(all)
    }

    /// Trains a model, or resumes its last checkpoint, and scores it.
    fn train<T: TakeRows, M: MultimodalMethod<Inputs = Inputs<T>>>(
        &self,
        model: M,
        texts: &T,
        seed: u64,
        config: &FitConfig,
        device: &Device,
    ) -> Result<Scores, Box<dyn Error>> {
        let start = Instant::now();
        let loader = self.batches();
        let loader = loader.shuffled(self.emoji.indices(Split::Train), seed, device)?;
        let n_batches = loader.n_batches();
        let loader = MappedLoader::new(Arc::new(loader), self.with_texts(texts));
        let train = TrainingData::new(Arc::new(loader), n_batches);
        let valid = self.in_order(Split::Valid, texts)?;
        let fitted = fit(model, train, valid.clone(), config)?;
        if let Ending::Interrupted(_) = fitted.ending {
            println!("stopped; the same command resumes");
            std::process::exit(130);
        }
        let test = self.in_order(Split::Test, texts)?;
        Ok(Scores {
            epoch: fitted.epoch,
            valid: accuracies(evaluate(&fitted.model, &*valid)?),
            test: accuracies(evaluate(&fitted.model, &*test)?),
            wall_s: start.elapsed().as_secs_f64(),
        })
    }

    fn in_order<T: TakeRows>(&self, split: Split, texts: &T) -> Result<Loader<T>> {
        let loader = self.batches();
        let loader = loader.in_order(self.emoji.indices(split), &self.device)?;
        Ok(Arc::new(MappedLoader::new(loader, self.with_texts(texts))))
    }

    /// Batches of images.
    fn batches(&self) -> Batches<'_> {
        Batches {
            emoji: &self.emoji,
            modalities: &[Modality::Fluent],
            batch_size: 64,
            presence: None,
        }
    }

    /// Prepares the images of a batch, and adds the texts of its samples.
    fn with_texts<T: TakeRows>(
        &self,
        texts: &T,
    ) -> impl Fn(EmojiBatch) -> Result<MultimodalBatch<Inputs<T>>> + Send + Sync + 'static {
        let (texts, size) = (texts.clone(), self.args.training.image_size);
        move |batch| {
            let samples = batch.samples.unwrap_or_default();
            let mut inputs = batch.inputs.into_iter().flatten();
            let Some(EmojiInput::Image(images)) = inputs.next().map(|images| images.input) else {
                return Err(MlaError::NoModalities { what: "the batch" });
            };
            let texts = texts.take_rows(&samples, &images.device())?;
            let inputs = (images::prepare(images, size), texts);
            Ok(MultimodalBatch::paired(inputs, batch.targets).with_samples(samples))
        }
    }
}

fn accuracies(found: Evaluation) -> Accuracies {
    let branches = found.modalities.into_iter().chain([found.fused]);
    let names = NAMES.into_iter().chain(["fused"]).map(String::from);
    names
        .zip(branches.map(|branch| branch.accuracy()))
        .collect()
}

/// A cosine schedule. The blocks of a pretrained encoder learn more slowly, the lower the slower.
fn schedule(n_turns: usize, blocks: &[ParamGroup]) -> Result<ModuleLrScheduler, String> {
    let cosine = |rate| CosineAnnealingLrSchedulerConfig::new(rate, n_turns);
    let mut scheduler = ModuleLrSchedulerConfig::new(cosine(LEARNING_RATE).into());
    let mut rate = TEXT_LEARNING_RATE;
    for block in blocks.iter().rev() {
        scheduler = scheduler.with_group(block.clone(), cosine(rate));
        rate *= TEXT_DECAY;
    }
    scheduler.init()
}
