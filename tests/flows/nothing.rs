//! Training and evaluation on nothing, and evaluation with dropout, are errors.

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::tensor::Device;
use burn_mla::baseline::{JointConfig, SumConfig};
use burn_mla::evaluation::{evaluate_subsets, fit_temperatures};
use burn_mla::method::MultimodalMethod;
use burn_mla::prelude::*;

use crate::common::*;

#[derive(Clone)]
struct Samples;

impl Batcher<usize, MultimodalBatch<MlpInputs>> for Samples {
    fn batch(&self, items: Vec<usize>, device: &Device) -> MultimodalBatch<MlpInputs> {
        batch(items.len(), items[0] as u64, device)
    }
}

fn loader(n: usize, device: &Device) -> Arc<dyn DataLoader<MultimodalBatch<MlpInputs>>> {
    DataLoaderBuilder::new(Samples)
        .batch_size(4)
        .set_device(device.clone())
        .build(InMemDataset::new((0..n).collect()))
}

/// The error of each function that measures a model.
fn errors<M: MultimodalMethod<Inputs = MlpInputs>>(
    model: &M,
    n: usize,
    device: &Device,
) -> Vec<MlaError> {
    let loader = loader(n, device);
    vec![
        evaluate(model, &*loader).unwrap_err(),
        evaluate_subsets(model, &*loader).unwrap_err(),
        fit_temperatures(model, &*loader).unwrap_err(),
    ]
}

#[test]
fn an_evaluation_without_samples_is_an_error() {
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        for error in errors(&model, 0, &device) {
            assert_eq!(
                error.to_string(),
                "the data to evaluate on has no samples: check the split, its filters and where it \
                 is read from"
            );
        }
    }
}

#[test]
fn a_model_in_training_mode_is_not_measured() {
    for device in devices() {
        let training = device.clone().autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &training);
        for error in errors(&model, 8, &device) {
            assert_eq!(error, MlaError::TrainingMode { what: "the model" });
        }
        // Dropout of an input asks for the device of the input.
        for error in errors(&model.valid(), 8, &training) {
            assert_eq!(error, MlaError::TrainingMode { what: "the batch" });
        }
        assert!(evaluate(&model.valid(), &*loader(8, &device)).is_ok());

        let head = SumConfig::new(vec![D_FEATURE; 2], N_CLASSES);
        let joint = JointConfig::new();
        let joint = joint.init(mlps(&training), head.init(&training).unwrap());
        let joint = joint.unwrap();
        for error in errors(&joint, 8, &device) {
            assert_eq!(error, MlaError::TrainingMode { what: "the model" });
        }
        assert!(evaluate(&joint.valid(), &*loader(8, &device)).is_ok());
    }
}

#[test]
fn training_data_without_samples_is_an_error() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let error = model.training_loader(loader(0, &device).into()).map(|_| ());
        assert!(
            matches!(error, Err(MlaError::NoSamples { .. })),
            "{error:?}"
        );
        let head = SumConfig::new(vec![D_FEATURE; 2], N_CLASSES);
        let head = head.init(&device).unwrap();
        let joint = JointConfig::new().init(mlps(&device), head).unwrap();
        let error = joint.training_loader(loader(0, &device).into()).map(|_| ());
        assert!(
            matches!(error, Err(MlaError::NoSamples { .. })),
            "{error:?}"
        );
    }
}
