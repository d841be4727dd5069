//! Tests of CCA: reference values, laws, bad input.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::baseline::missing::golden::Golden;
use crate::baseline::missing::samples::{gaps, numbers, one_each, shared_signal};
use crate::modality::SelectRows;
use crate::test_devices;

/// The features of samples `rows` of a file with several views.
fn features(golden: &Golden, rows: std::ops::Range<usize>, device: &Device) -> ModalityFeatures {
    let rows: Vec<usize> = rows.collect();
    let presence = golden.presence().select(&rows).unwrap();
    let inputs = golden.inputs(device).into_iter();
    let inputs = inputs.map(|x| x.select_rows(&rows).unwrap()).collect();
    ModalityFeatures::new(inputs, presence).unwrap()
}

fn widths(features: &ModalityFeatures) -> Vec<usize> {
    features.all().iter().map(|x| x.dims()[1]).collect()
}

fn targets(golden: &Golden, n: usize, device: &Device) -> Targets {
    let labels = golden.values("labels")[..n].iter();
    Targets::new(labels.map(|&label| label as usize), device)
}

/// Checks weights and correlations of a pair against references named by `name`.
fn assert_pair(golden: &Golden, pair: &Pair, names: [&str; 3], tolerance: f64) {
    let [first, second, correlations] = names;
    golden.close(first, pair.first.weight.get(), tolerance);
    golden.close(second, pair.second.weight.get(), tolerance);
    golden.close(correlations, pair.correlations.get(), 1e-6);
}

#[rstest]
#[case("plain", 1e-5)]
#[case("two_components", 1e-5)]
#[case("all_components", 1e-5)]
#[case("ridge_strong", 1e-5)]
#[case("wider_than_samples", 1e-5)]
fn two_views_are_those_of_the_reference(#[case] name: &str, #[case] tolerance: f64) {
    for device in test_devices() {
        let golden = Golden::load(&format!("cca/two_view_{name}"));
        let tensor = |name: &str| golden.tensor::<2>(name, &device);
        let train = ModalityFeatures::complete(vec![tensor("x1_train"), tensor("x2_train")]);
        let train = train.unwrap();
        let test = ModalityFeatures::complete(vec![tensor("x1_test"), tensor("x2_test")]).unwrap();
        let n = train.n_samples();
        let targets = Targets::new((0..n).map(|n| n % 2), &device);
        let config = CcaConfig::new(widths(&train), 2)
            .with_n_components(golden.size("n_components"))
            .with_ridge(golden.meta["ridge"].as_f64().unwrap());
        let cca = config.fit(&train, &targets).unwrap();
        let names = ["weights1", "weights2", "correlations"];
        assert_pair(&golden, &cca.pairs[0], names, tolerance);
        golden.close("mean1", cca.pairs[0].first.mean.get(), 1e-6);
        golden.close("mean2", cca.pairs[0].second.mean.get(), 1e-6);
        for (of, features) in [("train", &train), ("test", &test)] {
            let k = config.n_components;
            let z = cca.project(features);
            let rows = z.dims()[0];
            let first = z.clone().slice([0..rows, 0..k]);
            golden.close(&format!("z1_{of}"), first, tolerance);
            golden.close(&format!("z2_{of}"), z.slice([0..rows, k..2 * k]), tolerance);
        }
    }
}

