//! Evaluation of joint models against predictions computed by hand.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn_mla::evaluation::{evaluate, evaluate_subsets, fit_temperatures};
use burn_mla::fusion::fit_temperature;

use super::*;

const N: usize = 20;

/// The batch with this number. Some of its five samples lack the first or the second modality.
struct Numbered;

impl Batcher<u64, Batch> for Numbered {
    fn batch(&self, items: Vec<u64>, device: &Device) -> Batch {
        let mask = presence(&[
            [true, true, true],
            [true, false, true],
            [false, true, false],
            [true, true, false],
            [true, false, true],
        ]);
        let batch = batch_of(5, 3, items[0], device);
        batch.with_presence(&mask).unwrap()
    }
}

fn loader(device: &Device) -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(Numbered)
        .batch_size(1)
        .set_device(device.clone())
        .build(InMemDataset::new((0..N as u64 / 5).collect()))
}

fn batches(device: &Device) -> Vec<Batch> {
    loader(device).iter().map(|batch| batch.unwrap()).collect()
}

fn trained(kind: Kind, device: &Device) -> MlpJoint {
    let training = device.clone().autodiff();
    let mut model = joint(kind, 3, JointConfig::new(), &training);
    let mut optimizer = adamw();
    for t in 0..4 {
        update(
            &mut model,
            &mut optimizer,
            0.02,
            batch_of(9, 3, t, &training),
        );
    }
    model.valid()
}

/// Share of samples whose largest logit is at the label.
fn accuracy(predicted: &[(Vec<f64>, usize)]) -> f64 {
    let right = predicted.iter().filter(|(logits, label)| {
        let largest = logits.iter().copied().fold(f64::MIN, f64::max);
        logits[*label] == largest
    });
    right.count() as f64 / predicted.len() as f64
}

#[test]
fn an_evaluation_is_what_the_predictions_say() {
    for device in devices() {
        for kind in ALL {
            let model = trained(kind, &device);
            let evaluation = evaluate(&model, &*loader(&device)).unwrap();
            let (mut fused, mut each) = (vec![], vec![vec![]; 3]);
            let mut loss = 0.0;
            for batch in batches(&device) {
                let labels = batch.targets.labels().to_vec();
                let mask = batch.presence().unwrap();
                let prediction = model.predict(batch).unwrap();
                for (logits, &label) in rows(prediction.fused).into_iter().zip(&labels) {
                    loss += cross_entropy(&logits, label as usize) / N as f64;
                    fused.push((logits, label as usize));
                }
                for (modality, each) in each.iter_mut().enumerate() {
                    let logits = rows(prediction.modalities.modality(modality));
                    for row in mask.rows(modality) {
                        each.push((logits[row].clone(), labels[row] as usize));
                    }
                }
            }
            assert_eq!(evaluation.fused.accuracy(), accuracy(&fused), "{kind:?}");
            close(&[evaluation.loss as f32], &[loss], 1e-5, "loss");
            for (confusion, each) in evaluation.modalities.iter().zip(&each) {
                assert_eq!(confusion.accuracy(), accuracy(each), "{kind:?}");
            }
            // All modalities of all samples together.
            let subsets = evaluate_subsets(&model, &*loader(&device)).unwrap();
            assert_eq!(subsets.full().unwrap().confusion, evaluation.fused);
        }
    }
}

/// A subset is predicted as if the samples had no other modality.
#[test]
fn a_subset_is_what_samples_without_the_others_get() {
    for device in devices() {
        for kind in ALL {
            let model = trained(kind, &device);
            let subsets = evaluate_subsets(&model, &*loader(&device)).unwrap();
            for score in subsets.iter() {
                let mut predicted = vec![];
                for batch in batches(&device) {
                    let mask = batch.presence().unwrap();
                    // One sample at a time, without samples that lack the whole subset.
                    for row in mask.rows_with_any(&score.modalities) {
                        let label = batch.targets.labels()[row] as usize;
                        let alone = sample(&batch, row, &score.modalities, &device);
                        let logits = rows(model.predict(alone).unwrap().fused);
                        predicted.push((logits[0].clone(), label));
                    }
                }
                let modalities = &score.modalities;
                assert_eq!(score.n_left_out, N - predicted.len());
                let found = score.confusion.accuracy();
                assert_eq!(found, accuracy(&predicted), "{kind:?}, {modalities:?}");
            }
        }
    }
}

