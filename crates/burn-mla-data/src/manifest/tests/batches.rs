//! Batches hold what their samples hold, and reach a model.

use burn::data::dataset::{Dataset, DatasetError};
use burn::tensor::Device;
use burn_mla::fit::{FitConfig, fit};
use burn_mla::modality::Presence;
use burn_mla::prelude::{LinearHeadConfig, MlaConfig, MlpEncoderConfig, evaluate};
use proptest::prelude::*;
use rand::RngExt;

use super::*;
use crate::text::{HashedText, HashedTextConfig};

fn hashed(width: usize) -> HashedText {
    HashedTextConfig::new(width).init::<&str>(&[]).unwrap()
}

#[allow(deprecated)] // Burn marks ndarray deprecated.
fn devices() -> Vec<Device> {
    vec![
        Device::flex(),
        #[cfg(feature = "ndarray")]
        Device::ndarray(),
    ]
}

/// Values that are files of one `f32` in text, or nothing.
fn numbers(values: &[(Option<f32>, Option<f32>)]) -> (Folder, Manifest) {
    let folder = Folder::new(&[]);
    let mut text = "id,label,first,second\n".to_string();
    for (id, (first, second)) in values.iter().enumerate() {
        let write = |column: &str, value: Option<f32>| match value {
            None => String::new(),
            Some(value) => {
                let name = format!("{column}/{id}.npy");
                folder.write(&name, npy(value));
                name
            }
        };
        let (first, second) = (write("first", *first), write("second", *second));
        text += &format!("s{id},c{},{first},{second}\n", id % 2);
    }
    folder.write("data.csv", text);
    let config = ManifestConfig::new()
        .with_kind("first", ColumnKind::Features)
        .with_kind("second", ColumnKind::Features);
    let manifest = config.open(folder.path("data.csv")).unwrap();
    (folder, manifest)
}

fn npy(value: f32) -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(value.to_le_bytes());
    bytes
}

type Values = (Option<f32>, Option<f32>);

