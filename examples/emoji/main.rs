//! MLA on real images and texts, against joint training: `cargo run --release --example emoji`.
//!
//! Trains the same encoders with the same budget by alternating unimodal adaptation and jointly on
//! concatenated features. Fits temperatures on the validation split and scores the test split once. Prints a table, and writes `report.json`, the metrics of each epoch and the
//! MLA model. Expect joint training to leave one modality far behind. Ctrl-C stops with a checkpoint.

mod args;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use args::Args;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::AdamWConfig;
use burn::tensor::Device;
use burn::train::Interrupter;
use burn_mla::baseline::{Concat, ConcatConfig, Joint, JointConfig};
use burn_mla::dataset::Divide;
use burn_mla::evaluation::Confusion;
use burn_mla::fit::{Ending, fit_over};
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::MissingRate;
use burn_mla::prelude::*;
use burn_mla_data::dataset::Split;
use burn_mla_data::dataset::emoji::{
    Batches, Emoji, EmojiBatch, EmojiEncoder, EmojiInputs, EncoderSizes, Modality,
};
use serde_json::json;
use signal_hook::{consts::SIGINT, iterator::Signals};

// A CPU backend allocates every result; with the allocator of glibc a step takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type EmojiMla = PaperMla<Vec<EmojiEncoder>, LinearHead>;
type EmojiJoint = Joint<Vec<EmojiEncoder>, Concat>;

/// Scores by modality, and of the fused prediction, by their names.
type Scores = BTreeMap<&'static str, BTreeMap<&'static str, f64>>;

/// The paper's model with a linear head. Its fusion is calibrated after the training.
fn mla(modalities: &[Modality], n_classes: usize, device: &Device) -> Result<EmojiMla> {
    let sizes = EncoderSizes::default();
    let encoders = EmojiEncoder::init_all(modalities, &sizes, device)?;
    let head = LinearHeadConfig::new(sizes.d_feature, n_classes).init(device)?;
    let config = MlaConfig::new().with_label_smoothing(Some(0.1));
    config.init_paper(encoders, head)
}

fn joint(modalities: &[Modality], n_classes: usize, device: &Device) -> Result<EmojiJoint> {
    let sizes = EncoderSizes::default();
    let encoders = EmojiEncoder::init_all(modalities, &sizes, device)?;
    let widths = vec![sizes.d_feature; modalities.len()];
    let head = ConcatConfig::new(widths, n_classes).init(device)?;
    let config = JointConfig::new().with_label_smoothing(Some(0.1));
    config.init(encoders, head)
}

/// The settings that all trainings share.
struct Run<'a> {
    args: &'a Args,
    /// The device of the model, and others that share its batches.
    device: Device,
    others: Vec<Device>,
    batches: Batches<'a>,
    /// Names of the modalities, and `fused`.
    names: Vec<&'static str>,
    interrupter: Interrupter,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (args, start) = (Args::load()?, Instant::now());
    let modalities = &args.modalities;
    let emoji = Emoji::load(EncoderSizes::default().d_text)?;
    let names = modalities.iter().map(|modality| modality.name());
    // The same modality masks for every method and seed.
    let masks = |rate| MissingRate::new(rate, 0)?.presence("emoji", emoji.len(), modalities.len());
    let mut devices = args.devices()?.into_iter();
    let run = Run {
        args: &args,
        device: devices.next().ok_or("no device")?,
        others: devices.collect(),
        batches: Batches {
            emoji: &emoji,
            modalities,
            batch_size: 64,
            presence: args.missing.map(masks).transpose()?,
        },
        names: names.chain(["fused"]).collect(),
        interrupter: Interrupter::new(),
    };
    stop_on_ctrl_c(run.interrupter.clone())?;

    let n_classes = emoji.classes.len();
    let (mut mla_scores, mut joint_scores) = (vec![], vec![]);
    for seed in 0..u64::from(args.seeds) {
        let model = run.train("MLA", seed, |device| mla(modalities, n_classes, device))?;
        model.save_safetensors(args.out.join(format!("seed-{seed}.safetensors")))?;
        mla_scores.push(run.test(&model)?);

        let model = run.train("joint", seed, |device| joint(modalities, n_classes, device))?;
        joint_scores.push(run.test(&model)?);
    }

    println!("\ntest accuracy, %, mean of {} seed(s)", args.seeds);
    let methods = [("MLA", mla_scores), ("Joint concatenation", joint_scores)];
    for (method, seeds) in &methods {
        print!("{method:<20}");
        for &name in &run.names {
            let sum: f64 = seeds.iter().map(|scores| scores[name]["accuracy"]).sum();
            print!("  {name} {:5.1}", 100.0 * sum / f64::from(args.seeds));
        }
        println!();
    }
    let wall_s = start.elapsed().as_secs_f64();
    let report = json!({
        "dataset": "emoji",
        "device": args.device.as_deref().unwrap_or("flex"),
        "seeds": (0..args.seeds).collect::<Vec<_>>(),
        "epochs": args.epochs,
        "missing_rate": args.missing.unwrap_or(0.0),
        "wall_s": wall_s,
        "methods": methods.map(|(name, per_seed)| json!({ "name": name, "per_seed": per_seed })),
    });
    let report = serde_json::to_string_pretty(&report)?;
    std::fs::write(args.out.join("report.json"), report)?;
    println!("\n{wall_s:.0} s; see {}", args.out.display());
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

