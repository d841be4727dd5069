//! Bytes and time of a turn that is divided over workers, by the size of the model:
//!
//! ```sh
//! cargo bench -p burn-mla-benches --features remote --bench remote               # all, some minutes
//! cargo bench -p burn-mla-benches --features remote --bench remote -- ResNet 4   # rows with these words
//! ```
//!
//! Each worker is a process of this machine behind a proxy that counts. Bytes to workers are samples and
//! operations; bytes from workers are copies of the model and gradients, which other workers fetch. Two
//! projectors, the paper's and none, show the share of the projector. Times are medians over the batches of
//! one training. All workers share the cores of the machine and its memory as their network.

#[allow(dead_code)]
mod common;
#[path = "../tests/remote/proxy.rs"]
#[allow(dead_code)]
mod proxy;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::optim::SgdConfig;
use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::{Device, Tensor};
use burn::train::{ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining};
use burn_mla::checkpoint::{CheckpointStore, ResumableTraining};
use burn_mla::dataset::TakeRows;
use burn_mla::loader::{Blocks, MappedLoader, SeededLoader};
use burn_mla::logger::PlainRenderer;
use burn_mla::modality::ImageBatch;
use burn_mla::prelude::*;
use burn_mla::projector::IdentityProjector;
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder};

use common::random;
use proxy::Proxy;

const WORKER: &str = "BURN_MLA_BENCH_WORKER";
const N_CLASSES: usize = 10;
/// Width of inputs of an MLP, and of all features.
const D: usize = 512;
/// Samples of a turn.
const BATCH: usize = 8;
/// Updates of each modality before the measurement, and in it.
const WARM_UP: usize = 1;
const MEASURED: usize = 5;

/// The number of workers, how a turn is divided over them, and the number of turns per update.
#[derive(Clone, Copy)]
struct Row {
    n_workers: usize,
    strategy: Strategy,
    accumulation: usize,
}

#[derive(Clone, Copy)]
enum Strategy {
    /// `ResumableTraining::launch_over`.
    Over,
    /// Burn's `ExecutionStrategy::multi`, whose devices read a part of a batch each.
    Multi(MultiDeviceOptim),
}

fn main() {
    if std::env::var_os(WORKER).is_some() {
        return serve();
    }
    println!(
        "| encoders | projector | strategy | turns per update | workers | MB to workers | MB from workers | ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for n_workers in [1, 2, 4] {
        let row = Row {
            n_workers,
            strategy: Strategy::Over,
            accumulation: 1,
        };
        measure("MLP", row, mlp, paper());
        measure("MLP", row, mlp, IdentityProjector);
        measure("ResNet-18", row, resnet, paper());
        measure("ResNet-18", row, resnet, IdentityProjector);
    }
    let multi = [
        Strategy::Over,
        Strategy::Multi(MultiDeviceOptim::OptimMainDevice),
        Strategy::Multi(MultiDeviceOptim::OptimSharded),
    ];
    for n_workers in [2, 4] {
        for (strategy, accumulation) in multi.iter().flat_map(|&of| [(of, 1), (of, 4)]) {
            let row = Row {
                n_workers,
                strategy,
                accumulation,
            };
            measure("MLP", row, mlp, paper());
        }
    }
}

fn paper() -> RlsProjector {
    RlsProjectorConfig::new().init().unwrap()
}

fn mlp(device: &Device) -> MlpEncoder {
    let config = MlpEncoderConfig::new(D, D).with_hidden(vec![D]);
    config.init(device).unwrap()
}

fn resnet(device: &Device) -> ResNetEncoder<ImageBatch> {
    ResNetConfig::resnet18().init(device).unwrap()
}

/// An encoder's random input.
trait Noise: TakeRows + 'static {
    fn noise(n_samples: usize, device: &Device) -> Self;
}

impl Noise for Tensor<2> {
    fn noise(n_samples: usize, device: &Device) -> Self {
        random([n_samples, D], device)
    }
}

impl Noise for ImageBatch {
    fn noise(n_samples: usize, device: &Device) -> Self {
        Self(random([n_samples, 3, 32, 32], device))
    }
}

