//! Every head learns, and its predictions fit together.

use burn::module::Module;
use burn::tensor::Tensor;

use super::*;

#[test]
fn every_head_learns() {
    for device in devices() {
        let device = device.autodiff();
        for (kind, n_modalities) in ALL.into_iter().flat_map(|kind| [(kind, 2), (kind, 3)]) {
            let mut model = joint(kind, n_modalities, JointConfig::new(), &device);
            let mut optimizer = adamw();
            let mut losses = vec![];
            for _ in 0..40 {
                let batch = batch_of(24, n_modalities, 0, &device);
                losses.push(update(&mut model, &mut optimizer, 0.03, batch));
            }
            let (first, last) = (losses[0], losses[39]);
            let what = format!("{kind:?} of {n_modalities}: from {first} to {last}");
            assert!(last < 0.5 * first, "{what}");
            assert_eq!(model.n_steps(), 40);

            let plain = device.clone().inner();
            let batch = batch_of(30, n_modalities, 1, &plain);
            let labels = batch.targets.labels().to_vec();
            let prediction = model.valid().predict(batch).unwrap();
            assert_eq!(prediction.fused.dims(), [30, N_CLASSES], "{what}");
            let classes: Vec<i64> = prediction.fused.argmax(1).into_data().iter().collect();
            let right = classes.iter().zip(&labels).filter(|(a, b)| a == b).count();
            assert!(right >= 27, "{what}: {right} of 30 right");
            for modality in 0..n_modalities {
                let logits = prediction.modalities.modality(modality);
                assert_eq!(logits.dims(), [30, N_CLASSES], "{what}");
            }
        }
    }
}

/// The fused logits of a head and those of each modality.
fn predicted(
    kind: Kind,
    n_modalities: usize,
    device: &Device,
) -> (JointPrediction, Vec<Tensor<2>>) {
    let model = joint(kind, n_modalities, JointConfig::new(), device);
    let prediction = model.predict(batch_of(6, n_modalities, 4, device)).unwrap();
    let each = (0..n_modalities).map(|m| prediction.modalities.modality(m));
    let each = each.collect();
    (prediction, each)
}

#[test]
fn what_the_modalities_say_adds_up() {
    for device in devices() {
        for n_modalities in [2, 3] {
            for kind in [Kind::Sum, Kind::Concat, Kind::LateFusion, Kind::Ensemble] {
                let (prediction, each) = predicted(kind, n_modalities, &device);
                let sum = each.into_iter().reduce(|sum, term| sum + term).unwrap();
                let share = match kind {
                    Kind::Sum | Kind::Concat => 1.0,
                    _ => 1.0 / n_modalities as f64,
                };
                let expected: Vec<f64> = rows(sum).concat().iter().map(|x| x * share).collect();
                close(
                    &values(prediction.fused),
                    &expected,
                    1e-5,
                    &format!("{kind:?}"),
                );
                assert!(prediction.weights.is_none(), "{kind:?}");
            }
        }
    }
}

#[test]
fn qmf_weighs_by_a_tenth_of_the_energy() {
    for device in devices() {
        for n_modalities in [2, 3] {
            let (prediction, each) = predicted(Kind::Qmf, n_modalities, &device);
            let each: Vec<_> = each.into_iter().map(rows).collect();
            let (mut fused, mut weights) = (vec![], vec![]);
            for sample in 0..6 {
                let conf: Vec<f64> = each.iter().map(|z| logsumexp(&z[sample]) / 10.0).collect();
                for class in 0..N_CLASSES {
                    let terms = conf.iter().zip(&each);
                    fused.push(terms.map(|(c, z)| c * z[sample][class]).sum());
                }
                weights.extend(conf);
            }
            close(&values(prediction.fused), &fused, 1e-5, "fused");
            close(
                &values(prediction.weights.unwrap()),
                &weights,
                1e-5,
                "weights",
            );
        }
    }
}

/// In a head without a term per modality, the other modalities are missing.
#[test]
fn a_modality_on_its_own_is_predicted_as_if_the_others_were_missing() {
    for device in devices() {
        for kind in ALL {
            let model = joint(kind, 3, JointConfig::new(), &device);
            let batch = batch_of(4, 3, 4, &device);
            let all = model.predict(batch.clone()).unwrap();
            for modality in 0..3 {
                let mask: Vec<bool> = (0..12).map(|entry| entry % 3 == modality).collect();
                let alone = Presence::from_mask(mask, 3).unwrap();
                let alone = model.predict(batch.clone().with_presence(&alone).unwrap());
                let alone = alone.unwrap();
                let logits = all.modalities.modality(modality);
                assert_eq!(
                    values(alone.modalities.modality(modality)),
                    values(logits.clone()),
                    "{kind:?}"
                );
                match kind {
                    Kind::Concat | Kind::Qmf => {} // b instead of b / M; weighted
                    _ => assert_eq!(values(alone.fused), values(logits), "{kind:?}"),
                }
            }
        }
    }
}
