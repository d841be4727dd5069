//! A training step of each method that imputes, in each of its stages, beside its layers: forward, backward
//! and Adam. Batch 64, three modalities of width 128, hidden layers of width 128.
//!
//! ```sh
//! cargo bench --bench missing                   # all, 20 times each
//! cargo bench --bench missing -- mmin 100       # those with this name, 100 times each
//! ```
//!
//! The method and the layers take turns within one process, which means that a slow period of the machine
//! affects both. Prints the name of each measurement, the median times in milliseconds and their ratio.

mod common;
mod plain;
mod turns;

use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{
    AeConfig, CraConfig, IfMminConfig, Joint, JointConfig, JointHead, MminConfig, TateConfig,
};
use burn_mla::encoder::Precomputed;
use burn_mla::prelude::*;
use common::{devices, random, sync};
use plain::{Completion, Layers, Student, Teacher, Transformer};
use turns::Turns;

const BATCH: usize = 64;
const N_MODALITIES: usize = 3;
const WIDTH: usize = 128;
const HIDDEN: usize = 128;
const N_CLASSES: usize = 10;
/// More updates than a measurement makes.
const LONG: u64 = 1 << 40;

/// The measurements.
struct Bench(Turns);

/// Features and labels of a batch, constant on the tape.
struct Data {
    features: Vec<Tensor<2>>,
    targets: Targets,
    device: Device,
}

fn main() {
    let bench = Bench(Turns::from_arguments(20));
    for (name, device) in devices() {
        let device = device.autodiff();
        bench.run_all(name, &device);
    }
}

fn d_features() -> Vec<usize> {
    vec![WIDTH; N_MODALITIES]
}

impl Bench {
    fn run_all(&self, name: &str, device: &Device) {
        let ae = || AeConfig::new(d_features(), N_CLASSES);
        self.run(&format!("ae/{name}"), device, || {
            (ae().init(device), Completion::ae(device))
        });
        self.run(&format!("cra/{name}"), device, || {
            (CraConfig::new(ae()).init(device), Completion::cra(device))
        });
        let mmin = || MminConfig::new(d_features(), N_CLASSES, LONG).init(device);
        self.run(&format!("mmin/teacher/{name}"), device, || {
            (mmin(), Teacher::new(false, device))
        });
        self.run(&format!("mmin/student/{name}"), device, || {
            let mut head = mmin();
            head.iter_mut().for_each(|head| head.begin_student());
            (head, Student::new(false, device))
        });
        let if_mmin = || IfMminConfig::new(d_features(), N_CLASSES, LONG).init(device);
        self.run(&format!("if-mmin/teacher/{name}"), device, || {
            (if_mmin(), Teacher::new(true, device))
        });
        self.run(&format!("if-mmin/student/{name}"), device, || {
            let mut head = if_mmin();
            head.iter_mut().for_each(|head| head.begin_student());
            (head, Student::new(true, device))
        });
        let tate = || TateConfig::new(d_features(), N_CLASSES, LONG).init(device);
        self.run(&format!("tate/teacher/{name}"), device, || {
            (tate(), Transformer::new(false, device))
        });
        self.run(&format!("tate/student/{name}"), device, || {
            let mut head = tate();
            head.iter_mut().for_each(|head| head.begin_student());
            (head, Transformer::new(true, device))
        });
    }

    /// Times steps of a head and of layers. `sides` is called only if the measurement runs.
    fn run<H: JointHead, L: Layers>(
        &self,
        name: &str,
        device: &Device,
        sides: impl Fn() -> (burn_mla::Result<H>, L),
    ) {
        if !self.0.include(name) {
            return;
        }
        let (head, layers) = sides();
        let data = Data {
            features: d_features()
                .into_iter()
                .map(|width| random([BATCH, width], device))
                .collect(),
            targets: Targets::new((0..BATCH).map(|i| i % N_CLASSES), device),
            device: device.clone(),
        };
        let encoders = d_features().into_iter().map(Precomputed::new);
        let encoders: Vec<Precomputed> = encoders.collect::<Result<_>>().expect("valid widths");
        let head = head.expect("the options are valid");
        let model = JointConfig::new().init(encoders, head);
        let method = data.method(model.expect("the parts fit"));
        let layers = data.layers(layers);
        let times = self.0.time([Box::new(method), Box::new(layers)]);
        let [method, layers] = times.map(median);
        let ratio = method / layers;
        println!("{name}: step {method:.2}, layers {layers:.2}, ratio {ratio:.3}");
    }
}

impl Data {
    fn method<H: JointHead>(&self, mut model: Joint<Vec<Precomputed>, H>) -> impl FnMut() {
        let mut optimizer = AdamConfig::new().init();
        move || {
            let batch = MultimodalBatch::paired(self.features.clone(), self.targets.clone());
            let output = model.try_step(batch).expect("the features are finite");
            model
                .try_optimize(&mut optimizer, 1e-3, output.grads)
                .expect("the gradients are a step's");
            sync(&self.device);
        }
    }

    fn layers<L: Layers>(&self, mut layers: L) -> impl FnMut() {
        let mut optimizer = AdamConfig::new().init();
        let labels = self.targets.tensor();
        move || {
            let mut gradients = layers.loss(&self.features, &labels).backward();
            let gradients = GradientsParams::from_module(&mut gradients, &layers);
            layers = optimizer.step(1e-3, layers.clone(), gradients);
            sync(&self.device);
        }
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
