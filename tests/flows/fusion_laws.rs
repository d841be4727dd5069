//! Laws of Eq. 6-8, and of fusion by confidence, as properties.

use burn::tensor::{Tensor, TensorData};
use burn_mla::fusion::{ModalityLogits, entropy};
use burn_mla::fusion::{Score, ScoreFusionConfig};
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use proptest::{collection, sample, strategy::Strategy};

use crate::common::{devices, values};

const N: usize = 4;

/// Classes, logits `[m][n][c]`, and a mask `[n][m]` in which no sample is empty.
fn case() -> impl Strategy<Value = (usize, Vec<Vec<f32>>, Vec<bool>)> {
    let scale = sample::select(vec![1e-3f32, 1.0, 30.0, 1e4, 1e38]);
    (1usize..6, 1usize..5, scale).prop_flat_map(|(c, m, scale)| {
        let logits = collection::vec(collection::vec(-scale..scale, N * c), m);
        let mask = collection::vec(any::<bool>(), N * m).prop_map(move |mut mask| {
            mask.chunks_mut(m)
                .filter(|row| !row.contains(&true))
                .for_each(|row| row[0] = true);
            mask
        });
        (logits, mask).prop_map(move |(logits, mask)| (c, logits, mask))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn weights_are_a_distribution_over_what_is_present((c, logits, mask) in case()) {
        let m = logits.len();
        for device in devices() {
            let tensors: Vec<Tensor<2>> = logits
                .iter()
                .map(|z| Tensor::from_data(TensorData::new(z.clone(), [N, c]), &device))
                .collect();
            let presence = Presence::from_mask(mask.clone(), m).unwrap();
            let given = ModalityLogits::new(tensors.clone(), presence).unwrap();
            let fused = EntropyFusionConfig::new(m).init(&device).unwrap().fuse(&given);
            let weights = values(fused.weights);
            let entropies: Vec<Vec<f32>> =
                tensors.iter().map(|z| values(entropy(z.clone()))).collect();
            prop_assert!(values(fused.logits).iter().all(|x| x.is_finite()));
            for i in 0..N {
                let row = &weights[i * m..][..m];
                prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
                for a in 0..m {
                    prop_assert!((0.0..=1.0).contains(&row[a]), "{row:?}");
                    prop_assert!(mask[i * m + a] || row[a] == 0.0, "{row:?}");
                    prop_assert!(entropies[a][i] <= (c as f32).ln() + 1e-5);
                    for b in 0..m {
                        let both = mask[i * m + a] && mask[i * m + b];
                        if both && entropies[a][i] < entropies[b][i] - 1e-5 {
                            prop_assert!(row[a] > row[b], "the less certain one weighs more");
                        }
                        // Eq. 8 bounds the ratio of two weights by the number of classes.
                        prop_assert!(!both || row[a] <= row[b] * c as f32 * 1.001);
                    }
                }
            }
        }
    }

    #[test]
    fn the_surer_modality_weighs_more((c, logits, mask) in case(), temperature in 0.01f64..10.0) {
        let m = logits.len();
        for device in devices() {
            let tensors: Vec<Tensor<2>> = logits
                .iter()
                .map(|z| Tensor::from_data(TensorData::new(z.clone(), [N, c]), &device))
                .collect();
            let presence = Presence::from_mask(mask.clone(), m).unwrap();
            let given = ModalityLogits::new(tensors, presence).unwrap();
            for score in [Score::MaxProbability, Score::Margin, Score::Energy] {
                let config = ScoreFusionConfig::new(m, score);
                let fusion = config.with_temperature(temperature).init(&device).unwrap();
                let fused = fusion.fuse(&given);
                prop_assert!(values(fused.logits).iter().all(|x| x.is_finite()));
                let weights = values(fused.weights);
                let scores = values(fusion.scores(&given));
                for i in 0..N {
                    let row = &weights[i * m..][..m];
                    prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
                    for a in 0..m {
                        prop_assert!((0.0..=1.0).contains(&row[a]), "{row:?}");
                        prop_assert!(mask[i * m + a] || row[a] == 0.0, "{row:?}");
                        for b in 0..m {
                            let surer = scores[i * m + a] >= scores[i * m + b];
                            let both = mask[i * m + a] && mask[i * m + b];
                            prop_assert!(!both || !surer || row[a] >= row[b], "{row:?}");
                        }
                    }
                }
            }
        }
    }
}
