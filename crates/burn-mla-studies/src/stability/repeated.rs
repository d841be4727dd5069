//! Eq. 5 on features that repeat a direction per modality, beside the recursion as printed.

use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::prelude::*;

use crate::stability::ALPHA;
use crate::stability::features::Repeated;
use crate::stability::oracle::Oracle;
use crate::stability::printed::Printed;

/// A run: width, `kappa = |r|^2 / alpha` of the direction, noise relative to it, modalities.
struct Case(usize, f64, f64, usize, usize);

const CASES: [Case; 19] = [
    Case(512, 5e5, 0.01, 1, 20_000),
    Case(128, 1e5, 0.001, 1, 100_000),
    Case(128, 2e4, 0.001, 1, 100_000),
    Case(128, 1e4, 0.001, 1, 100_000),
    Case(256, 5e4, 0.001, 1, 50_000),
    Case(128, 2e4, 0.001, 2, 100_000),
    Case(1, 1e8, 0.0, 1, 1_000_000),
    Case(2, 1e8, 0.1, 2, 1_000_000),
    Case(64, 1e4, 0.0, 1, 1_000_000),
    Case(64, 1e4, 0.01, 1, 1_000_000),
    Case(64, 1e4, 1.0, 1, 1_000_000),
    Case(64, 1e6, 0.0, 1, 1_000_000),
    Case(64, 1e6, 0.01, 2, 1_000_000),
    Case(64, 1e6, 1.0, 1, 1_000_000),
    Case(64, 1e8, 0.0, 1, 10_000),
    Case(64, 1e8, 0.0, 1, 1_000_000),
    Case(64, 1e8, 0.01, 2, 1_000_000),
    Case(64, 1e8, 1.0, 1, 1_000_000),
    Case(2048, 1e6, 0.01, 1, 2_000),
];

/// Prints a table of the cases.
pub fn print(device: &Device) {
    println!(
        "| s | kappa | noise | modalities | as printed: not positive after | updates | positive \
         | gain | gain in f64 | deviation |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for case in &CASES {
        print_case(case, device);
    }
    println!();
}

fn print_case(case: &Case, device: &Device) {
    let &Case(s, kappa, noise, n_modalities, n_updates) = case;
    let features = || Repeated::new(s, (kappa * ALPHA).sqrt(), noise, n_modalities);

    let mut stream = features();
    let mut printed = Printed::new(s, ALPHA);
    let failed = (1..=n_updates).find(|_| printed.update(&stream.next()) == Some(false));

    let config = RlsProjectorConfig::new().with_alpha(ALPHA);
    let rule = config.init().expect("the configuration is valid");
    let mut state = rule
        .init(s, n_modalities, device)
        .expect("the width is valid");
    let mut oracle = Oracle::rls(s, ALPHA);
    let mut stream = features();
    for at in 0..n_updates {
        let r = stream.next();
        oracle.update(&r);
        let feature = Tensor::from_data(TensorData::new(r, [s]), device);
        state = rule.update(feature, at % n_modalities, state);
    }
    let [root, remainder] = state
        .square_root()
        .map(|t| -> Vec<f64> { t.into_data().iter().collect() });
    let root: Vec<f64> = root
        .iter()
        .zip(remainder)
        .map(|(t, rest)| t + rest)
        .collect();
    let positive = (0..s).all(|i| root[i * s + i] > 0.0);
    let gain = |v: &[f64]| -> f64 {
        let rows = root.chunks(s);
        let dot = |row: &[f64]| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
        rows.map(|row| dot(row).powi(2)).sum()
    };
    let found: Vec<f64> = state.matrix().into_data().iter().collect();
    let expected = oracle.matrix();
    let largest = expected.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    let pairs = found.iter().zip(&expected);
    let worst = |max: f64, x: f64| if x.is_nan() { x } else { max.max(x) };
    let deviation = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, worst) / largest;
    let v = stream.direction(0);
    println!(
        "| {s} | {kappa:.0e} | {noise} | {n_modalities} | {} | {n_updates} | {} | {:.2e} | {:.2e} | {deviation:.0e} |",
        failed.map_or("-".to_string(), |at| at.to_string()),
        if positive { "yes" } else { "no" },
        gain(v),
        oracle.gain(v),
    );
}
