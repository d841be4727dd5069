//! The learnt fusion on outputs that are made up.

use burn::tensor::{Device, Tensor, TensorData};
use rstest::rstest;

use super::*;
use crate::fusion::{MeanFusion, ModalityLogits, UncertaintyFusion};
use crate::method::SubsetPredictor;
use crate::modality::{Presence, Targets};
use crate::numeric::{Matrix, softmax_columns};
use crate::test_devices;

const N_CLASSES: usize = 3;

/// A number in `[-1, 1]` that looks random.
fn noise(at: usize) -> f64 {
    ((at as f64 * 12.9898).sin() * 43_758.545_3).fract()
}

struct NoSubsets(Presence);

impl SubsetPredictor for NoSubsets {
    fn presence(&self) -> &Presence {
        &self.0
    }

    fn fuse(&self, _: &[usize], _: &[usize]) -> Result<Tensor<2>> {
        Err(no_prediction())
    }
}

/// Modality 0 knows the class but says it with the classes rotated by `rotation`; modality 1 is noise and
/// is too sure. Every fifth sample lacks modality 0 if some are missing.
fn output(
    n: usize,
    from: usize,
    rotation: usize,
    missing: bool,
    device: &Device,
) -> EvaluationOutput {
    let labels: Vec<usize> = (from..from + n).map(|at| at * 7 % N_CLASSES).collect();
    let logits = |signal: f64, scale: f64, salt: usize| {
        let row = |(i, label): (usize, &usize)| {
            let shown = (label + rotation) % N_CLASSES;
            (0..N_CLASSES).map(move |c| {
                let own = if c == shown { signal } else { 0.0 };
                (own + scale * noise((from + i) * 31 + c * 7 + salt)) as f32
            })
        };
        let values: Vec<f32> = labels.iter().enumerate().flat_map(row).collect();
        Tensor::<2>::from_data(TensorData::new(values, [n, N_CLASSES]), device)
    };
    let mask = (from..from + n).flat_map(|at| [!(missing && at % 5 == 0), true]);
    let presence = Presence::from_mask(mask.collect(), 2).unwrap();
    let each = vec![logits(2.0, 1.5, 1), logits(0.3, 6.0, 2)];
    let each = ModalityLogits::new(each, presence.clone()).unwrap();
    let fused = MeanFusion.fuse(&each).logits;
    let targets = Targets::new(labels, device);
    EvaluationOutput::new(fused, targets, each, None, NoSubsets(presence))
}

fn samples(outputs: &[EvaluationOutput], fused: bool) -> Samples {
    let mut samples = Samples::new(2, N_CLASSES, fused);
    for output in outputs {
        samples.add(output).unwrap();
    }
    samples
}

fn loss(stacking: &Stacking, samples: &Samples) -> f64 {
    let mut scores: Matrix = stacking.scores(samples);
    softmax_columns(&mut scores, &samples.labels) / samples.len() as f64
}

/// The mean loss of the method's own fused prediction.
fn own_loss(samples: &Samples) -> f64 {
    let last = samples.sources.last().unwrap();
    let columns = last.column_iter().zip(&samples.labels);
    -columns.map(|(column, &label)| column[label]).sum::<f64>() / samples.len() as f64
}

#[rstest]
#[case(StackingWeights::PerSource)]
#[case(StackingWeights::PerClass)]
#[case(StackingWeights::Full)]
fn noise_loses_its_weight_and_new_samples_are_predicted_better(#[case] weights: StackingWeights) {
    for device in test_devices() {
        for (fused, missing) in [(true, false), (true, true), (false, true)] {
            let config = StackingConfig::new()
                .with_weights(weights)
                .with_fused(fused);
            let valid = [
                output(80, 0, 0, missing, &device),
                output(70, 80, 0, missing, &device),
            ];
            let stacking = fit::fit(&config, &samples(&valid, fused));
            let test = [output(200, 500, 0, missing, &device)];
            let before = own_loss(&samples(&test, true));
            let after = loss(&stacking, &samples(&test, fused));
            assert!(after < 0.8 * before, "{weights:?}: {after}, {before}");
            assert_eq!(stacking.weights().len(), 2 + usize::from(fused));
        }
    }
}

/// Only a full layer can undo a permutation of the classes.
#[test]
fn a_full_layer_learns_what_a_sum_cannot() {
    let device = Device::flex();
    let valid = [output(240, 0, 1, false, &device)];
    let test = samples(&[output(200, 500, 1, false, &device)], true);
    let fitted = |weights| {
        let config = StackingConfig::new().with_weights(weights);
        fit::fit(&config, &samples(&valid, true))
    };
    let (sum, full) = (
        fitted(StackingWeights::PerSource),
        fitted(StackingWeights::Full),
    );
    assert_eq!(sum.strength(), 0.0);
    assert!(full.strength() > 0.0);
    assert!(loss(&full, &test) < 0.7 * loss(&sum, &test));
}

/// The objective has no descent at the optimum, by finite differences.
#[test]
fn parameters_are_optimal() {
    let samples = samples(&[output(60, 0, 0, true, &Device::flex())], true);
    let c = 0.1;
    let offset = samples.weighted(&[0.0, 0.0, 1.0]);
    for weights in [StackingWeights::PerClass, StackingWeights::Full] {
        let found = Residual::fit(weights, &samples, &offset, c);
        let objective = |parameters: &[f64]| {
            let residual = match weights {
                StackingWeights::PerClass => Residual::PerClass(parameters.to_vec()),
                _ => Residual::Full(parameters.to_vec()),
            };
            let mut scores = offset.clone();
            residual.add_to(&mut scores, &samples);
            let squares: f64 = parameters.iter().map(|x| x * x).sum();
            0.5 * squares + c * softmax_columns(&mut scores, &samples.labels)
        };
        let (Residual::PerClass(parameters) | Residual::Full(parameters)) = found else {
            panic!("no parameters")
        };
        let least = objective(&parameters);
        for at in 0..parameters.len() {
            for change in [1e-3, -1e-3] {
                let mut changed = parameters.clone();
                changed[at] += change;
                assert!(objective(&changed) > least, "{weights:?}, {at}");
            }
        }
    }
}