#[rstest]
fn several_views_with_missing_rows_are_those_of_the_reference(#[values(2, 3, 4)] n_views: usize) {
    for device in test_devices() {
        let golden = Golden::load(&format!("cca/pairs_{n_views}_views"));
        let n_train = golden.size("n_train");
        let n_all = golden.values("labels").len();
        let train = features(&golden, 0..n_train, &device);
        let all = features(&golden, 0..n_all, &device);
        let config = CcaConfig::new(widths(&all), 3)
            .with_n_components(golden.size("n_components"))
            .with_ridge(golden.meta["ridge"].as_f64().unwrap())
            .with_c(golden.meta["svm_c"].as_f64().unwrap());
        let cca = config
            .fit(&train, &targets(&golden, n_train, &device))
            .unwrap();
        for ((i, j), pair) in pairs(n_views).zip(&cca.pairs) {
            let names = ["weights", "weights", "correlations"];
            let names = names.map(|name| format!("{name}.{i}.{j}"));
            let (first, second) = (
                format!("{}.first", names[0]),
                format!("{}.second", names[1]),
            );
            assert_pair(&golden, pair, [&first, &second, &names[2]], 1e-5);
            golden.close(&format!("mean.{i}"), pair.first.mean.get(), 1e-6);
        }
        golden.close("z", cca.project(&all), 1e-5);
        let logits = cca.fuse(&all).logits;
        golden.close("svm_decision", logits.clone(), 1e-5);
        let classes: Vec<i64> = logits.argmax(1).into_data().iter().collect();
        let expected = golden.values("svm_prediction").iter();
        assert_eq!(
            classes,
            expected.map(|&class| class as i64).collect::<Vec<_>>()
        );
    }
}

fn sample_features(n: usize, seed: u64, mask: Option<Vec<bool>>) -> (ModalityFeatures, Targets) {
    shared_signal(n, seed, mask, &Device::flex())
}

