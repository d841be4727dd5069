//! MLA with pretrained encoders: `cargo run --release -p burn-mla-pretrained -- --weights DIR`.
//!
//! Trains on images and names of emoji, once with hashed words and once with the features of MiniLM
//! for the names. Images go through ResNet-18. Prints the test accuracies, mean over the seeds, and
//! writes `report.json`. Expect the names to gain most, and the fused prediction with them. Without
//! `--weights` the program tells where to get them.

mod args;
mod texts;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use args::{Args, Features, NO_WEIGHTS};
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use burn::module::ParamGroup;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn_mla::dataset::TakeRows;
use burn_mla::encoder::Frozen;
use burn_mla::loader::{MappedLoader, TrainingData};
use burn_mla::modality::ImageBatch;
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{
    Batches, Emoji, EmojiBatch, EmojiInput, EncoderSizes, Modality,
};
use burn_mla_encoders::Projected;
use burn_mla_encoders::bert::Bert;
use burn_mla_encoders::blocks::block_groups;
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder};
use burn_mla_encoders::weights::WeightFile;
use clap::Parser;
use serde_json::json;

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

type Images = Projected<ResNetEncoder<ImageBatch>>;
type Inputs<T> = (Option<ModalityInput<ImageBatch>>, Option<ModalityInput<T>>);
/// Test accuracy by modality and of the fused prediction.
type Accuracies = BTreeMap<&'static str, f64>;

/// The settings that all trainings share.
struct Run<'a> {
    args: &'a Args,
    device: Device,
    emoji: Arc<Emoji>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (args, start) = (Args::parse(), Instant::now());
    let Some(weights) = args.weights.as_deref() else {
        eprintln!("{NO_WEIGHTS}");
        std::process::exit(2);
    };
    std::fs::create_dir_all(&args.out)?;
    let sizes = EncoderSizes::default();
    let run = Run {
        args: &args,
        device: args.device()?,
        emoji: Emoji::load(sizes.d_text)?,
    };
    let (emoji, host) = (&*run.emoji, Device::flex());

    let hashed = texts::hashed(emoji, &host)?;
    let hashed = run.seeds("hashed texts", &hashed, none, |device| {
        let encoder = MlpEncoderConfig::new(sizes.d_text, D_FEATURE)
            .with_hidden(vec![sizes.text_hidden])
            .with_dropout(DROPOUT)
            .with_input_dropout(sizes.text_input_dropout);
        Ok(encoder.init(device)?)
    })?;
    let pretrained = if args.features == Features::Cached {
        let features = texts::cached(emoji, weights, &args.out.join("features"), &host)?;
        run.seeds("MiniLM, cached", &features, none, |device| {
            let encoder = Frozen::new(texts::encoder(weights, device)?);
            let hidden = vec![sizes.text_hidden];
            Ok(Projected::init(
                encoder, D_FEATURE, hidden, DROPOUT, device,
            )?)
        })?
    } else {
        let tokens = texts::tokens(emoji, weights, &host)?;
        let groups = |encoder: &Projected<Bert>| block_groups(encoder, 1);
        run.seeds("MiniLM, trained", &tokens, groups, |device| {
            let encoder = texts::encoder(weights, device)?;
            let hidden = vec![sizes.text_hidden];
            Ok(Projected::init(
                encoder, D_FEATURE, hidden, DROPOUT, device,
            )?)
        })?
    };

    println!("\ntest accuracy, %, mean of {} seed(s)", args.seeds);
    let rows = [("hashed texts", hashed), ("MiniLM", pretrained)];
    for (name, seeds) in &rows {
        print!("{name:<14}");
        for branch in ["image", "text", "fused"] {
            let sum: f64 = seeds.iter().map(|accuracies| accuracies[branch]).sum();
            print!("  {branch} {:5.1}", 100.0 * sum / seeds.len() as f64);
        }
        println!();
    }
    let wall_s = start.elapsed().as_secs_f64();
    let report = json!({
        "features": format!("{:?}", args.features).to_lowercase(),
        "epochs": args.epochs,
        "wall_s": wall_s,
        "methods": rows.map(|(name, per_seed)| json!({ "name": name, "per_seed": per_seed })),
    });
    let path = args.out.join("report.json");
    std::fs::write(&path, serde_json::to_string_pretty(&report)?)?;
    println!("\n{wall_s:.0} s; see {}", path.display());
    Ok(())
}

