//! MLA on a small real data set of images and texts, against joint training.
//!
//! ```sh
//! cargo run --release --example emoji
//! ```
//!
//! Trains the same encoders with the same budget by alternating unimodal adaptation and jointly on
//! concatenated features, on the training split. Fits the temperatures of MLA's fusion on the
//! validation split and scores the test split once. Prints a table, and writes `report.json`, the
//! metrics of each epoch and the MLA model to `target/emoji`. Expect joint training to leave one
//! modality far behind, and MLA not to. Ctrl-C stops with a checkpoint; `--resume` continues.

mod args;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use args::Args;
use burn::data::dataloader::DataLoader;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn::train::{Interrupter, Learner, SupervisedTraining};
use burn_mla::baseline::{Concat, ConcatConfig, Joint, JointConfig};
use burn_mla::checkpoint::{CheckpointStore, ResumableTraining};
use burn_mla::evaluation::{Confusion, evaluate, fit_temperatures};
use burn_mla::logger::{PlainRenderer, TableLogger};
use burn_mla::method::MultimodalMethod;
use burn_mla::metric::ModalityMetrics;
use burn_mla::modality::{MissingRate, Presence};
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{
    Batches, Emoji, EmojiBatch, EmojiEncoder, EmojiInputs, EncoderSizes, Modality,
};
use serde_json::json;
use signal_hook::consts::SIGINT;

// Tensors on a CPU are allocated anew for each result; with glibc a step takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type EmojiMla = Mla<Vec<EmojiEncoder>, LinearHead, RlsProjector, EntropyFusion>;
type EmojiJoint = Joint<Vec<EmojiEncoder>, Concat>;
type Scores = BTreeMap<&'static str, Confusion>;

const BATCH_SIZE: usize = 64;
const LABEL_SMOOTHING: f64 = 0.1;

fn sizes() -> EncoderSizes {
    EncoderSizes {
        d_feature: 128,
        d_text: 4096,
        text_hidden: 256,
        stages: vec![24, 48, 96],
        dropout: 0.1,
        text_input_dropout: 0.5,
    }
}

fn encoders(modalities: &[Modality], device: &Device) -> Result<Vec<EmojiEncoder>> {
    let encoder = |&modality| EmojiEncoder::init(modality, &sizes(), device);
    modalities.iter().map(encoder).collect()
}

/// The paper's model: linear head, Eq. 5, fusion by entropy.
fn mla(modalities: &[Modality], n_classes: usize, device: &Device) -> Result<EmojiMla> {
    let head = LinearHeadConfig::new(sizes().d_feature, n_classes).init(device)?;
    let projector = RlsProjectorConfig::new().init()?;
    let fusion = EntropyFusionConfig::new(modalities.len()).init(device)?;
    MlaConfig::new()
        .with_label_smoothing(Some(LABEL_SMOOTHING))
        .init(encoders(modalities, device)?, head, projector, fusion)
}

fn joint(modalities: &[Modality], n_classes: usize, device: &Device) -> Result<EmojiJoint> {
    let widths = vec![sizes().d_feature; modalities.len()];
    let encoders = encoders(modalities, device)?;
    let head = ConcatConfig::new(widths, n_classes).init(device)?;
    JointConfig::new()
        .with_label_smoothing(Some(LABEL_SMOOTHING))
        .init(encoders, head)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::load()?;
    let emoji = Emoji::load(sizes().d_text)?;
    let start = Instant::now();
    let interrupter = Interrupter::new();
    stop_on_ctrl_c(interrupter.clone())?;
    let (mut mla_scores, mut joint_scores) = (vec![], vec![]);
    for seed in 0..u64::from(args.seeds) {
        let run = Run {
            args: &args,
            emoji: &emoji,
            seed,
            interrupter: &interrupter,
        };
        let n_classes = emoji.classes.len();
        let model = run.train("MLA", |device| mla(&args.modalities, n_classes, device))?;
        let temperatures = fit_temperatures(&model, &*run.loader(Split::Valid)?)?;
        let fusion = model.fusion.clone().with_calibration(&temperatures)?;
        let model = model.with_fusion(fusion)?;
        mla_scores.push(run.test(&model)?);
        model.save_safetensors(args.out.join("model.safetensors"))?;

        let model = run.train("joint", |device| joint(&args.modalities, n_classes, device))?;
        joint_scores.push(run.test(&model)?);
    }

    let methods = [("MLA", mla_scores), ("Joint concatenation", joint_scores)];
    println!("\ntest accuracy, %, mean of {} seed(s)", args.seeds);
    for (name, seeds) in &methods {
        let columns = seeds[0].keys().map(|column| {
            let accuracies = seeds.iter().map(|scores| scores[column].accuracy());
            let mean = accuracies.sum::<f64>() / f64::from(args.seeds);
            format!("{column} {:5.1}", 100.0 * mean)
        });
        println!("{name:<20}  {}", columns.collect::<Vec<_>>().join("  "));
    }
    let report = json!({
        "dataset": "emoji",
        "device": args.device,
        "seeds": (0..args.seeds).collect::<Vec<_>>(),
        "epochs": args.epochs(),
        "missing_rate": args.missing.unwrap_or(0.0),
        "wall_s": start.elapsed().as_secs_f64(),
        "methods": methods.map(|(name, seeds)| json!({
            "name": name,
            "per_seed": seeds.iter().map(scores_json).collect::<Vec<_>>(),
        })),
    });
    let path = args.out.join("report.json");
    std::fs::write(&path, serde_json::to_string_pretty(&report)?)?;
    println!(
        "\n{:.0} s; see {}",
        start.elapsed().as_secs_f64(),
        path.display()
    );
    Ok(())
}