/// One sample of a batch with only `modalities`.
fn sample(batch: &Batch, row: usize, modalities: &[usize], device: &Device) -> Batch {
    use burn_mla::modality::Rows;
    let part = |(m, part): (usize, &Option<ModalityInput<Tensor<2>>>)| {
        let part = part.as_ref().filter(|_| modalities.contains(&m))?;
        let at = match &part.rows {
            Rows::All => row,
            Rows::Some(rows) => rows.iter().position(|&r| r == row)?,
        };
        Some(ModalityInput::all(part.input.clone().slice([at..at + 1])))
    };
    let inputs = batch.inputs.iter().enumerate().map(part).collect();
    let label = batch.targets.labels()[row] as usize;
    MultimodalBatch::new(inputs, Targets::new([label], device))
}

/// The prediction of a concatenation from one modality is the layer with zeros for the other features.
#[test]
fn a_subset_of_concat_is_its_layer_on_zeros() {
    for device in devices() {
        let model = trained(Kind::Concat, &device);
        let batch = batch_of(5, 3, 2, &device);
        let features = model.features(batch.clone()).unwrap();
        let output = model.try_evaluate(batch).unwrap();
        let layer = Layer::of(&model.head, "linear");
        let found = output.evaluated.unwrap().fuse(&[4, 1], &[1]).unwrap();
        let h = rows(features.modality(1));
        let mut expected = vec![];
        for row in [4, 1] {
            let mut x = vec![0.0; FEATURES.iter().sum()];
            x[FEATURES[0]..][..FEATURES[1]].copy_from_slice(&h[row]);
            expected.extend(layer.forward(&x));
        }
        close(&values(found), &expected, 1e-5, "the second modality alone");
    }
}

#[test]
fn subsets_of_batches_add_up_to_those_of_a_split() {
    for device in devices() {
        for kind in ALL {
            let model = trained(kind, &device);
            let mut correct = [0; 7];
            for batch in batches(&device) {
                let labels = batch.targets.labels().to_vec();
                let evaluated = model.try_evaluate(batch).unwrap().evaluated.unwrap();
                let subsets = evaluated.subsets().unwrap();
                let sums = correct.iter_mut().zip(&*subsets);
                sums.for_each(|(sum, subset)| *sum += subset.n_correct(&labels));
                assert_eq!(evaluated.gains(0, 0), Ok(None), "no projector");
            }
            let expected = evaluate_subsets(&model, &*loader(&device)).unwrap();
            for (mask, correct) in (1..).zip(correct) {
                let score = expected.mask(mask).unwrap();
                assert_eq!(score.confusion.n_correct(), correct, "{kind:?}");
            }
        }
    }
}

#[test]
fn temperatures_are_fitted_to_the_modalities() {
    for device in devices() {
        for kind in [Kind::Concat, Kind::Qmf] {
            let model = trained(kind, &device);
            let found = fit_temperatures(&model, &*loader(&device)).unwrap();
            for (modality, found) in found.into_iter().enumerate() {
                let (mut logits, mut labels) = (vec![], vec![]);
                for batch in batches(&device) {
                    let labels_of_batch = batch.targets.labels().to_vec();
                    let there = batch.presence().unwrap().rows(modality);
                    let each = model.predict(batch).unwrap().modalities;
                    let all = values(each.modality(modality));
                    for row in there {
                        logits.extend(&all[row * N_CLASSES..][..N_CLASSES]);
                        labels.push(labels_of_batch[row] as usize);
                    }
                }
                let logits = matrix(logits, N_CLASSES, &device);
                let expected = fit_temperature(logits, &Targets::new(labels, &device)).unwrap();
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{kind:?}: {found}, {expected}"
                );
            }
        }
    }
}
