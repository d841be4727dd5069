//! Tests of DCCA: reference values, laws, bad input.

use rstest::rstest;

use super::*;
use crate::baseline::CcaConfig;
use crate::baseline::missing::golden::Golden;
use crate::baseline::missing::samples::{gaps, numbers, one_each, shared_signal};
use crate::modality::{SelectRows, Targets};
use crate::test_devices;

fn golden_config(golden: &Golden, widths: &[usize]) -> DccaConfig {
    DccaConfig::new(widths.to_vec(), 3)
        .with_n_components(golden.size("n_components"))
        .with_hidden(vec![8, 8])
        .with_ridge(golden.meta["ridge"].as_f64().unwrap())
        .with_smoothing(golden.meta["eps"].as_f64().unwrap())
}

/// The name of a parameter in a reference file, from its path below `networks`.
pub(in crate::baseline::missing) fn network_name(kind: &str, path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('.').collect();
    match parts[..] {
        [
            view,
            "layers" | "norms",
            layer,
            name @ ("weight" | "bias" | "gamma" | "beta"),
        ] => Some(format!("{kind}.{view}.{layer}.{name}")),
        _ => None,
    }
}

#[rstest]
fn networks_and_gradients_are_those_of_the_reference(#[values(2, 3, 4)] n_views: usize) {
    for device in test_devices() {
        let device = device.autodiff();
        let golden = Golden::load(&format!("dcca/network_{n_views}_views"));
        let inputs = golden.inputs(&device);
        let widths: Vec<usize> = inputs.iter().map(|x| x.dims()[1]).collect();
        let head = golden_config(&golden, &widths).init(&device).unwrap();
        let name = |path: &str| network_name("encoder", path.strip_prefix("networks.")?);
        let head = golden.set(head, name);
        let outputs = head.outputs(inputs);
        let presence = Presence::all(outputs[0].dims()[0], n_views);
        let found = head.correlated(outputs, &presence).unwrap();
        for (view, output) in found.outputs.iter().enumerate() {
            golden.close(&format!("h.{view}"), output.clone().inner(), 1e-5);
        }
        golden.close("correlation_loss", found.loss.clone().inner(), 1e-5);
        golden.close_gradients(&head, &found.loss.backward(), name, 3e-5);
    }
}

fn config() -> DccaConfig {
    DccaConfig::new(vec![4, 3, 5], 4).with_hidden(vec![6])
}

fn fitted(head: Dcca, features: &ModalityFeatures, targets: &Targets) -> Dcca {
    let samples = |moment| WholeSamples {
        features: features.without_autodiff(),
        targets,
        samples: None,
        moment,
        step: 0,
    };
    let before = head.fit(&samples(Moment::BeforeBatches)).unwrap();
    let head = before.values.apply(head);
    let after = head.fit(&samples(Moment::AfterBatches)).unwrap();
    after.values.apply(head)
}

#[rstest]
fn junk_in_missing_rows_and_the_batch_change_no_prediction(
    #[values(PairRows::Imputed, PairRows::CompletePairs)] rows: PairRows,
) {
    for device in test_devices() {
        let n = 40;
        let (features, targets) = shared_signal(n, 3, Some(gaps(n)), &device);
        let head = config().with_rows(rows).init(&device).unwrap();
        let head = fitted(head, &features, &targets);
        let logits = numbers(head.fuse(&features).logits);
        assert!(logits.iter().all(|x| x.is_finite()) && logits.iter().any(|&x| x != 0.0));
        for junk in [1e3, f32::NAN] {
            let spoiled = spoil(&features, junk);
            let found = fitted(head.clone(), &spoiled, &targets);
            assert_eq!(numbers(found.fuse(&spoiled).logits), logits);
        }
        for row in [0, 7] {
            let alone = features.restricted(&[row], &[0, 1, 2]).unwrap();
            let found = numbers(head.fuse(&alone).logits);
            let expected = &logits[4 * row..4 * row + 4];
            found
                .iter()
                .zip(expected)
                .for_each(|(a, b)| assert!((a - b).abs() < 1e-5));
        }
    }
}

