//! Update and projection of each rule: rules x feature widths x devices.
//!
//! ```sh
//! cargo bench --bench projector
//! ```
//!
//! A device is synchronized within the timer.

use burn::tensor::{Device, Distribution, Tensor};
use burn_mla::prelude::*;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Classes of the head whose gradient is projected: Food-101's.
const N_CLASSES: usize = 101;

// Burn marks ndarray deprecated; it is measured since it is supported.
#[allow(deprecated)]
fn devices() -> Vec<(&'static str, Device)> {
    vec![
        ("flex", Device::flex()),
        ("ndarray", Device::ndarray()),
        #[cfg(feature = "cuda")]
        ("cuda", Device::cuda(0)),
    ]
}

fn sync(device: &Device) {
    device.sync().expect("the device works");
}

fn rule<P: OrthogonalProjector>(c: &mut Criterion, name: &str, rule: P) {
    let mut group = c.benchmark_group(format!("projector/{name}"));
    for (device_name, device) in devices() {
        for s in [64, 512, 1024] {
            if device_name == "ndarray" && s > 512 {
                continue; // a slow backend: one size less
            }
            let random = Distribution::Normal(0.0, 1.0);
            let feature = Tensor::<1>::random([s], random, &device) / (s as f32).sqrt();
            let gradient = Tensor::<2>::random([s, N_CLASSES], random, &device);
            let mut state = rule.init(s, 2, &device).expect("the rule fits");
            sync(&device);

            let id = BenchmarkId::new(format!("update/{device_name}"), s);
            group.bench_function(id, |b| {
                b.iter(|| {
                    state = rule.update(feature.clone(), 0, state.clone());
                    sync(&device);
                });
            });
            let id = BenchmarkId::new(format!("project/{device_name}"), s);
            group.bench_function(id, |b| {
                b.iter(|| {
                    let projected = rule.project(gradient.clone(), 0, &state);
                    sync(&device);
                    projected
                });
            });
        }
    }
    group.finish();
}

fn projectors(c: &mut Criterion) {
    rule(
        c,
        "rls",
        RlsProjectorConfig::new()
            .init()
            .expect("the default is valid"),
    );
    let square_root = RlsProjectorConfig::new()
        .with_form(RlsForm::SquareRoot)
        .init();
    rule(c, "square-root", square_root.expect("the default is valid"));
    rule(c, "identity", IdentityProjector);
}

criterion_group!(benches, projectors);
criterion_main!(benches);