fn config() -> CcaConfig {
    CcaConfig::new(vec![4, 3, 5], 4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// `A' S_ii A = I` and `A' S_ij B = diag(rho)`, with the ridge in the covariances only.
    #[test]
    fn projections_are_uncorrelated_with_unit_variance(seed in 0_u64..1000) {
        let (features, targets) = sample_features(60, seed, None);
        let cca = config().with_ridge(1e-9).fit(&features, &targets).unwrap();
        let z = read_columns(cca.project(&features), "z").unwrap();
        let covariance = &z * z.transpose() / 59.0;
        for pair in 0..3 {
            let rho: Vec<f32> = cca.correlations()[pair].2.to_data().iter().collect();
            prop_assert!(rho[0] >= rho[1] && rho[1] >= 0.0 && rho[0] < 1.0);
            for i in 0..4 {
                for j in 0..4 {
                    let expected = match (i, j) {
                        _ if i == j => 1.0,
                        (0, 2) | (2, 0) => rho[0],
                        (1, 3) | (3, 1) => rho[1],
                        _ => 0.0,
                    };
                    let found = covariance[(4 * pair + i, 4 * pair + j)];
                    prop_assert!((found - f64::from(expected)).abs() < 1e-4, "{i} {j} {found}");
                }
            }
        }
    }

    /// Invertible maps of a modality change no correlation, and a ridge makes them smaller.
    #[test]
    fn correlations_are_those_of_the_subspaces(seed in 0_u64..1000) {
        let (features, targets) = sample_features(60, seed, None);
        let rho = |features: &ModalityFeatures, ridge: f64| -> Vec<f32> {
            let cca = config().with_ridge(ridge).fit(features, &targets).unwrap();
            let found = cca.correlations();
            found.into_iter().flat_map(|(_, _, rho)| rho.into_data().iter().collect::<Vec<f32>>())
                .collect()
        };
        let device = features.device();
        let map = Tensor::<2>::from_floats(
            [[2.0, 1.0, 0.0], [0.0, 0.5, 1.0], [1.0, 0.0, 1.0]], &device);
        let moved = features.modality(1).matmul(map) + 7.0;
        let all = vec![features.modality(0), moved, features.modality(2)];
        let moved = ModalityFeatures::complete(all).unwrap();
        let plain = rho(&features, 1e-9);
        for (a, b) in plain.iter().zip(rho(&moved, 1e-9)) {
            prop_assert!((a - b).abs() < 1e-4);
        }
        for (small, large) in rho(&features, 1.0).iter().zip(plain) {
            prop_assert!(*small < large);
        }
    }
}

#[rstest]
fn junk_in_missing_rows_and_the_order_of_samples_change_nothing(
    #[values(PairRows::Imputed, PairRows::CompletePairs)] rows: PairRows,
    #[values(LinearClassifier::Svm, LinearClassifier::Softmax)] classifier: LinearClassifier,
) {
    let n = 30;
    let (features, targets) = sample_features(n, 3, Some(gaps(n)));
    let config = config().with_rows(rows).with_classifier(classifier);
    let cca = config.fit(&features, &targets).unwrap();
    for junk in [1e3, f32::NAN] {
        let missing = features.presence().missing(&features.device()).unwrap();
        let views = features.all().iter().enumerate().map(|(modality, x)| {
            let column = missing.clone().slice([0..n, modality..modality + 1]);
            x.clone().mask_fill(column.expand(x.dims()), junk)
        });
        let spoiled = ModalityFeatures::new(views.collect(), features.presence().clone()).unwrap();
        let found = config.fit(&spoiled, &targets).unwrap();
        let logits = numbers(found.fuse(&spoiled).logits);
        assert_eq!(logits, numbers(cca.fuse(&features).logits));
    }
    // A sample alone, and in another order.
    let logits = cca.fuse(&features).logits;
    let order: Vec<usize> = (0..n).rev().collect();
    let turned = features.restricted(&order, &[0, 1, 2]).unwrap();
    let turned_logits = cca.fuse(&turned).logits.select_rows(&order).unwrap();
    let pairs = numbers(turned_logits)
        .into_iter()
        .zip(numbers(logits.clone()));
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
    for row in [0, 7] {
        let alone = features.restricted(&[row], &[0, 1, 2]).unwrap();
        let found = numbers(cca.fuse(&alone).logits);
        let expected = numbers(logits.clone().select_rows(&[row]).unwrap());
        found
            .iter()
            .zip(expected)
            .for_each(|(a, b)| assert!((a - b).abs() < 1e-6));
    }
    let fitted = config.fit(&turned, &targets.select(&order)).unwrap();
    let found = numbers(fitted.fuse(&features).logits);
    found
        .iter()
        .zip(numbers(logits))
        .for_each(|(a, b)| assert!((a - b).abs() < 1e-4));
}

#[test]
fn imputation_shrinks_correlations_by_the_share_of_complete_rows() {
    let n = 600;
    let (complete, targets) = sample_features(n, 1, None);
    let (masked, _) = sample_features(n, 1, Some(gaps(n)));
    let rho = |features: &ModalityFeatures, rows: PairRows| -> f32 {
        let cca = config().with_rows(rows).fit(features, &targets).unwrap();
        cca.correlations()[0].2.to_data().iter().next().unwrap()
    };
    let true_rho = rho(&complete, PairRows::Imputed);
    // Of two modalities each, two thirds of the rows are there, and one third has both.
    let shrunk = rho(&masked, PairRows::Imputed) / true_rho;
    assert!((shrunk - 0.5).abs() < 0.05, "{shrunk}");
    let kept = rho(&masked, PairRows::CompletePairs) / true_rho;
    assert!((kept - 1.0).abs() < 0.05, "{kept}");
}

#[test]
fn modalities_without_common_rows_correlate_by_zero() {
    let n = 30;
    let (features, targets) = sample_features(n, 5, Some(one_each(n)));
    let cca = config().fit(&features, &targets).unwrap();
    for (_, _, rho) in cca.correlations() {
        assert!(rho.into_data().iter::<f32>().all(|rho| rho.abs() < 1e-7));
    }
    assert!(
        numbers(cca.fuse(&features).logits)
            .iter()
            .all(|x| x.is_finite())
    );
    let rows = PairRows::CompletePairs;
    let error = config()
        .with_rows(rows)
        .fit(&features, &targets)
        .unwrap_err();
    let expected = MlaError::TooFewPairs {
        first: 0,
        second: 1,
        needed: 2,
        got: 0,
    };
    assert_eq!(error, expected);
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let n = 30;
    let absent: Vec<bool> = (0..3 * n).map(|at| at % 3 != 1).collect();
    let (features, targets) = sample_features(n, 5, Some(absent));
    let error = config().fit(&features, &targets).unwrap_err();
    assert_eq!(error, MlaError::AbsentModality { modality: 1 });

    let (features, targets) = sample_features(n, 5, None);
    let one = features.restricted(&[4], &[0, 1, 2]).unwrap();
    let error = config().fit(&one, &targets.select(&[4])).unwrap_err();
    assert!(
        matches!(error, MlaError::TooFewSamples { got: 1, .. }),
        "{error}"
    );
    let error = config()
        .with_n_components(4)
        .init(&Device::flex())
        .unwrap_err();
    assert!(matches!(error, MlaError::Components { modality: 1, .. }));

    // Fewer samples than components, and a modality without variance.
    let few = features.restricted(&[0, 1], &[0, 1, 2]).unwrap();
    let few_targets = targets.select(&[0, 1]);
    let cca = config()
        .with_n_components(3)
        .fit(&few, &few_targets)
        .unwrap();
    assert!(
        numbers(cca.fuse(&features).logits)
            .iter()
            .all(|x| x.is_finite())
    );
    let error = config()
        .with_ridge(0.0)
        .fit(&few, &few_targets)
        .unwrap_err();
    assert!(
        error.to_string().starts_with("modality 0: the covariance"),
        "{error}"
    );
    let constant = vec![
        features.modality(0),
        features.modality(1).zeros_like() + 5.0,
        features.modality(2),
    ];
    let constant = ModalityFeatures::complete(constant).unwrap();
    let cca = config().fit(&constant, &targets).unwrap();
    assert!(
        numbers(cca.fuse(&constant).logits)
            .iter()
            .all(|x| x.is_finite())
    );
    assert!(
        cca.correlations()[0]
            .2
            .to_data()
            .iter::<f32>()
            .all(|rho| rho == 0.0)
    );
    let error = config()
        .with_ridge(0.0)
        .fit(&constant, &targets)
        .unwrap_err();
    assert!(
        error.to_string().starts_with("modality 1: the covariance"),
        "{error}"
    );

    let mut views = features.all().to_vec();
    let spoiled = views[2].clone().slice_fill([4..5, 1..2], f32::NAN);
    views[2] = spoiled;
    let spoiled = ModalityFeatures::complete(views).unwrap();
    let error = config().fit(&spoiled, &targets).unwrap_err();
    let expected = MlaError::NonFiniteFeatures {
        modality: Some(2),
        sample: 4,
    };
    assert_eq!(error, expected);
    let error = config().fit(&features, &Targets::new([9; 30], &Device::flex()));
    assert!(matches!(
        error,
        Err(MlaError::LabelOutOfRange { label: 9, .. })
    ));
    assert!(
        CcaConfig::new(vec![4, 3], 4)
            .fit(&features, &targets)
            .is_err()
    );
}

#[test]
fn the_fit_tells_classes_apart() {
    let (features, targets) = sample_features(300, 9, None);
    for classifier in [LinearClassifier::Svm, LinearClassifier::Softmax] {
        let config = config().with_classifier(classifier).with_c(1.0);
        let cca = config.fit(&features, &targets).unwrap();
        let classes = cca.fuse(&features).logits.argmax(1).into_data();
        let pairs = classes.iter::<i64>().zip(targets.labels());
        let n_correct = pairs.filter(|(found, label)| found == *label).count();
        assert!(n_correct > 240, "{classifier:?}: {n_correct} of 300");
    }
}

/// Means of the caller: the imputed rows have another mean, and a missing modality a constant projection.
#[test]
fn imputing_means_replace_those_of_the_training_rows() {
    let n = 60;
    let (features, targets) = sample_features(n, 4, Some(gaps(n)));
    let means = [4, 3, 5].map(|width| vec![0.7; width]).to_vec();
    let config = config().with_imputing_means(Some(means));
    let cca = config.fit(&features, &targets).unwrap();
    let imputed = (0..3).map(|m| {
        let x = features.modality(m);
        x + (1.0 - features.present(m).unwrap()) * 0.7
    });
    let imputed = ModalityFeatures::complete(imputed.collect()).unwrap();
    let expected = config.fit(&imputed, &targets).unwrap();
    let (found, expected) = (cca.fuse(&features).logits, expected.fuse(&imputed).logits);
    let pairs = numbers(found).into_iter().zip(numbers(expected));
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{a}, {b}"));
    let z = numbers(cca.project(&features));
    assert!(
        z.iter().all(|&z| z != 0.0),
        "a missing modality has a projection of its own"
    );
}