fn scores_json(scores: &Scores) -> serde_json::Value {
    let score = |confusion: &Confusion| json!({ "accuracy": confusion.accuracy(), "macro_f1": confusion.macro_f1() });
    scores
        .iter()
        .map(|(name, confusion)| (name.to_string(), score(confusion)))
        .collect()
}

/// Stops the training under way at the end of its step; a second Ctrl-C ends the program.
fn stop_on_ctrl_c(interrupter: Interrupter) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT])?;
    std::thread::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 {
                std::process::exit(130);
            }
            eprintln!("stopping after this step; press Ctrl-C again to stop at once");
            interrupter.stop(Some("Ctrl-C"));
        }
    });
    Ok(())
}

/// One seed.
struct Run<'a> {
    args: &'a Args,
    emoji: &'a Arc<Emoji>,
    seed: u64,
    interrupter: &'a Interrupter,
}

impl Run<'_> {
    fn batches(&self) -> Result<Batches<'_>> {
        let (n, n_modalities) = (self.emoji.len(), self.args.modalities.len());
        // The same masks for every method and seed.
        let masks = |rate| -> Result<Presence> {
            MissingRate::new(rate, 0)?.presence("emoji", n, n_modalities)
        };
        Ok(Batches {
            emoji: self.emoji,
            modalities: &self.args.modalities,
            batch_size: BATCH_SIZE,
            presence: self.args.missing.map(masks).transpose()?,
        })
    }

    fn loader(&self, split: Split) -> Result<Arc<dyn DataLoader<EmojiBatch>>> {
        let device = self.args.device.device();
        self.batches()?.in_order(self.emoji.indices(split), &device)
    }

    fn names(&self) -> Vec<&'static str> {
        self.args
            .modalities
            .iter()
            .map(|modality| modality.name())
            .collect()
    }

    /// Trains a method on the training split, or resumes its last checkpoint.
    fn train<M: MultimodalMethod<Inputs = EmojiInputs>>(
        &self,
        method: &str,
        init: impl Fn(&Device) -> Result<M>,
    ) -> Result<M, Box<dyn Error>> {
        let device = self.args.device.device();
        device.seed(self.seed);
        let device = device.autodiff();
        let model = init(&device)?;
        let indices = self.emoji.indices(Split::Train);
        let n_batches = indices.len().div_ceil(BATCH_SIZE);
        let batches = self.batches()?.shuffled(indices, self.seed, &device)?;
        let passes = vec![batches.passes()];
        let n_items = batches.num_items();
        let train = model.training_loader(Arc::new(batches), passes)?;
        // An alternating epoch contains each batch once per modality.
        let n_steps = self.args.epochs() * n_batches * train.loader.num_items() / n_items;
        let schedule = CosineAnnealingLrSchedulerConfig::new(4e-3, n_steps).init()?;
        let optimizer = AdamWConfig::new().with_weight_decay(0.05).init();

        let name = format!("seed-{}-{}", self.seed, method.to_lowercase());
        let store = CheckpointStore::open(self.args.out.join("checkpoints").join(&name))?;
        let start = store.latest()?;
        let mut resumable = ResumableTraining::new(&device, store, train.handle)
            .with_seed(self.seed)
            .with_configuration(&self.args.missing)?
            .resume(start);
        if let Some(every) = self.args.checkpoint_every {
            resumable = resumable.with_every(every)?;
        }
        let names = self.names();
        let shown = names
            .iter()
            .copied()
            .chain(["fused"])
            .map(|name| format!("Accuracy {name}"));
        let renderer =
            PlainRenderer::default().with_label(&format!("{method:<5} seed {}", self.seed));
        let table = TableLogger::csv(self.args.out.join(format!("metrics-{name}.csv")))?;
        let training =
            SupervisedTraining::new(&self.args.out, train.loader, self.loader(Split::Valid)?)
                .with_application_logger(None)
                .with_metric_logger(table)
                .with_interrupter(self.interrupter.clone())
                .renderer(Box::new(renderer.with_metrics(shown)))
                .modality_metrics(&names)
                .num_epochs(self.args.epochs());
        let learner = Learner::new(model, optimizer, schedule);
        let (result, _history) = resumable.launch(training, learner)?;
        if let Some(error) = result.error {
            return Err(error.to_string().into());
        }
        if result.interrupted.is_some() {
            let out = self.args.out.display();
            println!("stopped; continue with");
            println!("  cargo run --release --example emoji -- --resume {out}");
            std::process::exit(130);
        }
        Ok(result.model)
    }

    fn test<M: MultimodalMethod<Inputs = EmojiInputs>>(
        &self,
        model: &M,
    ) -> Result<Scores, Box<dyn Error>> {
        let found = evaluate(model, &*self.loader(Split::Test)?)?;
        let names = self.names().into_iter().chain(["fused"]);
        Ok(names
            .zip(found.modalities.into_iter().chain([found.fused]))
            .collect())
    }
}
