//! Fusion of a whole test split: rules x modalities x devices.
//!
//! ```sh
//! cargo bench --bench fusion
//! ```

mod common;

use burn_mla::fusion::ModalityLogits;
use burn_mla::fusion::{MeanFusion, Score, ScoreFusionConfig};
use burn_mla::prelude::*;
use common::{devices, random, sync};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const N_SAMPLES: usize = 10_000;
const N_CLASSES: usize = 101;

fn rule<F: UncertaintyFusion>(c: &mut Criterion, name: &str, new: impl Fn(usize) -> F) {
    let mut group = c.benchmark_group(format!("fusion/{name}"));
    for (device_name, device) in devices() {
        for n_modalities in [2, 3] {
            let id = BenchmarkId::new(device_name, n_modalities);
            group.bench_function(id, |b| {
                let logits = (0..n_modalities)
                    .map(|_| random([N_SAMPLES, N_CLASSES], &device) * 3.0)
                    .collect();
                let logits = ModalityLogits::complete(logits).expect("the shapes fit");
                let fusion = new(n_modalities).fork(&device);
                sync(&device);
                b.iter(|| {
                    let fused = fusion.fuse(&logits);
                    sync(&device);
                    fused
                })
            });
        }
    }
    group.finish();
}

fn fusions(c: &mut Criterion) {
    let device = burn::tensor::Device::flex();
    rule(c, "entropy", |n| {
        let config = EntropyFusionConfig::new(n);
        config.init(&device).expect("the default is valid")
    });
    for (name, score) in [
        ("max-probability", Score::MaxProbability),
        ("margin", Score::Margin),
        ("energy", Score::Energy),
    ] {
        rule(c, name, |n| {
            let config = ScoreFusionConfig::new(n, score);
            config.init(&device).expect("the default is valid")
        });
    }
    rule(c, "mean", |_| MeanFusion);
}

criterion_group!(benches, fusions);
criterion_main!(benches);
