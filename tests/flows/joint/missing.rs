//! Missing modalities in joint models.

use burn::module::Module;
use burn::tensor::Tensor;
use burn_mla::loss::CrossEntropyConfig;
use burn_mla::modality::Rows;

use super::*;

/// Samples that lack one or two of three modalities.
fn some() -> Presence {
    presence(&[
        [true, false, true],
        [true, true, true],
        [false, true, false],
        [true, true, false],
        [false, false, true],
        [true, false, true],
    ])
}

/// The first modality is absent.
fn without_first() -> Presence {
    presence(&[
        [false, true, true],
        [false, false, true],
        [false, true, false],
        [false, true, true],
        [false, true, true],
        [false, false, true],
    ])
}

#[test]
fn every_head_trains_and_predicts_with_missing_modalities() {
    for device in devices() {
        let device = device.autodiff();
        for (kind, mask) in ALL
            .into_iter()
            .flat_map(|k| [(k, some()), (k, without_first())])
        {
            let mut model = joint(kind, 3, JointConfig::new(), &device);
            let before = state(&model.encoders);
            let batch = || {
                let batch = batch_of(6, 3, 1, &device);
                batch.with_presence(&mask).unwrap()
            };
            let first = update(&mut model, &mut adamw(), 0.02, batch());
            let second = update(&mut model, &mut adamw(), 0.02, batch());
            assert!(second < first, "{kind:?}: from {first} to {second}");
            let after = state(&model.encoders);
            for ((path, before), (_, after)) in before.iter().zip(&after) {
                let absent = path.starts_with("0.") && mask.rows(0).is_empty();
                assert_eq!(before == after, absent, "{kind:?}, {path}");
            }
            let prediction = model.valid().predict(batch()).unwrap();
            assert!(values(prediction.fused).iter().all(|x| x.is_finite()));
            for modality in 0..3 {
                let logits = rows(prediction.modalities.modality(modality));
                for (sample, logits) in logits.iter().enumerate() {
                    let zero = logits.iter().all(|&x| x == 0.0);
                    assert_eq!(zero, !mask.is_present(sample, modality), "{kind:?}");
                }
            }
        }
    }
}

/// The logits of a sample do not depend on the other samples or on what they lack.
#[test]
fn other_samples_do_not_matter() {
    for device in devices() {
        for kind in ALL {
            let model = joint(kind, 3, JointConfig::new(), &device);
            let batch = batch_of(6, 3, 1, &device).with_presence(&some()).unwrap();
            let all = rows(model.predict(batch).unwrap().fused);
            for (sample, expected) in all.iter().enumerate() {
                let (labels, tensors) = inputs(6, 3, 1);
                let tensors =
                    tensors
                        .into_iter()
                        .zip(INPUTS)
                        .enumerate()
                        .map(|(m, (values, width))| {
                            let row = values[sample * width..][..width].to_vec();
                            let input = ModalityInput::all(matrix(row, width, &device));
                            some().is_present(sample, m).then_some(input)
                        });
                let targets = Targets::new([labels[sample]], &device);
                let batch = MultimodalBatch::new(tensors.collect::<Vec<_>>(), targets);
                let fused = model.predict(batch).unwrap().fused;
                close(
                    &values(fused),
                    expected,
                    1e-5,
                    &format!("{kind:?}, {sample}"),
                );
            }
        }
    }
}

/// Features of missing rows may hold anything.
#[test]
fn what_stands_in_missing_rows_does_not_matter() {
    for device in devices() {
        for kind in ALL {
            let head = set_parameters(kind.head(&FEATURES, N_CLASSES, &device), 2);
            let mut numbers = Numbers::new(3);
            let good = FEATURES.map(|width| numbers.tensor([6, width], &device));
            let spoiled = good.clone().map(|tensor| {
                let width = tensor.dims()[1];
                let modality = FEATURES.iter().position(|&w| w == width).unwrap();
                let mut values = values(tensor);
                for sample in (0..6).filter(|&s| !some().is_present(s, modality)) {
                    values[sample * width..][..width].fill(f32::NAN);
                }
                matrix(values, width, &device)
            });
            let targets = Targets::new([0, 1, 2, 0, 1, 2], &device);
            let loss = |features: [Tensor<2>; 3]| {
                let samples = JointSamples {
                    held: None,
                    step: 0,
                    features: ModalityFeatures::new(features.to_vec(), some()).unwrap(),
                    targets: &targets,
                    samples: Some(&[5, 4, 3, 2, 1, 0]),
                    training_loss: &CrossEntropyConfig::new()
                        .with_label_smoothing(Some(0.1))
                        .init()
                        .unwrap(),
                };
                let found = head.loss(&samples).unwrap();
                (
                    values(found.loss),
                    values(found.logits),
                    found.observed.map(values),
                )
            };
            let expected = loss(good);
            assert!(expected.0[0].is_finite(), "{kind:?}");
            assert_eq!(loss(spoiled), expected, "{kind:?}");
        }
    }
}