impl Run<'_> {
    fn loader(&self, split: Split) -> Result<Arc<dyn DataLoader<EmojiBatch>>> {
        let indices = self.batches.emoji.indices(split);
        self.batches.in_order(indices, &self.device)
    }

    /// Trains a method on the training split, or resumes its last checkpoint.
    fn train<M>(
        &self,
        method: &str,
        seed: u64,
        init: impl Fn(&Device) -> Result<M>,
    ) -> Result<M, Box<dyn Error>>
    where
        M: MultimodalMethod<Inputs = EmojiInputs>,
        M::TrainingInput: Divide,
    {
        let args = self.args;
        self.device.seed(seed);
        let device = self.device.clone().autodiff();
        let indices = self.batches.emoji.indices(Split::Train);
        // Batches that are divided are made on the host.
        let made_on = match self.others[..] {
            [] => &device,
            _ => &Device::flex(),
        };
        let train = self.batches.shuffled(indices, seed, made_on)?;
        let name = format!("seed-{seed}-{}", method.to_lowercase());
        let mut config = FitConfig::new(args.epochs as usize)
            .with_directory(args.out.join("checkpoints").join(&name))
            .with_table(args.out.join(format!("metrics-{name}.csv")))
            .with_optimizer(AdamWConfig::new().with_weight_decay(0.05).init())
            .with_schedule(|turns| CosineAnnealingLrSchedulerConfig::new(4e-3, turns.total).init())
            .with_best(false)
            .with_seed(seed)
            .with_configuration(&args.missing)?
            .with_names(self.names[..args.modalities.len()].iter().copied())
            .with_label(format!("{method:<5} seed {seed}"))
            .with_interrupter(self.interrupter.clone());
        if let Some(every) = args.checkpoint_every {
            config = config.with_every(every);
        }
        let (model, valid) = (init(&device)?, self.loader(Split::Valid)?);
        let fitted = fit_over(model, train, valid, &self.others, &config)?;
        if let Ending::Interrupted(_) = fitted.ending {
            println!("stopped; resume with `-- --resume {}`", args.out.display());
            std::process::exit(130);
        }
        Ok(fitted.model)
    }

    fn test<M: MultimodalMethod<Inputs = EmojiInputs>>(&self, model: &M) -> Result<Scores> {
        let found = evaluate(model, &*self.loader(Split::Test)?)?;
        let branches = found.modalities.into_iter().chain([found.fused]);
        let score = |branch: Confusion| {
            let (accuracy, macro_f1) = (branch.accuracy(), branch.macro_f1());
            BTreeMap::from([("accuracy", accuracy), ("macro_f1", macro_f1)])
        };
        let names = self.names.iter().copied();
        Ok(names.zip(branches.map(score)).collect())
    }
}