/// With a linear CCA the projections of the outputs are canonical, and only they are classified.
#[rstest]
fn a_linear_cca_of_the_outputs_comes_before_the_classifier(
    #[values(PairRows::Imputed, PairRows::CompletePairs)] rows: PairRows,
) {
    for device in test_devices() {
        let n = 60;
        let (features, targets) = shared_signal(n, 3, Some(gaps(n)), &device);
        let config = config().with_rows(rows).with_linear_cca(true);
        let head = fitted(config.init(&device).unwrap(), &features, &targets);
        let outputs = head.outputs(head.imputed(&features));
        let presence = match rows {
            PairRows::Imputed => Presence::all(n, 3),
            PairRows::CompletePairs => features.presence().clone(),
        };
        let seen = ModalityFeatures::new(outputs, presence).unwrap();
        let cca = CcaConfig::new(vec![2; 3], 4)
            .with_ridge(1e-3)
            .with_rows(rows);
        let expected = cca.fit(&seen, &targets).unwrap();
        let expected = numbers(expected.fuse(&seen).logits);
        let found = numbers(head.fuse(&features).logits);
        assert!(found.iter().any(|&x| x != 0.0));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        }
        // Alone as in a batch.
        let alone = features.restricted(&[7], &[0, 1, 2]).unwrap();
        let alone = numbers(head.fuse(&alone).logits);
        for (found, expected) in alone.iter().zip(&expected[28..]) {
            assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        }
        // A record of it loads.
        let other = config.init(&device).unwrap();
        let loaded = other.load_record(head.into_record());
        assert_eq!(numbers(loaded.fuse(&features).logits), found);
    }
}

fn spoil(features: &ModalityFeatures, junk: f32) -> ModalityFeatures {
    let missing = features.presence().missing(&features.device()).unwrap();
    let n = features.n_samples();
    let views = features.all().iter().enumerate().map(|(modality, x)| {
        let column = missing.clone().slice([0..n, modality..modality + 1]);
        x.clone().mask_fill(column.expand(x.dims()), junk)
    });
    ModalityFeatures::new(views.collect(), features.presence().clone()).unwrap()
}

/// A public implementation runs the third modality through the network of the second.
#[test]
fn each_modality_has_a_network_of_its_own() {
    let device = Device::flex().autodiff();
    let n = 30;
    let (features, _) = shared_signal(n, 3, None, &device);
    let head = config().init(&device).unwrap();
    let outputs = head.outputs(features.all().to_vec());
    let mut changed = features.all().to_vec();
    changed[2] = changed[2].clone() * 2.0 + 1.0;
    let others = head.outputs(changed);
    assert_eq!(numbers(others[1].clone()), numbers(outputs[1].clone()));
    let presence = Presence::all(n, 3);
    let loss = head.correlated(outputs, &presence).unwrap().loss;
    let gradients = loss.backward();
    let gradient = head.networks[2].weight_gradient(&gradients).unwrap();
    assert!(numbers(gradient).iter().any(|&x| x != 0.0));
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let device = Device::flex();
    let n = 20;
    let absent = (0..3 * n).map(|at| at % 3 != 1).collect();
    let (features, targets) = shared_signal(n, 5, Some(absent), &device);
    let head = config().init(&device).unwrap();
    let samples = WholeSamples {
        features,
        targets: &targets,
        samples: None,
        moment: Moment::BeforeBatches,
        step: 0,
    };
    let error = head.fit(&samples).unwrap_err();
    assert_eq!(error, MlaError::AbsentModality { modality: 1 });
    assert!(matches!(
        head.check_fitted("Dcca"),
        Err(MlaError::NeedsWholeSet { .. })
    ));
    for config in [
        config().with_ridge(0.0),
        config().with_smoothing(-1.0),
        config().with_n_components(0),
        config().with_hidden(vec![0]),
        config().with_smallest_batch(Some(1)),
        config().with_c(0.0),
        DccaConfig::new(vec![4], 2),
    ] {
        assert!(config.init(&device).is_err(), "{config:?}");
    }
}

/// One modality per sample, a constant modality, fewer samples than components: finite.
#[test]
fn nothing_to_correlate_stays_finite() {
    for device in test_devices() {
        let n = 12;
        for (mask, rows) in [(Some(one_each(n)), n), (None, n), (None, 3)] {
            let (features, targets) = shared_signal(n, 5, mask, &device);
            let kept: Vec<usize> = (0..rows).collect();
            let mut views = features.all().to_vec();
            views[1] = views[1].zeros_like() + 2.0;
            let constant = ModalityFeatures::new(views, features.presence().clone()).unwrap();
            let some = constant.restricted(&kept, &[0, 1, 2]).unwrap();
            for pair_rows in [PairRows::Imputed, PairRows::CompletePairs] {
                let config = config().with_n_components(4).with_rows(pair_rows);
                let head = fitted(config.init(&device).unwrap(), &some, &targets.select(&kept));
                let logits = numbers(head.fuse(&features).logits);
                assert!(logits.iter().all(|x| x.is_finite()));
            }
        }
    }
}

#[test]
fn a_batch_of_one_sample_has_no_correlation() {
    let device = Device::flex().autodiff();
    let (features, _) = shared_signal(1, 5, None, &device);
    let head = config().init(&device).unwrap();
    let outputs = features
        .all()
        .iter()
        .map(|x| x.clone().select_rows(&[0]).unwrap());
    let outputs: Vec<Tensor<2>> = outputs.collect();
    let error = head.correlated(outputs, &Presence::all(1, 3)).err();
    assert!(matches!(
        error,
        Some(MlaError::TooFewSamples {
            needed: 2,
            got: 1,
            ..
        })
    ));
}
