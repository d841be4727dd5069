//! Options of the model, and what it predicts.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor};
use burn_mla::fusion::FixedFusion;
use burn_mla::loader::LossRanking;
use burn_mla::mla::FusedTurnConfig;
use burn_mla::prelude::*;

use super::{divided, entropy, softmax};
use crate::common::*;
use crate::joint::rows;

/// The loss of a turn, and the change of the head's bias by the first step, which is not projected: with
/// labels smoothed by `s`, class `c` has the target `q_c = (1 - s) [c is the label] + s / C`.
fn assert_smoothed(config: MlaConfig, modality: usize, s: f64, device: &Device) {
    const RATE: f64 = 0.3;
    let what = format!("modality {modality} smoothed by {s}");
    let mut model = mlp_mla(config, rls(0.1), device);
    let bias = |model: &MlpMla<RlsProjector>| {
        let bias = model.head.linear().bias.as_ref().unwrap();
        values(bias.val())
    };
    let before = bias(&model);
    let output = model.try_step(turn(modality, 7, 1, device)).unwrap();
    let labels = output.item.targets.labels().to_vec();
    let mut loss = 0.0;
    let mut expected: Vec<f64> = before.iter().map(|&b| f64::from(b)).collect();
    for (row, label) in rows(output.item.logits).iter().zip(labels) {
        for (c, p) in softmax(row).into_iter().enumerate() {
            let hit = if c as i64 == label { 1.0 - s } else { 0.0 };
            let q = hit + s / N_CLASSES as f64;
            loss -= q * p.ln() / 7.0;
            expected[c] -= RATE * (p - q) / 7.0;
        }
    }
    close(&values(output.item.loss), &[loss], 1e-5, &what);
    let mut optimizer = SgdConfig::new().init();
    model
        .try_optimize(&mut optimizer, RATE, output.grads)
        .unwrap();
    close(&bias(&model), &expected, 1e-5, &what);
}

#[test]
fn smoothed_labels_are_a_mixture_with_all_classes() {
    for device in devices() {
        let device = device.autodiff();
        for smoothing in [None, Some(0.0), Some(0.2), Some(0.9)] {
            let config = MlaConfig::new().with_label_smoothing(smoothing);
            assert_smoothed(config, 0, smoothing.unwrap_or(0.0), &device);
        }
    }
}

#[test]
fn each_modality_is_smoothed_by_its_own_value() {
    for device in devices() {
        let device = device.autodiff();
        for common in [None, Some(0.6)] {
            for each in [[0.0, 0.3], [0.4, 0.1]] {
                for (modality, s) in each.into_iter().enumerate() {
                    let config = MlaConfig::new()
                        .with_label_smoothing(common)
                        .with_modality_label_smoothing(Some(each.to_vec()));
                    assert_smoothed(config, modality, s, &device);
                }
            }
        }
    }
}

/// Fused predictions are of no modality, and evaluation measures the plain cross-entropy.
#[test]
fn fused_turns_and_evaluation_have_no_smoothing_of_a_modality() {
    for device in devices() {
        let autodiff = device.clone().autodiff();
        let losses = |config: MlaConfig| {
            let model = mlp_mla(config, rls(0.1), &autodiff);
            let evaluated = model.valid().try_evaluate(batch(7, 1, &device)).unwrap();
            let model = FusedTurnConfig::new().init(model).unwrap();
            let fused = model.try_fused_step(batch(7, 1, &autodiff)).unwrap();
            (values(fused.item.loss), values(evaluated.loss))
        };
        let common = MlaConfig::new().with_label_smoothing(Some(0.4));
        let own = common
            .clone()
            .with_modality_label_smoothing(Some(vec![0.1, 0.7]));
        assert_eq!(losses(own), losses(common.clone()));
        let (fused, evaluated) = losses(MlaConfig::new());
        assert_ne!(losses(common.clone()).0, fused, "the common value counts");
        assert_eq!(losses(common).1, evaluated);
    }
}

#[test]
fn label_smoothing_of_other_modalities_or_out_of_range_is_refused() {
    let device = Device::flex();
    let error = |each: &[f64]| {
        let config = MlaConfig::new().with_modality_label_smoothing(Some(each.to_vec()));
        let model = config.init_default(mlps(&device), linear_head(&device));
        model.unwrap_err().to_string()
    };
    for each in [&[][..], &[0.1], &[0.1; 3]] {
        let expected = format!(
            "modality_label_smoothing has {} modalities, expected 2",
            each.len()
        );
        assert_eq!(error(each), expected);
    }
    for (value, shown) in [(1.0, "1"), (-0.1, "-0.1"), (f64::NAN, "NaN")] {
        let expected = format!("modality_label_smoothing must be in [0, 1), got {shown}");
        assert_eq!(error(&[0.0, value]), expected);
    }
}