fn sample() -> impl Strategy<Value = Values> {
    let value = || prop::option::weighted(0.6, -9.0..9.0_f32);
    (value(), value()).prop_filter("no modality", |(a, b)| a.is_some() || b.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batches_are_the_items_they_were_made_of(
        values in prop::collection::vec(sample(), 1..20),
        batch_size in 1_usize..7,
        n_workers in 0_usize..3,
    ) {
        let (_folder, manifest) = numbers(&values);
        let front_ends = || (FeaturesFrontEnd::<2>::new([1]), FeaturesFrontEnd::<2>::new([1]));
        let data = manifest.dataset(front_ends()).unwrap().with_workers(n_workers);
        let device = Device::flex();
        let shuffled = data.shuffled(batch_size, 3, &device).unwrap();
        prop_assert_eq!(shuffled.n_batches, values.len().div_ceil(batch_size));
        let in_order = data.in_order(batch_size, &device).unwrap();
        for (loader, ordered) in [(&*shuffled.batches.loader, false), (&*in_order, true)] {
            let mut seen = vec![];
            for batch in loader.iter() {
                let batch = batch.unwrap();
                let presence = batch.presence().unwrap();
                let samples = batch.samples.clone().unwrap();
                prop_assert_eq!(
                    batch.targets.labels(),
                    samples.iter().map(|s| (s % 2) as i64).collect::<Vec<_>>()
                );
                let (first, second) = batch.inputs;
                for (modality, input) in [first, second].into_iter().enumerate() {
                    let expected: Vec<f32> = samples
                        .iter()
                        .filter_map(|&s| [values[s].0, values[s].1][modality])
                        .collect();
                    let rows: Vec<usize> = (0..samples.len())
                        .filter(|&at| [values[samples[at]].0, values[samples[at]].1][modality].is_some())
                        .collect();
                    prop_assert_eq!(presence.rows(modality), rows);
                    match input {
                        None => prop_assert!(expected.is_empty()),
                        Some(input) => {
                            let found: Vec<f32> = input.input.into_data().iter().collect();
                            prop_assert_eq!(found, expected);
                        }
                    }
                }
                seen.extend(samples);
            }
            if !ordered {
                seen.sort_unstable();
            }
            prop_assert_eq!(seen, (0..values.len()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn items_carry_their_identity_and_position() {
    let text = "id,label,split,title,body\na,x,train,one,\nb,x,test,two,\nc,y,train,,three\n";
    let folder = Folder::new(&[("data.csv", text)]);
    let manifest = folder.open("data.csv");
    // The column has one value only, which is text.
    let data = manifest.unwrap().dataset((hashed(8), hashed(8))).unwrap();
    let train = data.part(Split::Train).unwrap();
    let item = train.item(1).unwrap();
    assert_eq!(
        (item.id.as_str(), item.index, item.label),
        ("c", 1, Some(1))
    );
    assert!(item.items.0.is_none() && item.items.1 == Some(hashed(8).vector("three")));
    assert_eq!(train.samples(), [0, 2]);
    assert_eq!(train.presence().unwrap().rows(1), [1]);
    let error = data.part(Split::Valid).err().unwrap().to_string();
    assert_eq!(error, "the split valid has no sample");
}

/// Texts of any number of words, with noise when training.
struct Noisy;

impl FrontEnd for Noisy {
    type Item = Vec<f32>;
    type Input = burn::tensor::Tensor<2>;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::Text
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut rand::rngs::ChaCha12Rng>,
    ) -> Result<Vec<f32>, FrontEndError> {
        let Cell::Text(text) = cell else {
            return Err("no text".into());
        };
        if text.contains("second 3") {
            panic!("a decoder that panics");
        }
        let mut item = vec![text.len() as f32; if text == "second 5" { 3 } else { 2 }];
        item[0] += numbers.map_or(0.0, |numbers| numbers.random::<f32>());
        Ok(item)
    }

    fn collate(
        &self,
        items: Vec<Vec<f32>>,
        device: &Device,
    ) -> Result<burn::tensor::Tensor<2>, FrontEndError> {
        if items.iter().any(|item| item.len() != 2) {
            return Err("items of different lengths".into());
        }
        let data = burn::tensor::TensorData::new(items.concat(), [items.len(), 2]);
        Ok(burn::tensor::Tensor::from_data(data, device))
    }
}

#[test]
fn augmentation_is_that_of_the_seed_and_the_pass() {
    let (_folder, manifest) = texts(3, 2);
    let device = Device::flex();
    let pass = |n_workers: usize, seed: u64| {
        let data = manifest
            .dataset((hashed(4), Noisy))
            .unwrap()
            .with_workers(n_workers);
        let train = data.shuffled(2, seed, &device).unwrap();
        let passes = (0..2).map(|_| {
            let batches = train.batches.loader.iter();
            let values = batches.flat_map(|batch| {
                let values = batch.unwrap().inputs.1.unwrap().input.into_data();
                values.iter::<f32>().collect::<Vec<_>>()
            });
            values.collect::<Vec<f32>>()
        });
        passes.collect::<Vec<_>>()
    };
    let first = pass(0, 1);
    assert_ne!(first[0], first[1]);
    assert_eq!(pass(2, 1), first);
    assert_ne!(pass(0, 2), first);
    // None in evaluation.
    let data = manifest.dataset((hashed(4), Noisy)).unwrap();
    let loader = data.in_order(3, &device).unwrap();
    let batch = loader.iter().next().unwrap().unwrap();
    let values: Vec<f32> = batch.inputs.1.unwrap().input.into_data().iter().collect();
    assert_eq!(values, [8.0; 6]);
}

#[test]
fn errors_and_panics_of_front_ends_name_the_samples() {
    let (folder, manifest) = texts(6, 2);
    let data = manifest.dataset((hashed(4), Noisy)).unwrap();
    let errors = |start: usize, n_workers: usize| {
        let loader = data
            .clone()
            .with_workers(n_workers)
            .in_order(2, &Device::flex())
            .unwrap();
        let part = loader.slice(start, start + 2);
        let error: DatasetError = part.iter().next().unwrap().err().unwrap();
        message(&folder, error)
    };
    for n_workers in [0, 2] {
        let error = errors(2, n_workers);
        assert!(
            error.contains("item 3") && error.contains("a decoder that panics"),
            "{error}"
        );
        let error = errors(4, n_workers);
        let expected = "data: a batch of body from the samples [SampleId(\"s4\"), SampleId(\"s5\")]: items of \
             different lengths";
        assert_eq!(error, expected);
    }
    assert_eq!(Dataset::len(&data), 6);
}

#[test]
fn a_model_trains_and_predicts_where_no_sample_of_a_batch_has_a_modality() {
    for device in devices() {
        let row = |i: usize| {
            let word = ["cat", "dog"][i % 2];
            let title = if i < 40 { word } else { "" };
            format!(
                "{i},{word},{},{title},a {word}\n",
                if i < 32 { "train" } else { "valid" }
            )
        };
        let rows: String = (0..48).map(row).collect();
        let text = format!("id,label,split,title,body\n{rows}");
        let folder = Folder::new(&[("data.csv", &text)]);
        let data = folder
            .open("data.csv")
            .unwrap()
            .dataset((hashed(32), hashed(16)))
            .unwrap();
        let encoder = |width| MlpEncoderConfig::new(width, 8).init(&device).unwrap();
        let head = LinearHeadConfig::new(8, 2).init(&device).unwrap();
        let model = MlaConfig::new()
            .init_default((encoder(32), encoder(16)), head)
            .unwrap();
        let train = data
            .part(Split::Train)
            .unwrap()
            .shuffled(8, 0, &device)
            .unwrap();
        let valid = data
            .part(Split::Valid)
            .unwrap()
            .in_order(8, &device)
            .unwrap();
        let config = FitConfig::new(40)
            .with_progress(false)
            .with_learning_rate(0.01);
        let fitted = fit(model, train, valid.clone(), &config).unwrap();
        // The second batch has no titles.
        let found = evaluate(&fitted.model, &*valid).unwrap();
        assert_eq!(found.fused.accuracy(), 1.0);
    }
}

#[test]
fn a_masked_modality_is_neither_read_nor_present() {
    let values: Vec<Values> = (0..8).map(|i| (Some(i as f32), Some(-1.0))).collect();
    let (folder, manifest) = numbers(&values);
    // A file that is masked may be broken.
    folder.write("second/3.npy", "no array");
    let front_ends = || {
        (
            FeaturesFrontEnd::<2>::new([1]),
            FeaturesFrontEnd::<2>::new([1]),
        )
    };
    let data = manifest.dataset(front_ends()).unwrap();
    let mask = (0..8).flat_map(|row| [true, row != 3]).collect();
    let mask = Presence::from_mask(mask, 2).unwrap();
    let masked = data.with_presence(&mask).unwrap();
    assert_eq!(masked.presence().unwrap(), mask);
    assert!(data.item(3).is_err());
    assert_eq!(masked.item(3).unwrap().items, (Some(vec![3.0]), None));
    let batches = masked.in_order(4, &Device::flex()).unwrap();
    let first = batches.iter().next().unwrap().unwrap();
    assert_eq!(first.presence().unwrap().rows(1), [0, 1, 2]);
    // A mask of another size, and one that leaves nothing.
    assert!(data.with_presence(&Presence::all(7, 2)).is_err());
    let mask = (0..8).flat_map(|row| [row != 3, true]).collect();
    let other = Presence::from_mask(mask, 2).unwrap();
    assert!(masked.with_presence(&other).is_err());
}
