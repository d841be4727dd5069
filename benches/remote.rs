//! Bytes and time of a turn that is divided over workers, by the size of the model:
//! `cargo bench -p burn-mla-benches --features remote --bench remote`.
//!
//! Each worker is a process of this machine behind a proxy that counts. The bytes to a worker are those of
//! its connection with this process, and of its connections with other workers: copies of the model, its
//! gradients and its samples. Two projectors, the paper's and none, show the share of the projector. The
//! time says little about a network, and less where workers share the cores of a machine.

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
use burn_mla::dataset::TakeRows;
use burn_mla::loader::{MappedLoader, SeededLoader};
use burn_mla::modality::ImageBatch;
use burn_mla::prelude::*;
use burn_mla::projector::IdentityProjector;
use burn_mla_encoders::resnet::{ResNetConfig, ResNetEncoder};

use proxy::Proxy;

const WORKER: &str = "BURN_MLA_BENCH_WORKER";
const N_CLASSES: usize = 10;
const BATCH: usize = 8;
/// Batches before the measurement, and in it; two turns each.
const WARM_UP: usize = 1;
const MEASURED: usize = 2;

fn main() {
    if std::env::var_os(WORKER).is_some() {
        return serve();
    }
    println!("| model | workers | projector | MB to workers | MB from workers | ms per turn |");
    println!("|---|---|---|---|---|---|");
    for n_workers in [1, 2, 4] {
        let mlp = |device: &Device| {
            let encoder = MlpEncoderConfig::new(512, 512).with_hidden(vec![512]);
            encoder.init(device).unwrap()
        };
        measure("MLP", n_workers, [BATCH, 512], &mlp, paper());
        measure("MLP", n_workers, [BATCH, 512], &mlp, IdentityProjector);
        let resnet = |device: &Device| -> ResNetEncoder<ImageBatch> {
            ResNetConfig::resnet18().init(device).unwrap()
        };
        let shape = [BATCH, 3, 32, 32];
        measure("ResNet-18", n_workers, shape, &resnet, paper());
        measure("ResNet-18", n_workers, shape, &resnet, IdentityProjector);
    }
}

fn paper() -> RlsProjector {
    RlsProjectorConfig::new().init().unwrap()
}

/// Two encoders of the same kind, for batches of inputs of `shape`.
fn measure<const D: usize, E, P>(
    name: &str,
    n_workers: usize,
    shape: [usize; D],
    encoder: &dyn Fn(&Device) -> E,
    rule: P,
) where
    E: Encoder<Input: From<Tensor<D>> + TakeRows>,
    P: OrthogonalProjector,
{
    let workers: Vec<_> = (0..n_workers).map(|_| Worker::start()).collect();
    let devices: Vec<_> = workers.iter().map(Worker::connect).collect();
    let main = devices[0].clone().autodiff();
    let encoders = vec![encoder(&main), encoder(&main)];
    let head = LinearHeadConfig::new(encoders[0].d_feature(), N_CLASSES);
    let head = head.init(&main).unwrap();
    let fusion = EntropyFusionConfig::new(2).init(&main).unwrap();
    let projector = format!("{rule:?}");
    let projector = projector
        .split([' ', '{'])
        .next()
        .unwrap_or_default()
        .to_string();
    let model = MlaConfig::new().init(encoders, head, rule, fusion).unwrap();

    let batcher = Noise {
        shape: shape.to_vec(),
    };
    let items = |n: usize| InMemDataset::new((0..n).collect());
    let host = Device::flex();
    let batches = SeededLoader::new(
        items((WARM_UP + MEASURED + 2) * BATCH),
        batcher.clone(),
        BATCH,
        0,
        &host,
    );
    let counts: Arc<Mutex<Vec<(Instant, u64, u64)>>> = Arc::default();
    let proxies: Vec<_> = workers.iter().map(|worker| worker.proxy.clone()).collect();
    let seen = counts.clone();
    // The loop reads one batch ahead, and every device has done its part of a turn before the next.
    let counted = MappedLoader::new(Arc::new(batches.unwrap()), move |batch: Batch<E::Input>| {
        let sums = proxies.iter().map(|proxy| proxy.bytes());
        let (to, from) = sums.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        seen.lock().unwrap().push((Instant::now(), to, from));
        Ok(batch)
    });
    let valid = SeededLoader::new(items(BATCH), batcher, BATCH, 0, &host).unwrap();
    let turns = AlternatingLoader::paired(Arc::new(counted), 2, RoundRobin).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(folder.path().join("checkpoints")).unwrap();
    let resumable = ResumableTraining::new(&main, store, turns.handle());
    let training =
        SupervisedTraining::new(folder.path(), Arc::new(turns), Arc::new(valid.in_order()))
            .with_application_logger(None)
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
        "| {name} | {n_workers} | {projector} | {:.3} | {:.3} | {:.0} |",
        megabytes(end.1 - start.1),
        megabytes(end.2 - start.2),
        (end.0 - start.0).as_secs_f64() * 1e3 / n_turns,
    );
}

type Batch<I> = MultimodalBatch<Vec<Option<ModalityInput<I>>>>;

/// Random samples with two modalities.
#[derive(Clone)]
struct Noise<const D: usize> {
    shape: [usize; D],
}

impl<I: From<Tensor<D>> + Send + 'static, const D: usize> Batcher<usize, Batch<I>> for Noise<D> {
    fn batch(&self, items: Vec<usize>, device: &Device) -> Batch<I> {
        let noise = || Tensor::<D>::random(self.shape, Distribution::Default, device).into();
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