/// The blocks of an encoder whose weights are not pretrained, or do not train.
fn none<E>(_: &E) -> Vec<ParamGroup> {
    vec![]
}

impl Run<'_> {
    /// Trains and tests a model for each seed. `groups` are the blocks of a pretrained text encoder.
    fn seeds<E>(
        &self,
        name: &str,
        texts: &E::Input,
        groups: impl Fn(&E) -> Vec<ParamGroup>,
        init: impl Fn(&Device) -> Result<E, Box<dyn Error>>,
    ) -> Result<Vec<Accuracies>, Box<dyn Error>>
    where
        E: Encoder + 'static,
        E::Input: TakeRows,
    {
        let seeds = 0..u64::from(self.args.seeds);
        let one = |seed: u64| -> Result<Accuracies, Box<dyn Error>> {
            self.device.seed(seed);
            let device = self.device.clone().autodiff();
            let text = init(&device)?;
            let blocks = groups(&text);
            let head = LinearHeadConfig::new(D_FEATURE, self.emoji.classes.len()).init(&device)?;
            let config = MlaConfig::new().with_label_smoothing(Some(0.1));
            let model = config.init_default((self.images(&device)?, text), head)?;

            let label = format!("{name}, seed {seed}");
            let config = FitConfig::new(self.args.epochs as usize)
                .with_optimizer(AdamWConfig::new().with_weight_decay(0.05).init())
                .with_schedule(move |turns| schedule(turns.total, &blocks))
                .with_best(false)
                .with_seed(seed)
                .with_names(["image", "text"])
                .with_label(label);
            let train = self.train(texts, seed, &device)?;
            let model = fit(model, train, self.in_order(Split::Valid, texts)?, &config)?.model;
            let found = evaluate(&model, &*self.in_order(Split::Test, texts)?)?;
            let branches = found.modalities.into_iter().chain([found.fused]);
            let accuracies = branches.map(|branch| branch.accuracy());
            Ok(["image", "text", "fused"]
                .into_iter()
                .zip(accuracies)
                .collect())
        };
        seeds.map(one).collect()
    }

    /// ResNet-18 for the images.
    fn images(&self, device: &Device) -> Result<Images, Box<dyn Error>> {
        let encoder = ResNetConfig::resnet18().init(device)?;
        let encoder = match &self.args.image_weights {
            Some(path) => WeightFile::new(path).with_ignored("fc").load(encoder)?,
            None => encoder,
        };
        Ok(Projected::init(
            encoder,
            D_FEATURE,
            vec![],
            DROPOUT,
            device,
        )?)
    }

    fn train<T: TakeRows>(
        &self,
        texts: &T,
        seed: u64,
        device: &Device,
    ) -> Result<TrainingData<Inputs<T>>> {
        let indices = self.emoji.indices(Split::Train);
        let loader = self.batches().shuffled(indices, seed, device)?;
        let n_batches = loader.n_batches();
        let loader = MappedLoader::new(Arc::new(loader), with_texts(texts.clone()));
        Ok(TrainingData::new(Arc::new(loader), n_batches))
    }

    fn in_order<T: TakeRows>(
        &self,
        split: Split,
        texts: &T,
    ) -> Result<Arc<dyn DataLoader<MultimodalBatch<Inputs<T>>>>> {
        let indices = self.emoji.indices(split);
        let loader = self.batches().in_order(indices, &self.device)?;
        Ok(Arc::new(MappedLoader::new(
            loader,
            with_texts(texts.clone()),
        )))
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
}

/// Adds the texts of the samples to a batch of images.
fn with_texts<T: TakeRows>(
    texts: T,
) -> impl Fn(EmojiBatch) -> Result<MultimodalBatch<Inputs<T>>> + Send + Sync {
    move |batch| {
        let samples = batch.samples.unwrap_or_default();
        let mut inputs = batch.inputs.into_iter().flatten();
        let Some(EmojiInput::Image(images)) = inputs.next().map(|images| images.input) else {
            return Err(MlaError::NoModalities { what: "the batch" });
        };
        let texts = texts.take_rows(&samples, &images.device())?;
        let inputs = (ImageBatch(images), texts);
        Ok(MultimodalBatch::paired(inputs, batch.targets).with_samples(samples))
    }
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
