//! Shares of a training step: the projector by its rule, the number of modalities, and Burn's loop. Beside them, a
//! prediction.
//!
//! ```sh
//! cargo bench --bench share              # 500 steps of each model, 5 trainings by each loop
//! cargo bench --bench share -- 2000 20   # 2000 steps, 20 trainings
//! cargo bench --features system-allocator --bench share
//! ```
//!
//! The models take one step each in turns, within one process, and so do the loops. Prints the first decile and the
//! median in milliseconds, and the ratio of the first deciles to the first row. The encoders are MLPs
//! of width 512, the head has 101 classes; batches of 64, SGD with momentum.

mod common;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn::train::{Learner, SupervisedTraining};
use burn_mla::dataset::InMemory;
use burn_mla::loader::MappedLoader;
use burn_mla::logger::PlainRenderer;
use burn_mla::modality::Indexed;
use burn_mla::prelude::*;
use burn_mla::projector::{IdentityProjector, LeakyRlsProjectorConfig};
use common::{devices, random, sync};

const BATCH: usize = 64;
const WIDTH: usize = 512;
const N_CLASSES: usize = 101;
const RATE: f64 = 1e-3;
/// Turns of a training by a loop.
const TURNS: usize = 200;

type Model<P> = Mla<Vec<MlpEncoder>, LinearHead, P, EntropyFusion>;

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let (n_steps, n_trainings) = (numbers.next().unwrap_or(500), numbers.next().unwrap_or(5));
    let flex = devices().into_iter().find(|(name, _)| *name == "flex");
    let device = flex.expect("flex is among the devices").1.autodiff();

    let leaky = LeakyRlsProjectorConfig::new().init().expect("valid");
    let eq_5 = RlsProjectorConfig::new().init().expect("valid");
    let mut rows = vec![(
        "no projector, M = 2".to_string(),
        steps(2, IdentityProjector, &device),
    )];
    rows.push(("leaky".to_string(), steps(2, leaky, &device)));
    rows.push(("Eq. 5".to_string(), steps(2, eq_5, &device)));
    for m in [4, 8, 16] {
        rows.push((
            format!("no projector, M = {m}"),
            steps(m, IdentityProjector, &device),
        ));
        rows.push((format!("leaky, M = {m}"), steps(m, leaky, &device)));
    }
    rows.push(("prediction, M = 2".to_string(), predictions(&device)));
    let mut times: Vec<Vec<f64>> = rows.iter().map(|_| vec![]).collect();
    for _ in 0..n_steps {
        for ((_, step), times) in rows.iter_mut().zip(&mut times) {
            times.push(milliseconds(step));
        }
    }
    table(rows.iter().map(|(name, _)| name.as_str()).zip(times));

    compare_loops("leaky", leaky, n_trainings, &device);
    compare_loops("Eq. 5", eq_5, n_trainings, &device);
}

/// Burn's loop clones the model for each update. The third loop does so, too.
fn compare_loops<P: OrthogonalProjector>(name: &str, rule: P, n_trainings: usize, device: &Device) {
    let mut times = [vec![], vec![], vec![]];
    for _ in 0..n_trainings {
        times[0].extend(by_hand(rule.clone(), false, device));
        times[1].extend(by_burn(rule.clone(), device));
        times[2].extend(by_hand(rule.clone(), true, device));
    }
    let names = ["by hand", "Burn's", "by hand, with a clone of the model"];
    let names = names.map(|loop_name| format!("{name}, loop: {loop_name}"));
    table(names.iter().map(String::as_str).zip(times));
}

fn milliseconds(run: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e3
}

fn table<'a>(rows: impl Iterator<Item = (&'a str, Vec<f64>)>) {
    println!("\n| | first decile, ms | median, ms | ratio |\n|---|---|---|---|");
    let mut first = None;
    for (name, mut times) in rows {
        times.sort_by(f64::total_cmp);
        let (decile, median) = (times[times.len() / 10], times[times.len() / 2]);
        let ratio = decile / *first.get_or_insert(decile);
        println!("| {name} | {decile:.2} | {median:.2} | {ratio:.2} |");
    }
}

fn model<P: OrthogonalProjector>(n_modalities: usize, rule: P, device: &Device) -> Model<P> {
    let config = MlpEncoderConfig::new(WIDTH, WIDTH).with_hidden(vec![WIDTH, WIDTH]);
    let encoder = |_| config.init(device).expect("the widths are valid");
    let encoders = (0..n_modalities).map(encoder).collect();
    let head = LinearHeadConfig::new(WIDTH, N_CLASSES).init(device);
    let fusion = EntropyFusionConfig::new(n_modalities).init(device);
    let (head, fusion) = (head.expect("valid"), fusion.expect("valid"));
    Mla::new(encoders, head, rule, fusion).expect("the parts fit")
}

