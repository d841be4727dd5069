//! Temperatures, normalization and calibration of fusions.

use burn::tensor::{Device, Tensor};
use burn_mla::fusion::{
    FixedFusion, MeanFusion, ModalityLogits, Score, ScoreFusionConfig, fit_temperature,
    negative_log_likelihood,
};
use burn_mla::modality::Presence;
use burn_mla::prelude::*;

use super::{divided, entropy, softmax};
use crate::common::{close, devices, matrix, values};
use crate::joint::logsumexp;

/// Logits of two modalities for two samples.
const FIRST: [[f64; 3]; 2] = [[2.0, 1.0, 0.0], [0.3, 0.1, -0.2]];
const SECOND: [[f64; 3]; 2] = [[0.5, 0.0, -0.5], [-1.0, 3.0, 0.0]];

fn logits(device: &Device) -> ModalityLogits {
    let tensor = |rows: [[f64; 3]; 2]| {
        let entries = rows.concat().into_iter().map(|z| z as f32);
        matrix(entries.collect(), 3, device)
    };
    ModalityLogits::complete(vec![tensor(FIRST), tensor(SECOND)]).unwrap()
}

/// Weights and fused logits by a score, with a calibration temperature per modality.
fn expected(
    score: impl Fn(&[f64]) -> f64,
    temperature: f64,
    calibration: [f64; 2],
) -> (Vec<f64>, Vec<f64>) {
    let (mut weights, mut fused) = (vec![], vec![]);
    for (first, second) in FIRST.iter().zip(&SECOND) {
        let first = divided(first, calibration[0]);
        let second = divided(second, calibration[1]);
        let w = softmax(&[score(&first) / temperature, score(&second) / temperature]);
        fused.extend((0..3).map(|c| w[0] * first[c] + w[1] * second[c]));
        weights.extend(w);
    }
    (weights, fused)
}

fn check(fusion: &EntropyFusion, expected: (Vec<f64>, Vec<f64>), what: &str) {
    let device = fusion.calibration().device();
    let fused = fusion.fuse(&logits(&device));
    close(&values(fused.weights), &expected.0, 1e-5, what);
    close(&values(fused.logits), &expected.1, 1e-5, what);
}

/// Python: the entropy of softmax((2, 1, 0)) is 0.8323956.
#[test]
fn an_entropy_is_that_of_python() {
    for device in devices() {
        let rows = Tensor::from_floats([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0]], &device);
        let found = values(burn_mla::fusion::entropy(rows));
        close(&found, &[0.832_395_6, 3f64.ln()], 1e-6, "Eq. 7");
    }
}

#[test]
fn the_temperature_divides_entropies() {
    for device in devices() {
        for temperature in [0.1, 1.0, 3.0] {
            let config = EntropyFusionConfig::new(2).with_temperature(temperature);
            let expected = expected(|z| -entropy(z), temperature, [1.0; 2]);
            check(&config.init(&device).unwrap(), expected, "temperature");
        }
    }
}

#[test]
fn normalized_entropies_are_divided_by_the_log_of_the_number_of_classes() {
    for device in devices() {
        for temperature in [0.2, 1.0] {
            let config = EntropyFusionConfig::new(2).with_normalized(true);
            let fusion = config.with_temperature(temperature).init(&device).unwrap();
            let expected = expected(|z| -entropy(z) / 3f64.ln(), temperature, [1.0; 2]);
            check(&fusion, expected, "normalized");
        }
    }
}

/// Probabilities from the largest.
fn sorted(logits: &[f64]) -> Vec<f64> {
    let mut p = softmax(logits);
    p.sort_by(|a, b| b.total_cmp(a));
    p
}

#[test]
fn scores_weights_and_sums_are_of_calibrated_logits() {
    type HostScore = fn(&[f64]) -> f64;
    let scores: [(Score, HostScore); 5] = [
        (Score::Entropy, |z| -entropy(z)),
        (Score::NormalizedEntropy, |z| -entropy(z) / 3f64.ln()),
        (Score::MaxProbability, |z| sorted(z)[0]),
        (Score::Margin, |z| sorted(z)[0] - sorted(z)[1]),
        (Score::Energy, logsumexp),
    ];
    for device in devices() {
        for (score, on_host) in scores {
            let config = ScoreFusionConfig::new(2, score).with_temperature(0.7);
            let fusion = config.init(&device).unwrap();
            let fusion = fusion.with_calibration(&[0.5, 3.0]).unwrap();
            let what = format!("{score:?}");
            check(&fusion, expected(on_host, 0.7, [0.5, 3.0]), &what);
            let found = values(fusion.scores(&logits(&device)));
            let rows = FIRST.iter().zip(&SECOND);
            let scores =
                rows.flat_map(|(a, b)| [on_host(&divided(a, 0.5)), on_host(&divided(b, 3.0))]);
            close(&found, &scores.collect::<Vec<_>>(), 1e-5, &what);
            assert_eq!(values(fusion.calibration()), [0.5, 3.0]);
        }
    }
}

/// The second sample lacks the second modality.
#[test]
fn fixed_and_equal_weights_are_shares_among_the_modalities_present() {
    for device in devices() {
        let complete = logits(&device);
        let each = vec![complete.modality(0), complete.modality(1)];
        let presence = Presence::from_mask(vec![true, true, true, false], 2).unwrap();
        let logits = ModalityLogits::new(each, presence).unwrap();
        let expected = |w: f64| {
            let mixed = (0..3).map(|c| w * FIRST[0][c] + (1.0 - w) * SECOND[0][c]);
            mixed.chain(FIRST[1]).collect::<Vec<_>>()
        };
        let mean = MeanFusion.fuse(&logits);
        assert_eq!(values(mean.weights), [0.5, 0.5, 1.0, 0.0]);
        close(&values(mean.logits), &expected(0.5), 1e-5, "mean");
        let fixed = FixedFusion::new(&[1.0, 3.0], &device).unwrap();
        let fixed = fixed.fuse(&logits);
        assert_eq!(values(fixed.weights), [0.25, 0.75, 1.0, 0.0]);
        close(&values(fixed.logits), &expected(0.25), 1e-5, "fixed");
    }
}

/// For logits `(z, 0)` of two classes, of which a share `q` is correct, the best temperature is
/// `z / log(q / (1 - q))`.
#[test]
fn the_fitted_temperature_is_that_of_the_closed_form() {
    const N: usize = 40_000;
    for device in devices() {
        for (z, n_correct) in [(2.0, 3 * N / 4), (0.5, 9 * N / 10)] {
            let logits = matrix([z as f32, 0.0].repeat(N), 2, &device);
            let labels = (0..N).map(|i| usize::from(i >= n_correct));
            let targets = Targets::new(labels, &device);
            let q = n_correct as f64 / N as f64;
            let expected = z / (q / (1.0 - q)).ln();
            let found = fit_temperature(logits.clone(), &targets).unwrap();
            let error = (found / expected - 1.0).abs();
            assert!(error < 0.01, "{found}, not {expected}");

            let correct = (1.0 + (-z / 3.0).exp()).ln();
            let wrong = (1.0 + (z / 3.0).exp()).ln();
            let expected = q * correct + (1.0 - q) * wrong;
            let found = negative_log_likelihood(logits, &targets, 3.0).unwrap();
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }
}