/// The mean over the modalities present, computed by hand.
#[test]
fn late_fusion_and_sum_leave_a_missing_modality_out() {
    for device in devices() {
        for kind in [Kind::Sum, Kind::LateFusion, Kind::Ensemble, Kind::Qmf] {
            let model = joint(kind, 3, JointConfig::new(), &device);
            let batch = batch_of(6, 3, 1, &device).with_presence(&some()).unwrap();
            let prediction = model.predict(batch).unwrap();
            let weights = prediction.weights.map(rows);
            let each: Vec<_> = (0..3)
                .map(|m| rows(prediction.modalities.modality(m)))
                .collect();
            let logit = |m: usize, sample: usize, class: usize| each[m][sample][class];
            let mut expected = vec![];
            for sample in 0..6 {
                let there: Vec<usize> = (0..3).filter(|&m| some().is_present(sample, m)).collect();
                for class in 0..N_CLASSES {
                    let term = |&m: &usize| match (kind, &weights) {
                        (Kind::Sum, _) => logit(m, sample, class),
                        (Kind::Qmf, Some(weights)) => weights[sample][m] * logit(m, sample, class),
                        _ => logit(m, sample, class) / there.len() as f64,
                    };
                    expected.push(there.iter().map(term).sum::<f64>());
                }
            }
            close(
                &values(prediction.fused),
                &expected,
                1e-5,
                &format!("{kind:?}"),
            );
            for (sample, weights) in weights.iter().flatten().enumerate() {
                for (m, &weight) in weights.iter().enumerate() {
                    assert_eq!(weight == 0.0, !some().is_present(sample, m));
                }
            }
        }
    }
}

/// The loss of an ensemble is the sum of unimodal losses, each over the samples that have the modality.
#[test]
fn unimodal_losses_are_over_the_samples_that_have_the_modality() {
    for device in devices() {
        let device = device.autodiff();
        let model = joint(Kind::Ensemble, 3, JointConfig::new(), &device);
        let batch = batch_of(6, 3, 1, &device).with_presence(&some()).unwrap();
        let labels = batch.targets.labels().to_vec();
        let each = model.valid().predict(batch.clone()).unwrap().modalities;
        let mut expected = 0.0;
        for modality in 0..3 {
            let logits = rows(each.modality(modality));
            let there = some().rows(modality);
            let loss = |&i: &usize| cross_entropy(&logits[i], labels[i] as usize);
            expected += there.iter().map(loss).sum::<f64>() / there.len() as f64;
        }
        let output = model.try_step(batch).unwrap();
        close(&values(output.item.loss), &[expected], 1e-5, "loss");
    }
}

type ImageJoint = Joint<Pair, AnyHead>;
type ImageBatch = MultimodalBatch<(
    Option<ModalityInput<Tensor<4>>>,
    Option<ModalityInput<Tensor<2>>>,
)>;

fn image_joint(device: &Device) -> ImageJoint {
    let head = Kind::Sum.head(&[D_FEATURE, D_FEATURE], N_CLASSES, device);
    let encoders = set_parameters(pair(device), 1);
    JointConfig::new().init(encoders, head).unwrap()
}

fn pixels(n: usize, seed: u64, device: &Device) -> Tensor<4> {
    Numbers::new(seed).tensor([n, 1, 4, 4], device)
}

fn image_batch(image: Option<(Tensor<4>, Rows)>, device: &Device) -> ImageBatch {
    let text = ModalityInput::all(Numbers::new(2).tensor([3, D_B], device));
    let image = image.map(|(input, rows)| ModalityInput { input, rows });
    MultimodalBatch::new((image, Some(text)), Targets::new([0, 1, 2], device))
}

