//! Gradients summed over micro-batches.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};

use super::*;

/// Rows `range` of a batch.
fn part(batch: &Batch, range: std::ops::Range<usize>, device: &Device) -> Batch {
    let inputs = batch.inputs.iter().map(|part| {
        let part = part.as_ref().unwrap();
        part.input.clone().slice([range.clone()])
    });
    let rows: Vec<usize> = range.clone().collect();
    let targets = Targets::from_labels(batch.targets.select(&rows).labels().to_vec(), device);
    let part = MultimodalBatch::paired(inputs.collect::<Vec<_>>(), targets);
    part.with_samples(batch.samples.as_ref().unwrap()[range].to_vec())
}

/// The ranking loss of QMF depends on neighbours, which change when a batch is split. The rest of its
/// loss does not.
#[test]
fn two_unequal_parts_end_where_the_whole_does() {
    for device in devices() {
        let device = device.autodiff();
        for kind in ALL {
            let build = || {
                let config = JointConfig::new().with_accumulation(true);
                let mut model = joint(kind, 3, config, &device);
                if kind == Kind::Qmf {
                    let config = QmfConfig::new(FEATURES.to_vec(), N_CLASSES, N_DATA);
                    let head = config.with_ranking_weight(1e-30).init(&device).unwrap();
                    model.head = set_parameters(AnyHead::Qmf(head), 2);
                }
                model
            };
            let (mut whole, mut parts) = (build(), build());
            let (mut one, mut two) = (sgd(), sgd());
            for t in 0..3 {
                let batch = batch_of(8, 3, t, &device);
                update(&mut whole, &mut one, 0.1, batch.clone());
                let mut sum = GradientsAccumulator::new();
                for range in [0..7, 7..8] {
                    let output = parts.try_step(part(&batch, range, &device)).unwrap();
                    sum.accumulate(&parts, output.grads);
                }
                parts.try_optimize(&mut two, 0.1, sum.grads()).unwrap();
            }
            assert_eq!(parts.n_steps(), 3);
            let pairs = state(&parts).into_iter().zip(state(&whole));
            for ((path, found), (_, expected)) in pairs {
                let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
                close(&found, &expected, 1e-5, &format!("{kind:?}, {path}"));
            }
        }
    }
}

/// Each pass counts a sample once, however many passes an update has.
#[test]
fn one_micro_batch_is_a_batch() {
    for device in devices() {
        let device = device.autodiff();
        let config = JointConfig::new().with_accumulation(true);
        let build = || joint(Kind::Qmf, 2, config.clone(), &device);
        let (mut direct, mut summed) = (build(), build());
        update(&mut direct, &mut sgd(), 0.1, batch_of(8, 2, 0, &device));
        let output = summed.try_step(batch_of(8, 2, 0, &device)).unwrap();
        let mut sum = GradientsAccumulator::new();
        sum.accumulate(&summed, output.grads);
        summed.try_optimize(&mut sgd(), 0.1, sum.grads()).unwrap();
        assert_eq!(state(&summed), state(&direct));
    }
}

/// A sum of gradients drops what QMF observed, unless the model is told to sum it, too.
#[test]
fn a_sum_without_its_observations_is_refused() {
    for device in devices() {
        let device = device.autodiff();
        for kind in ALL {
            let mut model = joint(kind, 2, JointConfig::new(), &device);
            let before = state(&model);
            let mut sum = GradientsAccumulator::new();
            for seed in 0..2 {
                let output = model.try_step(batch_of(4, 2, seed, &device)).unwrap();
                sum.accumulate(&model, output.grads);
            }
            let updated = model.try_optimize(&mut sgd(), 0.1, sum.grads());
            if kind == Kind::Qmf {
                assert_eq!(updated, Err(MlaError::ObservationsLost));
                assert_eq!(state(&model), before);
            } else {
                assert_eq!(updated, Ok(()), "{kind:?}");
            }
        }
    }
}

#[test]
fn gradients_of_another_source_are_refused() {
    for device in devices() {
        let device = device.autodiff();
        for kind in ALL {
            let mut model = joint(kind, 2, JointConfig::new(), &device);
            let mut optimizer = adamw();
            update(&mut model, &mut optimizer, 0.02, batch_of(6, 2, 0, &device));
            let before = state(&model);
            let optimizer_before = optimizer.to_record().into_bytes().unwrap();

            let features = model.features(batch_of(6, 2, 1, &device)).unwrap();
            let loss = model.head.fuse(&features).logits.sum();
            let by_hand = GradientsParams::from_grads(loss.backward(), &model);
            let of_another = joint(kind, 2, JointConfig::new(), &device);
            let of_another = of_another.try_step(batch_of(6, 2, 1, &device)).unwrap();
            for gradients in [GradientsParams::new(), by_hand, of_another.grads] {
                let error = model.try_optimize(&mut optimizer, 0.02, gradients);
                assert_eq!(error, Err(MlaError::NoStepGradients), "{kind:?}");
            }
            assert_eq!(state(&model), before, "{kind:?}");
            assert_eq!(model.n_steps(), 1);
            assert_eq!(
                optimizer.to_record().into_bytes().unwrap(),
                optimizer_before
            );
            assert!(model.devices().len() == 1);
        }
    }
}