/// Two encoders of the same size. Prints a row unless the arguments have a word that is not in it.
fn measure<E: Encoder<Input: Noise> + 'static, P: OrthogonalProjector + 'static>(
    encoders: &str,
    row: Row,
    encoder: impl Fn(&Device) -> E,
    rule: P,
) {
    let projector = format!("{rule:?}");
    let projector = projector.split([' ', '{']).next().unwrap_or_default();
    let Row {
        n_workers,
        strategy,
        accumulation,
    } = row;
    let name = match strategy {
        Strategy::Over => "launch_over".to_string(),
        Strategy::Multi(optim) => format!("multi, {optim:?}"),
    };
    let name = format!("| {encoders} | {projector} | {name} | {accumulation} | {n_workers} |");
    let mut wanted = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"));
    if !wanted.all(|word| name.contains(&word)) {
        return;
    }

    let workers: Vec<_> = (0..n_workers).map(|_| Worker::start()).collect();
    let devices: Vec<_> = workers.iter().map(Worker::connect).collect();
    let main = devices[0].clone().autodiff();
    let both = vec![encoder(&main), encoder(&main)];
    let head = LinearHeadConfig::new(D, N_CLASSES).init(&main).unwrap();
    let fusion = EntropyFusionConfig::new(2).init(&main).unwrap();
    let model = MlaConfig::new().init(both, head, rule, fusion).unwrap();

    // In `multi` each device reads the batches of an update itself.
    let n_readers = match strategy {
        Strategy::Over => 1,
        Strategy::Multi(_) => n_workers,
    };
    let n_batches = (WARM_UP + MEASURED + 1) * accumulation;
    let host = Device::flex();
    let loader = |n_samples: usize, batch: usize| {
        let items = InMemDataset::new((0..n_samples).collect());
        SeededLoader::new(items, Random, batch, 0, &host).unwrap()
    };
    let reads: Arc<Mutex<Vec<(Instant, u64, u64)>>> = Arc::default();
    let proxies: Vec<_> = workers.iter().map(|worker| worker.proxy.clone()).collect();
    let seen = reads.clone();
    // The loops read when all devices have done their parts of the turn before.
    let batches = loader(n_batches * BATCH, BATCH / n_readers);
    let counted = MappedLoader::new(Arc::new(batches), move |batch: Batch<E::Input>| {
        let sums = proxies.iter().map(|proxy| proxy.bytes());
        let (to, from) = sums.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        seen.lock().unwrap().push((Instant::now(), to, from));
        Ok(batch)
    });
    let schedule = Blocks::new(accumulation).unwrap();
    let turns = AlternatingLoader::paired(Arc::new(counted), 2, schedule).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let handle = turns.handle();
    let valid = Arc::new(loader(BATCH, BATCH).in_order());
    let training = SupervisedTraining::new(folder.path(), Arc::new(turns), valid)
        .with_application_logger(None)
        .renderer(Box::new(PlainRenderer::new(std::io::sink())))
        .grads_accumulation(accumulation)
        .num_epochs(1);
    let optimizer = SgdConfig::new().init();
    let error = match strategy {
        Strategy::Over => {
            let store = CheckpointStore::open(folder.path().join("checkpoints")).unwrap();
            let resumable = ResumableTraining::new(&main, store, handle);
            let launched = resumable.launch_over(&devices[1..], training, model, optimizer, 0.01);
            launched.unwrap().0.error
        }
        Strategy::Multi(optim) => {
            let devices = devices.into_iter().map(Device::autodiff).collect();
            let strategy = ExecutionStrategy::multi(devices, optim);
            let training = training.with_training_strategy(strategy.into());
            training.launch(Learner::new(model, optimizer, 0.01)).error
        }
    };
    assert!(error.is_none(), "{error:?}");

    let reads = reads.lock().unwrap();
    // The first read for each update of both modalities.
    let starts: Vec<_> = reads.iter().step_by(n_readers * accumulation).collect();
    let starts = &starts[WARM_UP..=WARM_UP + MEASURED];
    let n_turns = (2 * accumulation) as f64;
    let mut times: Vec<f64> = starts
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0).as_secs_f64() * 1e3 / n_turns)
        .collect();
    times.sort_by(f64::total_cmp);
    let (first, last) = (starts[0], starts[MEASURED]);
    let megabytes = |bytes: u64| bytes as f64 / 1e6 / n_turns / MEASURED as f64;
    println!(
        "{name} {:.3} | {:.3} | {:.0} |",
        megabytes(last.1 - first.1),
        megabytes(last.2 - first.2),
        times[MEASURED / 2],
    );
}

type Batch<I> = MultimodalBatch<Vec<Option<ModalityInput<I>>>>;

/// Random samples with two modalities.
struct Random;

impl<I: Noise> Batcher<usize, Batch<I>> for Random {
    fn batch(&self, items: Vec<usize>, device: &Device) -> Batch<I> {
        let noise = || I::noise(items.len(), device);
        let labels = items.iter().map(|item| item % N_CLASSES);
        MultimodalBatch::paired(vec![noise(), noise()], Targets::new(labels, device))
    }
}

/// This program again, as a worker behind a proxy.
struct Worker {
    process: Child,
    proxy: Arc<Proxy>,
}

impl Worker {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(WORKER, "").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut address = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut address).unwrap();
        let proxy = Arc::new(Proxy::before(address.trim()));
        Self { process, proxy }
    }

    fn connect(&self) -> Device {
        let host = RemoteHost::websocket(&self.proxy.address);
        Device::remote_options(&host).init().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("ws://{}", listener.local_addr().unwrap());
    let transport = WebSocketTransport::from_listener(listener);
    RemoteServer::new([Device::flex()])
        .serve(transport)
        .unwrap();
}
