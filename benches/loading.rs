//! The time and the peak memory of loading a file of weights into a CLIP ViT-B/32 image tower.
//!
//! ```sh
//! cargo bench --bench loading -- FILE
//! python3 benches/loading.py          # writes files, with PyTorch beside it
//! ```
//!
//! Prints milliseconds for drawing the parameters and for loading, and the peak memory of the process
//! (Linux) before and after loading, in MiB.

mod common;

use std::time::Instant;

use burn_mla::encoder::Encoder;
use burn_mla::modality::ImageBatch;
use burn_mla_encoders::clip::ClipImageEncoderConfig;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.find(|argument| !argument.starts_with("--"));
    for (name, device) in common::devices() {
        let start = Instant::now();
        let config = ClipImageEncoderConfig::vit_b_32();
        let tower = config.init(&device).expect("the sizes are valid");
        let (init, before) = (milliseconds(start), peak());
        let Some(file) = &file else {
            println!("{name}: init {init:.0} ms; no file to load was named");
            continue;
        };
        let start = Instant::now();
        let tower = tower.load_pretrained(file).expect("the file fits");
        common::sync(&device);
        println!(
            "{name} {init:.0} {:.0} {before} {}",
            milliseconds(start),
            peak()
        );
        let images = ImageBatch(common::random([1, 3, 224, 224], &device));
        let sum: f32 = tower.encode(images).sum().into_scalar();
        assert!(sum.is_finite(), "the loaded weights compute a feature");
    }
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The largest resident memory of this process so far, in MiB; 0 where the system does not tell.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kib.unwrap_or(0) / 1024
}
