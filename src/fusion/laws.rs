//! The laws that every fusion must satisfy, checked by the tests of each rule.

use burn::tensor::{Device, Distribution, Tensor};

use crate::fusion::{ModalityLogits, UncertaintyFusion};
use crate::modality::Presence;

/// Checks that weights are in `[0, 1]`, sum to 1 over the modalities present and are 0 elsewhere,
/// that results are finite at extreme logits, and that the order of modalities does not matter. It
/// runs on every test device.
///
/// `make` builds a rule that treats all modalities alike.
pub(crate) fn assert_fusion_laws<F: UncertaintyFusion>(make: impl Fn(usize, &Device) -> F) {
    const N: usize = 24;
    for device in crate::test_devices() {
        for (n_modalities, n_classes, scale) in [
            (1, 2, 1.0),
            (2, 8, 3.0),
            (3, 5, 1e4),
            (8, 1, 10.0),
            (2, 101, 1e-3),
        ] {
            let fusion = make(n_modalities, &device);
            let logits: Vec<Tensor<2>> = (0..n_modalities)
                .map(|_| {
                    let normal = Distribution::Normal(0.0, 1.0);
                    Tensor::random([N, n_classes], normal, &device) * scale
                })
                .collect();
            // Modality m of sample i is missing where bit m of i is set, unless all would be.
            let present = |i: usize, m: usize| {
                let all_missing = (0..n_modalities).all(|m| i >> m & 1 == 1);
                all_missing || i >> m & 1 == 0
            };
            let mask = (0..N).flat_map(|i| (0..n_modalities).map(move |m| present(i, m)));
            let presence = Presence::from_mask(mask.collect(), n_modalities).unwrap();
            let given = ModalityLogits::new(logits.clone(), presence).unwrap();
            let fused = fusion.fuse(&given);

            let weights: Vec<f32> = fused.weights.to_data().iter().collect();
            for (i, row) in weights.chunks(n_modalities).enumerate() {
                let sum: f32 = row.iter().sum();
                assert!((sum - 1.0).abs() < 1e-5, "sample {i}: {row:?}");
                for (m, weight) in row.iter().enumerate() {
                    assert!((0.0..=1.0 + 1e-6).contains(weight), "sample {i}: {row:?}");
                    assert!(present(i, m) || *weight == 0.0, "sample {i}: {row:?}");
                }
            }
            let values: Vec<f32> = fused.logits.to_data().iter().collect();
            assert!(values.iter().all(|value| value.is_finite()));

            // The contents of a missing row do not matter, even if they are NaN.
            let poisoned = (0..n_modalities)
                .map(|m| {
                    let rows: Vec<f32> = logits[m]
                        .to_data()
                        .iter::<f32>()
                        .enumerate()
                        .map(|(at, value)| {
                            if present(at / n_classes, m) {
                                value
                            } else {
                                f32::NAN
                            }
                        })
                        .collect();
                    let data = burn::tensor::TensorData::new(rows, [N, n_classes]);
                    Tensor::<2>::from_data(data, &device)
                })
                .collect();
            let poisoned = ModalityLogits::new(poisoned, given.presence().clone()).unwrap();
            let again: Vec<f32> = fusion.fuse(&poisoned).logits.into_data().iter().collect();
            assert_eq!(again, values);

            let reversed: Vec<Tensor<2>> = logits.iter().rev().cloned().collect();
            let mask = (0..N).flat_map(|i| (0..n_modalities).rev().map(move |m| present(i, m)));
            let presence = Presence::from_mask(mask.collect(), n_modalities).unwrap();
            let reversed = fusion.fuse(&ModalityLogits::new(reversed, presence).unwrap());
            let reversed: Vec<f32> = reversed.weights.into_data().iter().collect();
            for (row, other) in weights
                .chunks(n_modalities)
                .zip(reversed.chunks(n_modalities))
            {
                for (a, b) in row.iter().zip(other.iter().rev()) {
                    assert!((a - b).abs() < 1e-6, "{row:?} and {other:?}");
                }
            }
        }
    }
}
