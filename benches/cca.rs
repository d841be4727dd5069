//! Canonical correlation analysis of two modalities with its classifier: widths x samples. `cca.py` measures
//! the same with numpy and scikit-learn.
//!
//! ```sh
//! cargo bench --bench cca
//! python benches/cca.py
//! ```

mod common;

use burn::tensor::{Device, Tensor};
use burn_mla::baseline::{CcaConfig, ModalityFeatures};
use burn_mla::modality::Targets;
use common::{devices, random, sync};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const N_CLASSES: usize = 10;
/// Number of directions that the modalities share.
const N_SHARED: usize = 8;

/// Noise and a few shared directions, `[n_samples, width]`.
fn view(shared: &Tensor<2>, n_samples: usize, width: usize, device: &Device) -> Tensor<2> {
    let map = random([N_SHARED, width], device);
    shared.clone().matmul(map) * 0.3 + random([n_samples, width], device)
}

fn cca(c: &mut Criterion) {
    let mut group = c.benchmark_group("cca/fit");
    group.sample_size(10);
    for (device_name, device) in devices() {
        for (n_samples, width) in [(2_000, 128), (10_000, 512)] {
            let id = BenchmarkId::new(device_name, format!("{n_samples}x{width}"));
            group.bench_function(id, |b| {
                device.seed(0);
                let shared = random([n_samples, N_SHARED], &device);
                let views = (0..2).map(|_| view(&shared, n_samples, width, &device));
                let features = ModalityFeatures::complete(views.collect());
                let features = features.expect("the shapes fit");
                let labels = (0..n_samples).map(|n| n * 7 % N_CLASSES);
                let targets = Targets::new(labels, &device);
                let config = CcaConfig::new(vec![width; 2], N_CLASSES);
                sync(&device);
                b.iter(|| {
                    config
                        .fit(&features, &targets)
                        .expect("there is an optimum")
                })
            });
        }
    }
    group.finish();
}

criterion_group!(benches, cca);
criterion_main!(benches);
