//! Evaluation in batches of different sizes, against samples taken one by one.

use std::sync::Arc;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::tensor::Device;
use burn_mla::evaluation::{evaluate_subsets, fit_temperatures};
use burn_mla::prelude::*;

use crate::common::*;
use crate::joint::{cross_entropy, rows};

const N: usize = 11;

/// Sample `i` is the first of batch `i` of the flows. Every fourth label is wrong, and every third
/// sample lacks the second modality.
struct Numbered;

impl Batcher<u64, MultimodalBatch<MlpInputs>> for Numbered {
    fn batch(&self, items: Vec<u64>, device: &Device) -> MultimodalBatch<MlpInputs> {
        let (mut labels, mut a, mut b, mut with_b) = (vec![], vec![], vec![], vec![]);
        for (row, &item) in items.iter().enumerate() {
            let (label, first, second) = samples(1, item);
            labels.push((label[0] + usize::from(item % 4 == 3)) % N_CLASSES);
            a.extend(first);
            if item % 3 != 1 {
                b.extend(second);
                with_b.push(row);
            }
        }
        let b = if with_b.is_empty() {
            None
        } else {
            ModalityInput::rows(matrix(b, D_B, device), with_b)
        };
        let inputs = (Some(ModalityInput::all(matrix(a, D_A, device))), b);
        MultimodalBatch::new(inputs, Targets::new(labels, device))
    }
}

type Loader = Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>>;

fn loader(batch_size: usize, device: &Device) -> Loader {
    DataLoaderBuilder::new(Numbered)
        .batch_size(batch_size)
        .set_device(device.clone())
        .build(InMemDataset::new((0..N as u64).collect()))
}

/// Label, then logits of each modality that the sample has and of the fusion.
type Sample = (usize, [Option<Vec<f64>>; 3]);

fn one_by_one(model: &MlpMla<RlsProjector>, device: &Device) -> Vec<Sample> {
    let batches = loader(1, device);
    let sample = |batch: MultimodalBatch<MlpInputs>| {
        let label = batch.targets.labels()[0] as usize;
        let presence = batch.presence().unwrap();
        let prediction = model.predict(batch).unwrap();
        let each = [0, 1].map(|m| {
            let logits = || rows(prediction.modalities.modality(m)).concat();
            presence.is_present(0, m).then(logits)
        });
        let [a, b] = each;
        (label, [a, b, Some(rows(prediction.fused.clone()).concat())])
    };
    batches.iter().map(|batch| sample(batch.unwrap())).collect()
}

/// Share of correct predictions of a branch, over the samples that have it.
fn accuracy(samples: &[Sample], branch: usize) -> f64 {
    let hits = samples.iter().filter_map(|(label, logits)| {
        let logits = logits[branch].as_ref()?;
        let largest = logits.iter().copied().fold(f64::MIN, f64::max);
        Some(f64::from(logits[*label] == largest))
    });
    let hits: Vec<f64> = hits.collect();
    hits.iter().sum::<f64>() / hits.len() as f64
}

#[test]
fn every_sample_counts_once_whatever_the_size_of_its_batch() {
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device).valid();
        let samples = one_by_one(&model, &device);
        let losses = samples.iter().map(|(label, logits)| {
            let fused = logits[2].as_ref().unwrap();
            cross_entropy(fused, *label)
        });
        let loss = losses.sum::<f64>() / N as f64;
        // Batches of 4, 4 and 3, and of 10 and 1.
        for batch_size in [1, 4, 10, 20] {
            let loader = loader(batch_size, &device);
            let evaluation = evaluate(&model, &*loader).unwrap();
            close(&[evaluation.loss as f32], &[loss], 1e-5, "loss");
            assert_eq!(evaluation.fused.n_samples(), N);
            assert_eq!(evaluation.fused.accuracy(), accuracy(&samples, 2));
            for (m, confusion) in evaluation.modalities.iter().enumerate() {
                assert_eq!(confusion.n_samples(), [N, 7][m]);
                assert_eq!(confusion.accuracy(), accuracy(&samples, m));
            }
            let subsets = evaluate_subsets(&model, &*loader).unwrap();
            assert_eq!(subsets.n_samples(), N);
            assert_eq!(subsets.subset(&[1]).unwrap().n_left_out, 4);
            let twice = subsets.clone().with_names(["image", "image"]).unwrap_err();
            assert_eq!(twice.to_string(), "two modalities have the name `image`");
            let named = subsets.with_names(["image", "text"]).unwrap();
            let table = named.to_string();
            assert!(table.contains("\nimage + text "), "{table}");
        }
    }
}

#[test]
fn temperatures_do_not_depend_on_the_batches() {
    for device in devices() {
        let training = device.clone().autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &training);
        let model = train(model, 40, &mut sgd(), &training).valid();
        let fitted = |batch_size| fit_temperatures(&model, &*loader(batch_size, &device)).unwrap();
        let expected = fitted(N);
        let inside = |t: &f64| (0.05..20.0).contains(t);
        assert!(expected.iter().all(inside), "{expected:?}");
        for batch_size in [1, 4] {
            for (found, expected) in fitted(batch_size).iter().zip(&expected) {
                assert!((found / expected - 1.0).abs() < 1e-3, "{found}, {expected}");
            }
        }
    }
}
