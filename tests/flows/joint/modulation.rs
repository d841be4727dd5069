//! On-the-fly gradient modulation.

use burn::module::Module;

use super::*;

fn modulated(ogm: OgmConfig) -> JointConfig {
    JointConfig::new().with_modulation(Some(ogm))
}

fn ogm() -> OgmConfig {
    OgmConfig::new(0.8).with_generalization(false)
}

/// The coefficients of a batch, from the predictions of each modality.
fn coefficients(model: &MlpJoint, batch: Batch, alpha: f64) -> Vec<f64> {
    let labels = batch.targets.labels().to_vec();
    let mask = batch.presence().unwrap();
    let each = model.valid().predict(batch).unwrap().modalities;
    let scores: Vec<f64> = (0..model.n_modalities())
        .map(|modality| {
            let logits = rows(each.modality(modality));
            let there = mask.rows(modality);
            let probability = |&i: &usize| (-cross_entropy(&logits[i], labels[i] as usize)).exp();
            there.iter().map(probability).sum::<f64>() / there.len() as f64
        })
        .collect();
    let coefficient = |m: usize| {
        let others = (0..scores.len()).filter(|&j| j != m && !scores[j].is_nan());
        let others: Vec<f64> = others.map(|j| scores[j]).collect();
        let ratio = scores[m] / (others.iter().sum::<f64>() / others.len() as f64);
        match ratio > 1.0 {
            true => 1.0 - (alpha * ratio).tanh(),
            false => 1.0,
        }
    };
    (0..scores.len()).map(coefficient).collect()
}

fn found(model: &MlpJoint, batch: Batch) -> Vec<(String, Vec<f32>)> {
    let output = model.try_step(batch).unwrap();
    let mut found = gradients(&model.encoders, &output.grads);
    for (path, gradient) in gradients(&model.head, &output.grads) {
        found.push((format!("head.{path}"), gradient));
    }
    found
}

#[test]
fn the_encoder_ahead_gets_k_times_its_gradient() {
    for device in devices() {
        let device = device.autodiff();
        let some = presence(&[
            [true, false, true],
            [true, true, true],
            [false, true, true],
            [true, true, false],
        ]);
        for (kind, n_modalities) in ALL.into_iter().flat_map(|kind| [(kind, 2), (kind, 3)]) {
            let plain = joint(kind, n_modalities, JointConfig::new(), &device);
            let model = joint(kind, n_modalities, modulated(ogm()), &device);
            let mut batch = batch_of(4, n_modalities, 1, &device);
            if n_modalities == 3 {
                batch = batch.with_presence(&some).unwrap();
            }
            let k = coefficients(&model, batch.clone(), 0.8);
            assert!(
                k.contains(&1.0) && k.iter().any(|&k| k < 0.6),
                "{kind:?}: {k:?}"
            );
            let (expected, found) = (found(&plain, batch.clone()), found(&model, batch));
            assert!(expected.len() > 2 * n_modalities && expected.len() == found.len());
            for ((path, expected), (_, found)) in expected.iter().zip(&found) {
                let modality = path.split('.').next().unwrap().parse::<usize>();
                let k = modality.map_or(1.0, |m| k[m]);
                match k == 1.0 {
                    true => assert_eq!(found, expected, "{kind:?}, {path}"),
                    false => {
                        let expected: Vec<f64> =
                            expected.iter().map(|&g| k * f64::from(g)).collect();
                        close(found, &expected, 1e-5, &format!("{kind:?}, {path}"));
                    }
                }
            }
        }
    }
}

#[test]
fn a_modality_that_is_alone_or_absent_is_not_modulated() {
    for device in devices() {
        let device = device.autodiff();
        let alone = presence(&[[true, false], [true, false], [true, false]]);
        // With noise, which is also skipped.
        for generalization in [false, true] {
            let plain = joint(Kind::Concat, 2, JointConfig::new(), &device);
            let config = modulated(OgmConfig::new(0.8).with_generalization(generalization));
            let model = joint(Kind::Concat, 2, config, &device);
            let batch = batch_of(3, 2, 1, &device).with_presence(&alone).unwrap();
            assert_eq!(found(&model, batch.clone()), found(&plain, batch));
        }
    }
}