#[test]
fn few_samples_change_little_and_one_class_is_no_problem() {
    let device = Device::flex();
    for n in [1, 2, 3] {
        let few = samples(&[output(n, 0, 0, false, &device)], true);
        let stacking = fit::fit(&StackingConfig::new(), &few);
        let change = stacking.weights()[..2].iter().map(|x| x.abs());
        assert!(change.fold(0.0, f64::max) < 2.0, "{:?}", stacking.weights());
        assert!(stacking.weights().iter().all(|x| x.is_finite()));
    }
    let mut one_class = output(12, 0, 0, false, &device);
    one_class.targets = Targets::new([1; 12], &device);
    let stacking = fit::fit(&StackingConfig::new(), &samples(&[one_class], true));
    assert!(stacking.weights().iter().all(|x| x.is_finite()));
}

#[test]
fn a_missing_modality_plays_no_part() {
    let device = Device::flex();
    let fitted = fit::fit(
        &StackingConfig::new()
            .with_weights(StackingWeights::Full)
            .with_fused(false),
        &samples(&[output(100, 0, 0, true, &device)], false),
    );
    let one = output(1, 5, 0, true, &device);
    let predicted = fitted.predict(&one).unwrap().into_data();
    // Other values where the modality is missing.
    let each = one.modalities.unwrap();
    let other = vec![each.modality(0) * 7.0, each.modality(1)];
    let other = ModalityLogits::new(other, each.presence().clone()).unwrap();
    let other = EvaluationOutput {
        modalities: Some(other),
        ..output(1, 5, 0, true, &device)
    };
    predicted.assert_eq(&fitted.predict(&other).unwrap().into_data(), true);
}

#[test]
fn a_fitted_fusion_is_saved_exactly_and_replaces_logits_and_loss() {
    let device = Device::flex();
    let config = StackingConfig::new().with_weights(StackingWeights::Full);
    let stacking = fit::fit(&config, &samples(&[output(90, 0, 1, false, &device)], true));
    let text = serde_json::to_string(&stacking).unwrap();
    let restored: Stacking = serde_json::from_str(&text).unwrap();
    assert_eq!(restored, stacking);

    let stacked = stacking.output(output(40, 300, 1, false, &device)).unwrap();
    let test = samples(&[output(40, 300, 1, false, &device)], true);
    let found: f32 = stacked.loss.into_scalar();
    assert!((f64::from(found) - loss(&stacking, &test)).abs() < 1e-5);
    assert_eq!(stacked.logits.dims(), [40, N_CLASSES]);
}

#[rstest]
#[case(StackingWeights::PerClass, "PerClass")]
#[case(StackingWeights::Full, "Full")]
fn a_stored_fusion_with_other_lengths_is_refused(
    #[case] weights: StackingWeights,
    #[case] name: &str,
) {
    let samples = samples(&[output(90, 0, 1, false, &Device::flex())], true);
    let stacking = Stacking {
        n_modalities: 2,
        n_classes: N_CLASSES,
        fused: true,
        weights: vec![0.0, 0.0, 1.0],
        residual: Residual::fit(weights, &samples, &samples.weighted(&[0.0, 0.0, 1.0]), 0.1),
        strength: 0.1,
    };
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::to_value(&stacking).unwrap();
        change(&mut value);
        let found: std::result::Result<Stacking, _> = serde_json::from_value(value);
        found.unwrap_err().to_string()
    };
    let error = refused(&|value| value["weights"] = vec![1.0, 0.0].into());
    let expected = "weights of a stored fusion (one per source): expected 3, got 2";
    assert_eq!(error, expected);
    let error = refused(&|value| value["fused"] = false.into());
    assert!(error.contains("expected 2, got 3"), "{error}");
    let error = refused(&|value| value["residual"][name] = vec![0.5; 3].into());
    assert!(
        error.starts_with("parameters of a stored fusion"),
        "{error}"
    );
    for classes in [N_CLASSES + 1, usize::MAX] {
        let error = refused(&|value| value["n_classes"] = classes.into());
        assert!(
            error.starts_with("parameters of a stored fusion"),
            "{error}"
        );
    }
    let error = refused(&|value| value["n_classes"] = 0.into());
    assert!(error.contains("n_classes must be at least 1"), "{error}");
}

#[test]
fn bad_options_and_outputs_are_refused() {
    let device = Device::flex();
    let mut two = Samples::new(3, N_CLASSES, true);
    let error = two.add(&output(4, 0, 0, false, &device)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("modalities of an output to stack"),
        "{error}"
    );
    let mut infinite = output(4, 0, 0, false, &device);
    infinite.logits = infinite.logits.clone() * f32::INFINITY;
    let error = Samples::new(2, N_CLASSES, true).add(&infinite).unwrap_err();
    assert_eq!(error, MlaError::NonFiniteFusion { sample: 0 });
    let mut beyond = output(2, 0, 0, false, &device);
    beyond.targets = Targets::new([0, 3], &device);
    assert!(Samples::new(2, N_CLASSES, true).add(&beyond).is_err());
}
