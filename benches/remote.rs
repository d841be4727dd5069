//! Bytes and time of a turn that is divided over workers, by the size of the model:
//! `cargo bench -p burn-mla-benches --features remote --bench remote`.
//!
//! Each worker is a process of this machine behind a proxy that counts. Bytes to workers are samples and
//! operations; bytes from workers are copies of the model and gradients, which other workers fetch. Two
//! projectors, the paper's and none, show the share of the projector. The time says little about a
//! network, and less where workers share the cores of a machine.

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
use burn::tensor::{Device, Distribution, Tensor};
use burn::train::SupervisedTraining;
use burn_mla::checkpoint::{CheckpointStore, ResumableTraining};
use burn_mla::loader::{MappedLoader, SeededLoader};
use burn_mla::logger::PlainRenderer;
use burn_mla::prelude::*;
use burn_mla::projector::IdentityProjector;

use proxy::Proxy;

const WORKER: &str = "BURN_MLA_BENCH_WORKER";
const N_CLASSES: usize = 10;
/// Width of inputs and features.
const D: usize = 512;
const BATCH: usize = 8;
/// Batches before the measurement, and in it; two turns each.
const WARM_UP: usize = 1;
const MEASURED: usize = 2;

fn main() {
    if std::env::var_os(WORKER).is_some() {
        return serve();
    }
    println!(
        "| parameters of an encoder | workers | projector | MB to workers | MB from workers | ms per turn |"
    );
    println!("|---|---|---|---|---|---|");
    for n_workers in [1, 2, 4] {
        for (name, hidden) in [("0.5 M", vec![512]), ("11 M", vec![2100; 3])] {
            measure(name, n_workers, &hidden, paper());
            measure(name, n_workers, &hidden, IdentityProjector);
        }
    }
}

fn paper() -> RlsProjector {
    RlsProjectorConfig::new().init().unwrap()
}

/// Two MLPs of the same size.
fn measure<P: OrthogonalProjector + 'static>(
    size: &str,
    n_workers: usize,
    hidden: &[usize],
    rule: P,
) {
    let workers: Vec<_> = (0..n_workers).map(|_| Worker::start()).collect();
    let devices: Vec<_> = workers.iter().map(Worker::connect).collect();
    let main = devices[0].clone().autodiff();
    let encoder = || {
        let config = MlpEncoderConfig::new(D, D).with_hidden(hidden.to_vec());
        config.init(&main).unwrap()
    };
    let encoders = vec![encoder(), encoder()];
    let head = LinearHeadConfig::new(D, N_CLASSES);
    let head = head.init(&main).unwrap();
    let fusion = EntropyFusionConfig::new(2).init(&main).unwrap();
    let projector = format!("{rule:?}");
    let projector = projector
        .split([' ', '{'])
        .next()
        .unwrap_or_default()
        .to_string();
    let model = MlaConfig::new().init(encoders, head, rule, fusion).unwrap();

    let items = |n: usize| InMemDataset::new((0..n).collect());
    let host = Device::flex();
    let batches = SeededLoader::new(
        items((WARM_UP + MEASURED + 2) * BATCH),
        Noise,
        BATCH,
        0,
        &host,
    );
    let counts: Arc<Mutex<Vec<(Instant, u64, u64)>>> = Arc::default();
    let proxies: Vec<_> = workers.iter().map(|worker| worker.proxy.clone()).collect();
    let seen = counts.clone();
    // The loop reads one batch ahead, and every device has done its part of a turn before the next.
    let counted = MappedLoader::new(Arc::new(batches.unwrap()), move |batch: Batch| {
        let sums = proxies.iter().map(|proxy| proxy.bytes());
        let (to, from) = sums.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        seen.lock().unwrap().push((Instant::now(), to, from));
        Ok(batch)
    });
    let valid = SeededLoader::new(items(BATCH), Noise, BATCH, 0, &host).unwrap();
    let turns = AlternatingLoader::paired(Arc::new(counted), 2, RoundRobin).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(folder.path().join("checkpoints")).unwrap();
    let resumable = ResumableTraining::new(&main, store, turns.handle());
    let training =
        SupervisedTraining::new(folder.path(), Arc::new(turns), Arc::new(valid.in_order()))
            .with_application_logger(None)
            .renderer(Box::new(PlainRenderer::new(std::io::sink())))
            .num_epochs(1);
    let launched = resumable.launch_over(
        &devices[1..],
        training,
        model,
        SgdConfig::new().init(),
        0.01,
    );
    let (result, _) = launched.unwrap();
    assert!(result.error.is_none(), "{:?}", result.error);

    let counts = counts.lock().unwrap();
    let (start, end) = (counts[WARM_UP], counts[WARM_UP + MEASURED]);
    let n_turns = (2 * MEASURED) as f64;
    let megabytes = |bytes: u64| bytes as f64 / 1e6 / n_turns;
    println!(
        "| {size} | {n_workers} | {projector} | {:.3} | {:.3} | {:.0} |",
        megabytes(end.1 - start.1),
        megabytes(end.2 - start.2),
        (end.0 - start.0).as_secs_f64() * 1e3 / n_turns,
    );
}

type Batch = MultimodalBatch<Vec<Option<ModalityInput<Tensor<2>>>>>;

/// Random samples with two modalities.
struct Noise;

impl Batcher<usize, Batch> for Noise {
    fn batch(&self, items: Vec<usize>, device: &Device) -> Batch {
        let noise = || Tensor::random([items.len(), D], Distribution::Default, device);
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