#[test]
fn modulation_begins_and_ends_at_its_steps() {
    for device in devices() {
        let device = device.autodiff();
        let steps = |config: JointConfig| -> Vec<Vec<(String, Vec<f32>)>> {
            let mut model = joint(Kind::Sum, 2, config, &device);
            let mut optimizer = sgd();
            let step = |t| {
                let output = model.try_step(batch_of(6, 2, t, &device)).unwrap();
                let found = gradients(&model, &output.grads);
                model
                    .try_optimize(&mut optimizer, 0.0, output.grads)
                    .unwrap();
                found
            };
            (0..5).map(step).collect()
        };
        let never = steps(JointConfig::new());
        let from_2_to_4 = steps(modulated(ogm().between_epochs(1..2, 2)));
        let from_3 = steps(modulated(ogm().with_first_step(3)));
        for t in 0..5 {
            assert_eq!(from_2_to_4[t] == never[t], !(2..4).contains(&t), "step {t}");
            assert_eq!(from_3[t] == never[t], t < 3, "step {t}");
        }
    }
}

#[test]
fn epochs_become_steps() {
    let config = OgmConfig::new(0.1).between_epochs(2..5, 10);
    assert_eq!((config.first_step, config.end_step), (20, Some(50)));
    let active: Vec<u64> = (0..60).filter(|&step| config.is_active(step)).collect();
    assert_eq!(active, (20..50).collect::<Vec<_>>());
    // To the last possible epoch.
    let config = OgmConfig::new(0.1).between_epochs(1..u64::MAX, 10);
    assert!(!config.is_active(9) && config.is_active(10) && config.is_active(1 << 60));
}

/// Noise has mean 0 and the standard deviation of its gradient.
#[test]
fn noise_has_the_deviation_of_the_gradient() {
    const DRAWS: usize = 400;
    for device in devices() {
        let device = device.autodiff();
        let plain = joint(Kind::Sum, 2, JointConfig::new(), &device);
        let model = joint(Kind::Sum, 2, modulated(OgmConfig::new(0.8)), &device);
        let batch = batch_of(6, 2, 1, &device);
        let k = coefficients(&model, batch.clone(), 0.8);
        let expected = found(&plain, batch.clone());
        let draws: Vec<_> = (0..DRAWS).map(|_| found(&model, batch.clone())).collect();
        for (at, (path, gradient)) in expected.iter().enumerate() {
            let Ok(modality) = path.split('.').next().unwrap().parse::<usize>() else {
                assert!(draws.iter().all(|draw| draw[at].1 == *gradient), "{path}");
                continue;
            };
            let n = gradient.len() as f64;
            let gradient: Vec<f64> = gradient.iter().map(|&g| f64::from(g)).collect();
            let mean = gradient.iter().sum::<f64>() / n;
            let squares = gradient.iter().map(|g| (g - mean).powi(2)).sum::<f64>();
            let deviation = (squares / (n - 1.0)).sqrt();
            let (mut square, mut sums) = (0.0, vec![0.0; gradient.len()]);
            for draw in &draws {
                for ((sum, &g), found) in sums.iter_mut().zip(&gradient).zip(&draw[at].1) {
                    let noise = f64::from(*found) - k[modality] * g;
                    *sum += noise;
                    square += noise * noise;
                }
            }
            // Six standard errors.
            let bound = 6.0 * deviation / (DRAWS as f64).sqrt();
            let sums = sums.iter().map(|sum| (sum / DRAWS as f64).abs());
            assert!(
                sums.clone().all(|mean| mean < bound),
                "{path}: {bound} {:?}",
                sums.collect::<Vec<_>>()
            );
            let total = n * DRAWS as f64;
            let ratio = (square / total).sqrt() / deviation;
            let bound = 6.0 / (2.0 * total).sqrt();
            assert!((ratio - 1.0).abs() < bound, "{path}: {ratio}");
        }
    }
}

#[test]
fn values_out_of_range_are_refused() {
    let device = Device::flex();
    let refused = |ogm: OgmConfig| {
        let head = Kind::Sum.head(&FEATURES[..2], N_CLASSES, &device);
        let model = modulated(ogm).init(encoders(2, &device), head);
        model.map(|_| ()).unwrap_err().to_string()
    };
    for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = refused(OgmConfig::new(alpha));
        assert!(error.starts_with("alpha must be finite and > 0"), "{error}");
    }
    assert_eq!(
        refused(
            OgmConfig::new(0.1)
                .with_first_step(7)
                .with_end_step(Some(7))
        ),
        "end_step must be above first_step, got 7"
    );
    assert!(refused(OgmConfig::new(0.1).between_epochs(3..3, 5)).starts_with("end_step"));
}