/// Means and variances of batch normalization.
fn running(model: &ImageJoint) -> Vec<(String, Vec<f32>)> {
    let mut state = state(&model.encoders);
    state.retain(|(path, _)| path.contains("running"));
    assert_eq!(state.len(), 2);
    state
}

/// A step with a learning rate of 0: only the statistics change.
fn observe(model: &mut ImageJoint, batch: ImageBatch) {
    let output = model.try_step(batch).unwrap();
    model.try_optimize(&mut sgd(), 0.0, output.grads).unwrap();
}

#[test]
fn running_statistics_are_of_the_samples_that_have_the_modality() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = image_joint(&device);
        let before = running(&model);
        observe(&mut model, image_batch(None, &device));
        assert_eq!(running(&model), before, "no sample has an image");

        let one = pixels(1, 5, &device);
        let rows = Rows::Some(vec![1]);
        let batch = image_batch(Some((one.clone(), rows)), &device);
        observe(&mut model, batch);
        let of_one = running(&model);
        assert_ne!(of_one, before);

        let reference = image_joint(&device);
        let _ = reference.encoders.0.encode(one);
        // Carried as a sum over samples, which rounds.
        for ((path, expected), (_, found)) in running(&reference).iter().zip(&of_one) {
            let expected: Vec<f64> = expected.iter().map(|&value| f64::from(value)).collect();
            close(found, &expected, 1e-6, path);
        }
    }
}

/// A failed step reverts its own changes, and none of an earlier step.
#[test]
fn a_refused_step_leaves_what_the_steps_before_did() {
    for device in devices() {
        let device = device.autodiff();
        let good = || image_batch(Some((pixels(3, 5, &device), Rows::All)), &device);
        let expected = {
            let mut model = image_joint(&device);
            observe(&mut model, good());
            running(&model)
        };

        // A NaN image: its encoder ran.
        let mut model = image_joint(&device);
        observe(&mut model, good());
        let bad = image_batch(Some((pixels(3, 5, &device) * f32::NAN, Rows::All)), &device);
        let error = model.try_step(bad).map(|_| ()).unwrap_err();
        assert!(
            matches!(error, MlaError::NonFinite { modality: 0, .. }),
            "{error}"
        );
        assert_eq!(running(&model), expected);

        // A NaN text in a batch without images: the image encoder did not run.
        let mut model = image_joint(&device);
        observe(&mut model, good());
        let mut bad = image_batch(None, &device);
        let text = bad.inputs.1.take().unwrap();
        bad.inputs.1 = Some(ModalityInput::all(text.input * f32::NAN));
        let error = model.try_step(bad).map(|_| ()).unwrap_err();
        assert!(
            matches!(error, MlaError::NonFinite { modality: 1, .. }),
            "{error}"
        );
        assert_eq!(running(&model), expected);

        // A malformed batch: no encoder ran.
        let mut model = image_joint(&device);
        observe(&mut model, good());
        let mut bad = image_batch(None, &device);
        bad.inputs.1 = ModalityInput::rows(Tensor::zeros([1, D_B], &device), vec![1]);
        let error = model.try_step(bad).map(|_| ()).unwrap_err();
        assert_eq!(error, MlaError::NothingPresent { sample: 0 });
        assert_eq!(running(&model), expected);
    }
}

#[test]
fn a_sample_with_nothing_is_named() {
    let device = Device::flex().autodiff();
    let model = joint(Kind::Sum, 2, JointConfig::new(), &device);
    let mut batch = batch_of(3, 2, 0, &device);
    let rows = |width, samples: Vec<usize>| {
        ModalityInput::rows(Tensor::zeros([samples.len(), width], &device), samples)
    };
    batch.inputs = vec![rows(INPUTS[0], vec![0]), rows(INPUTS[1], vec![2, 0])];
    let error = MlaError::Sample {
        sample: 1,
        position: Some(1),
        problem: Box::new(MlaError::NothingPresent { sample: 1 }),
    };
    assert_eq!(
        model.try_step(batch.clone()).map(|_| ()),
        Err(error.clone())
    );
    assert_eq!(model.valid().predict(batch).map(|_| ()), Err(error));
}