/// A configuration that was saved before the option existed.
#[test]
fn a_configuration_without_the_newer_options_loads() {
    let mut saved = serde_json::to_value(MlaConfig::new()).unwrap();
    for option in ["modality_label_smoothing", "ranking"] {
        let removed = saved.as_object_mut().unwrap().remove(option);
        assert_eq!(removed, Some(serde_json::Value::Null), "{option}");
    }
    let loaded: MlaConfig = serde_json::from_value(saved).unwrap();
    assert_eq!(loaded.modality_label_smoothing, None);
    assert_eq!(loaded.ranking, None);
    let set = MlaConfig::new()
        .with_modality_label_smoothing(Some(vec![0.1, 0.2]))
        .with_ranking(Some(LossRanking::StrongestFirst));
    let saved = serde_json::to_string(&set).unwrap();
    let loaded: MlaConfig = serde_json::from_str(&saved).unwrap();
    assert_eq!(loaded.modality_label_smoothing, Some(vec![0.1, 0.2]));
    assert_eq!(loaded.ranking, Some(LossRanking::StrongestFirst));
}

/// Sample 1 lacks the second modality.
fn partial(device: &Device) -> MultimodalBatch<MlpInputs> {
    let (labels, a, b) = samples(3, 4);
    let b = matrix(b, D_B, device);
    let b = Tensor::cat(vec![b.clone().slice([0..1]), b.slice([2..3])], 0);
    let inputs = (
        Some(ModalityInput::all(matrix(a, D_A, device))),
        ModalityInput::rows(b, vec![0, 2]),
    );
    MultimodalBatch::new(inputs, Targets::new(labels, device))
}

#[test]
fn uncertainties_weights_and_sum_are_of_calibrated_logits() {
    const TEMPERATURES: [f64; 2] = [0.4, 3.0];
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let fusion = EntropyFusionConfig::new(2).with_temperature(0.6);
        let fusion = fusion.init(&device).unwrap();
        let fusion = fusion.with_calibration(&TEMPERATURES).unwrap();
        let model = model.with_fusion(fusion).unwrap().valid();
        let prediction = model.predict(partial(&device)).unwrap();
        // Logits are not calibrated: those of the head for the features of each modality.
        let alone = model.forward(OneOf2::A(matrix(samples(3, 4).1, D_A, &device)));
        let alone: Vec<f64> = rows(alone.logits).concat();
        let first = prediction.modalities.modality(0);
        close(&values(first), &alone, 1e-6, "logits");

        let [a, b] = [0, 1].map(|m| rows(prediction.modalities.modality(m)));
        let (mut uncertainties, mut weights, mut fused) = (vec![], vec![], vec![]);
        for (sample, (a, b)) in a.iter().zip(&b).enumerate() {
            let z = [divided(a, TEMPERATURES[0]), divided(b, TEMPERATURES[1])];
            let e = [0, 1].map(|m| entropy(&z[m]));
            let w = match sample {
                1 => vec![1.0, 0.0],
                _ => softmax(&e.map(|e| -e / 0.6)),
            };
            uncertainties.extend(e);
            fused.extend((0..N_CLASSES).map(|c| w[0] * z[0][c] + w[1] * z[1][c]));
            weights.extend(w);
        }
        let missing = values(prediction.uncertainties.clone())[3];
        assert!(
            (missing - (N_CLASSES as f32).ln()).abs() < 1e-6,
            "{missing}"
        );
        close(
            &values(prediction.uncertainties),
            &uncertainties,
            1e-5,
            "Eq. 7",
        );
        close(&values(prediction.weights), &weights, 1e-5, "Eq. 8");
        close(&values(prediction.fused), &fused, 1e-5, "Eq. 6");
    }
}

#[test]
fn a_model_fuses_by_the_fusion_it_is_given() {
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device).valid();
        let fusion = FixedFusion::new(&[3.0, 1.0], &device).unwrap();
        let model = model.with_fusion(fusion).unwrap();
        let prediction = model.predict(partial(&device)).unwrap();
        let weights = values(prediction.weights);
        assert_eq!(weights, [0.75, 0.25, 1.0, 0.0, 0.75, 0.25]);
        let three = FixedFusion::new(&[1.0; 3], &device).unwrap();
        assert!(model.with_fusion(three).is_err());
    }
}

#[test]
fn numbers_that_are_not_finite_pass_where_the_check_is_off() {
    for device in devices() {
        for check in [true, false] {
            let config = MlaConfig::new().with_finite_check(check);
            let model = mlp_mla(config, rls(0.1), &device).valid();
            let mut batch = batch(3, 0, &device);
            let input = batch.inputs.0.take().unwrap().input;
            let spoiled = input.slice_fill([1..2, 0..1], f32::NAN);
            batch.inputs.0 = Some(ModalityInput::all(spoiled));
            let prediction = model.predict(batch);
            assert_eq!(prediction.is_err(), check);
            let Ok(prediction) = prediction else { continue };
            for (sample, row) in rows(prediction.fused).iter().enumerate() {
                let spoiled = row.iter().any(|z| z.is_nan());
                assert_eq!(spoiled, sample == 1, "sample {sample}");
            }
        }
    }
}
