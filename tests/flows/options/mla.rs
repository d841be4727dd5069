//! Options of the model, and what it predicts.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor};
use burn_mla::fusion::FixedFusion;
use burn_mla::prelude::*;

use super::{divided, entropy, softmax};
use crate::common::*;
use crate::joint::rows;

/// The loss, and the change of the head's bias by the first step, which is not projected: with labels
/// smoothed by `s`, class `c` has the target `q_c = (1 - s) [c is the label] + s / C`.
#[test]
fn smoothed_labels_are_a_mixture_with_all_classes() {
    const RATE: f64 = 0.3;
    for device in devices() {
        let device = device.autodiff();
        for smoothing in [None, Some(0.0), Some(0.2), Some(0.9)] {
            let config = MlaConfig::new().with_label_smoothing(smoothing);
            let mut model = mlp_mla(config, rls(0.1), &device);
            let bias = |model: &MlpMla<RlsProjector>| {
                let bias = model.head.linear().bias.as_ref().unwrap();
                values(bias.val())
            };
            let before = bias(&model);
            let output = model.try_step(turn(0, 7, 1, &device)).unwrap();
            let labels = output.item.targets.labels().to_vec();
            let s = smoothing.unwrap_or(0.0);
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
            let what = format!("smoothing {smoothing:?}");
            close(&values(output.item.loss), &[loss], 1e-5, &what);
            let mut optimizer = SgdConfig::new().init();
            model
                .try_optimize(&mut optimizer, RATE, output.grads)
                .unwrap();
            close(&bias(&model), &expected, 1e-5, &what);
        }
    }
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