fn optimizer() -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_dampening(0.0);
    SgdConfig::new().with_momentum(Some(momentum)).init()
}

/// Steps that alternate between the modalities.
fn steps<P: OrthogonalProjector>(
    n_modalities: usize,
    rule: P,
    device: &Device,
) -> Box<dyn FnMut()> {
    let mut model = model(n_modalities, rule, device);
    let mut optimizer = optimizer();
    let inputs: Vec<Tensor<2>> = (0..n_modalities)
        .map(|_| random([BATCH, WIDTH], device))
        .collect();
    let targets = Targets::new((0..BATCH).map(|i| i % N_CLASSES), device);
    let (mut at, device) = (0, device.clone());
    let mut step = move || {
        let modality = at % inputs.len();
        at += 1;
        let input = inputs[modality].clone();
        let turn = Turn::new(Indexed { modality, input }, targets.clone());
        let output = model.try_step(turn).expect("the inputs are finite");
        let updated = model.try_optimize(&mut optimizer, RATE, output.grads);
        updated.expect("the gradients are a step's");
        sync(&device);
    };
    // The first turn of a modality draws its weights and makes its optimizer state.
    (0..2 * n_modalities).for_each(|_| step());
    Box::new(step)
}

/// Predictions of a batch from two modalities, without a graph.
fn predictions(device: &Device) -> Box<dyn FnMut()> {
    let model = model(2, IdentityProjector, device).valid();
    let device = device.clone().inner();
    let inputs = (0..2).map(|_| ModalityInput::all(random([BATCH, WIDTH], &device)));
    let targets = Targets::new((0..BATCH).map(|i| i % N_CLASSES), &device);
    let batch = MultimodalBatch::new(inputs.map(Some).collect(), targets);
    Box::new(move || {
        let prediction = model.predict(batch.clone());
        prediction.expect("the inputs are finite");
        sync(&device);
    })
}

type Inputs = Vec<Option<ModalityInput<Tensor<2>>>>;
type Loader = Arc<dyn DataLoader<MultimodalBatch<Inputs>>>;

/// Batches of two modalities, and the times at which they were read.
fn batches() -> (Loader, Arc<Mutex<Vec<Instant>>>) {
    let device = Device::flex();
    let n = BATCH * TURNS / 2;
    let input = |_| Some(ModalityInput::all(random([n, WIDTH], &device)));
    let inputs = (0..2).map(input).collect();
    let data = InMemory::new(inputs, (0..n).map(|i| i % N_CLASSES)).expect("the sizes fit");
    let reads: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let seen = reads.clone();
    let batches = data.in_order(BATCH, &device).expect("the size is valid");
    let counted = MappedLoader::new(batches, move |batch| {
        seen.lock().expect("no thread panics").push(Instant::now());
        Ok(batch)
    });
    (Arc::new(counted), reads)
}

/// Milliseconds per turn between reads, each of which gives one turn of both modalities.
fn per_turn(reads: &Mutex<Vec<Instant>>) -> Vec<f64> {
    let reads = reads.lock().expect("no thread panics");
    let between = reads.windows(2).map(|pair| pair[1] - pair[0]);
    between.map(|time| time.as_secs_f64() * 1e3 / 2.0).collect()
}

fn by_hand<P: OrthogonalProjector>(rule: P, holds_clone: bool, device: &Device) -> Vec<f64> {
    let (mut model, mut optimizer) = (model(2, rule, device), optimizer());
    let (batches, reads) = batches();
    let turns = AlternatingLoader::paired(batches, 2, RoundRobin).expect("two modalities");
    for turn in turns.to_device(device).iter() {
        let output = model.try_step(turn.expect("a batch")).expect("finite");
        let _held = holds_clone.then(|| model.clone());
        model
            .try_optimize(&mut optimizer, RATE, output.grads)
            .expect("finite");
    }
    per_turn(&reads)
}

fn by_burn<P: OrthogonalProjector>(rule: P, device: &Device) -> Vec<f64> {
    let (batches, reads) = batches();
    let turns = AlternatingLoader::paired(batches, 2, RoundRobin).expect("two modalities");
    let (valid, _) = self::batches();
    let folder = tempfile::tempdir().expect("a folder for Burn");
    let training = SupervisedTraining::new(folder.path(), Arc::new(turns), valid.slice(0, BATCH))
        .with_application_logger(None)
        .renderer(Box::new(PlainRenderer::new(io::sink())))
        .num_epochs(1);
    let model = model(2, rule, device);
    let error = training
        .launch(Learner::new(model, optimizer(), RATE))
        .error;
    assert!(error.is_none(), "{error:?}");
    per_turn(&reads)
}
