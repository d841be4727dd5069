//! Update and projection of each rule: rules x feature widths x classes x devices, beside one
//! matrix-vector product and one plain product of the same sizes.
//!
//! ```sh
//! cargo bench --bench projector
//! ```

mod common;

use burn::tensor::{Device, Tensor};
use burn_mla::prelude::*;
use burn_mla::projector::{
    IdentityProjector, LeakyRlsProjectorConfig, SubspaceProjectorConfig,
    TraceRescaledRlsProjectorConfig,
};
use common::{devices, random, sync};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Widths of the features.
const WIDTHS: [usize; 4] = [512, 768, 1024, 2048];

/// Classes: CREMA-D's, Food-101's, ImageNet's.
const CLASSES: [usize; 3] = [6, 101, 1000];

/// Samples behind a gradient, for projections by its factors.
const N_SAMPLES: usize = 64;

/// Returns whether a size is measured: fewer on ndarray, which is slow.
fn is_measured(device: &str, s: usize, c: usize) -> bool {
    device != "ndarray" || (s <= 1024 && c <= 101)
}

fn plain_products(c: &mut Criterion) {
    let mut group = c.benchmark_group("product");
    for (name, device) in devices() {
        for s in WIDTHS.into_iter().filter(|&s| is_measured(name, s, 1)) {
            for columns in [1].into_iter().chain(CLASSES) {
                if !is_measured(name, s, columns) {
                    continue;
                }
                let id = BenchmarkId::new(format!("{name}/c{columns}"), s);
                group.bench_function(id, |b| {
                    let p = random([s, s], &device);
                    let g = random([s, columns], &device);
                    b.iter(|| {
                        let product = p.clone().matmul(g.clone());
                        sync(&device);
                        product
                    })
                });
            }
        }
    }
    group.finish();
}

/// A state after `n` features of length 1.
fn state<P: OrthogonalProjector>(rule: &P, s: usize, n: usize, device: &Device) -> P::State {
    let state = rule.init(s, 2, device).expect("the rule fits");
    (0..n).fold(state, |state, at| {
        rule.update(feature(s, device), at % 2, state)
    })
}

fn feature(s: usize, device: &Device) -> Tensor<1> {
    random([s], device) / (s as f32).sqrt()
}

fn rule<P: OrthogonalProjector>(c: &mut Criterion, name: &str, rule: P) {
    let mut group = c.benchmark_group(format!("projector/{name}"));
    for (device_name, device) in devices() {
        for s in WIDTHS {
            if !is_measured(device_name, s, 1) {
                continue;
            }
            let id = BenchmarkId::new(format!("update/{device_name}"), s);
            group.bench_function(id, |b| {
                let features: Vec<Tensor<1>> = (0..64).map(|_| feature(s, &device)).collect();
                let mut kept = Some(state(&rule, s, 1, &device));
                let mut at = 0;
                sync(&device);
                b.iter(|| {
                    let state = kept.take().expect("put back below");
                    at += 1;
                    kept = Some(rule.update(features[at % 64].clone(), at % 2, state));
                    sync(&device);
                });
            });
            for columns in CLASSES {
                if !is_measured(device_name, s, columns) {
                    continue;
                }
                let id = BenchmarkId::new(format!("project/{device_name}/c{columns}"), s);
                group.bench_function(id, |b| {
                    // Half of the corrections are pending, as on average.
                    let state = state(&rule, s, 32 + 16, &device);
                    let inputs = random([N_SAMPLES, s], &device);
                    let errors = random([N_SAMPLES, columns], &device);
                    let gradient = inputs.clone().transpose().matmul(errors.clone());
                    sync(&device);
                    let by_factors = rule.prefers_factors(N_SAMPLES, s, columns);
                    b.iter(|| {
                        let projected = if by_factors {
                            let rows = rule.project_rows(inputs.clone(), 0, &state);
                            rows.transpose().matmul(errors.clone())
                        } else {
                            rule.project(gradient.clone(), 0, &state)
                        };
                        sync(&device);
                        projected
                    })
                });
            }
        }
    }
    group.finish();
}

fn projectors(c: &mut Criterion) {
    let valid = "the default is valid";
    rule(c, "rls", RlsProjectorConfig::new().init().expect(valid));
    rule(
        c,
        "leaky",
        LeakyRlsProjectorConfig::new().init().expect(valid),
    );
    let trace_rescaled = TraceRescaledRlsProjectorConfig::new();
    rule(c, "trace-rescaled", trace_rescaled.init().expect(valid));
    let subspace = SubspaceProjectorConfig::new();
    rule(c, "subspace", subspace.init().expect(valid));
    rule(c, "identity", IdentityProjector);
}

criterion_group!(benches, plain_products, projectors);
criterion_main!(benches);
