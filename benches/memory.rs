//! The time and the peak memory of a CLIP ViT-B/32 image tower: loading a file of weights, and a forward
//! and backward pass with and without gradient checkpointing.
//!
//! ```sh
//! cargo bench --bench memory -- load FILE         # into a tower whose parameters are not drawn
//! cargo bench --bench memory -- load-drawn FILE   # into one whose parameters are
//! cargo bench --bench memory -- backward 8        # a batch of 8
//! cargo bench --bench memory -- backward-checkpointed 8
//! python3 benches/loading.py                      # writes files, with PyTorch beside it
//! ```
//!
//! Each measurement is a process of its own. It prints its name, milliseconds for making the tower and
//! for the measurement, and the peak memory of the process (Linux) before and after it, in MiB.

mod common;

use std::time::Instant;

use burn::tensor::Device;
use burn_mla::encoder::Encoder;
use burn_mla::modality::ImageBatch;
use burn_mla_encoders::clip::{ClipImageEncoder, ClipImageEncoderConfig};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"));
    let (name, argument) = (arguments.next(), arguments.next());
    let (_, device) = common::devices().remove(0);
    let config = ClipImageEncoderConfig::vit_b_32();
    let load = |tower: ClipImageEncoder| {
        let file = argument.as_deref().expect("a file is named");
        tower.load_pretrained(file).expect("the file fits")
    };
    let backward = |tower: ClipImageEncoder, device: &Device| {
        let batch = argument.as_deref().and_then(|batch| batch.parse().ok());
        let batch = batch.expect("the size of a batch is named");
        let images = ImageBatch(common::random([batch, 3, 224, 224], device));
        let gradients = tower.encode(images).sum().backward();
        common::sync(device);
        drop(gradients);
        tower
    };
    match name.as_deref() {
        Some("load") => measure("load", || config.init_lazy(&device), load),
        Some("load-drawn") => measure("load-drawn", || config.init(&device), load),
        Some("backward") => {
            let device = device.autodiff();
            measure(
                "backward",
                || config.init(&device),
                |tower| backward(tower, &device),
            );
        }
        Some("backward-checkpointed") => {
            let device = device.autodiff().gradient_checkpointing();
            let name = "backward-checkpointed";
            measure(
                name,
                || config.init(&device),
                |tower| backward(tower, &device),
            );
        }
        _ => println!("name a measurement: load, load-drawn, backward, backward-checkpointed"),
    }
}

fn measure(
    name: &str,
    init: impl Fn() -> burn_mla::Result<ClipImageEncoder>,
    run: impl Fn(ClipImageEncoder) -> ClipImageEncoder,
) {
    let start = Instant::now();
    let tower = init().expect("the sizes are valid");
    let (made, before) = (milliseconds(start), peak());
    let start = Instant::now();
    let tower = run(tower);
    let spent = milliseconds(start);
    println!("{name} {made:.0} {spent:.0} {before} {}", peak());
    drop(tower);
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The largest resident memory of this process so far, in MiB; 0 where the system does not report it.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kib.unwrap_or(0) / 1024
}
