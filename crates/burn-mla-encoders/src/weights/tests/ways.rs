//! One network, in the ways in which programs save it. `tests/data/layouts/make.py` wrote the files.

use burn::module::Module;
use burn::nn::BatchNormConfig;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{DType, Tensor, TensorData};

use super::super::{Channels, Loaded, WeightFile, WeightsError};
use super::{Stem, authors, file, head, mismatch};
use crate::test_devices;

pub(super) fn stem(channels: usize) -> Stem {
    stem_on(channels, &burn::tensor::Device::flex())
}

fn stem_on(channels: usize, device: &burn::tensor::Device) -> Stem {
    Stem {
        conv1: Conv2dConfig::new([channels, 4], [3, 3])
            .with_bias(false)
            .init(device),
        bn1: BatchNormConfig::new(4).init(device),
    }
}

fn layout(name: &str) -> WeightFile {
    file(&format!("layouts/{name}.pth"))
}

/// All values of a stem.
fn values(stem: &Stem) -> Vec<TensorData> {
    vec![
        stem.conv1.weight.val().into_data(),
        stem.bn1.gamma.val().into_data(),
        stem.bn1.beta.val().into_data(),
        stem.bn1.running_mean.value().into_data(),
        stem.bn1.running_var.value().into_data(),
    ]
}

#[test]
fn all_ways_load_alike() {
    for device in test_devices() {
        let bare = layout("bare").load(stem_on(3, &device)).unwrap();
        let bare = values(&bare);
        assert_ne!(bare, values(&stem_on(3, &device)));
        let ways = [
            "state_dict",
            "model",
            "parallel",
            "uncounted",
            "legacy",
            "code_beside",
        ];
        for way in ways {
            let loaded = layout(way)
                .load_with_report(stem_on(3, &device))
                .unwrap_or_else(|error| panic!("{way}: {error}"));
            assert_eq!(values(&loaded.module), bare, "{way}");
            assert!(loaded.left_out.is_empty() && loaded.absent.is_empty());
            assert!(loaded.converted.is_empty());
        }
        assert!(!std::path::Path::new("code_has_run").exists());
    }
}

#[test]
fn a_directory_stands_for_its_file_of_weights() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(layout("bare").path).unwrap();
    let message = WeightFile::new(folder.path())
        .keys()
        .unwrap_err()
        .to_string();
    let expected = folder.path().join("model.safetensors");
    assert!(message.starts_with(expected.to_str().unwrap()), "{message}");
    std::fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
    let loaded = WeightFile::new(folder.path()).load(stem(3)).unwrap();
    assert_eq!(
        values(&loaded),
        values(&layout("bare").load(stem(3)).unwrap())
    );
}

#[test]
fn another_precision_is_converted_and_reported() {
    for device in test_devices() {
        let full = layout("bare").load(stem_on(3, &device)).unwrap();
        let half = layout("bf16")
            .load_with_report(stem_on(3, &device))
            .unwrap();
        assert_eq!(half.converted, [DType::BF16]);
        for (half, full) in values(&half.module).into_iter().zip(values(&full)) {
            assert_eq!(half.dtype(), DType::F32);
            let pairs = half.iter::<f32>().zip(full.iter::<f32>());
            for (half, full) in pairs.collect::<Vec<_>>() {
                assert!((half - full).abs() <= full.abs() / 256.0);
            }
        }
    }
}

#[test]
fn two_dictionaries_of_weights_are_refused() {
    let error = layout("ambiguous").load(stem(3)).unwrap_err().to_string();
    assert!(error.contains("state_dict, model; select one"), "{error}");
    layout("ambiguous")
        .with_root("model")
        .load(stem(3))
        .unwrap();
}

#[test]
fn loaded_modules_are_independent() {
    let device = burn::tensor::Device::flex().autodiff();
    let first = layout("bare").load(stem_on(3, &device)).unwrap();
    let second = layout("bare").load(stem_on(3, &device)).unwrap();
    assert_ne!(first.conv1.weight.id, second.conv1.weight.id);
    let before = values(&first);
    let input = Tensor::<4>::ones([2, 3, 8, 8], &device);
    second.bn1.forward(second.conv1.forward(input));
    let second = second.valid();
    assert_ne!(values(&second)[3], before[3]);
    assert_eq!(values(&first.valid()), before);

    // A clone shares its running statistics until it is loaded.
    let original = stem(3);
    let before = values(&original);
    let loaded = layout("bare").load(original.clone()).unwrap();
    assert_eq!(values(&original), before);
    assert_ne!(values(&loaded), before);
}

#[test]
fn a_failed_load_leaves_clones_as_they_are() {
    let original = stem(1);
    let before = values(&original);
    assert!(layout("bare").load(original.clone()).is_err());
    assert_eq!(values(&original), before);
}

#[test]
fn channels_are_summed_or_averaged() {
    for device in test_devices() {
        let rgb = layout("bare").load(stem_on(3, &device)).unwrap();
        let expected = rgb.conv1.weight.val().sum_dim(1);
        let load = |channels| {
            let file = layout("bare").with_channels("conv1.weight", channels);
            file.load(stem_on(1, &device)).unwrap().conv1.weight.val()
        };
        let tolerance = burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        let sum = load(Channels::Sum).into_data();
        sum.assert_approx_eq(&expected.clone().into_data(), tolerance);
        let mean = load(Channels::Mean).into_data();
        mean.assert_approx_eq(&(expected / 3.0).into_data(), tolerance);
    }
    let found = mismatch(&layout("bare"), stem(1));
    assert_eq!(found.shapes[0].path, "conv1.weight");
    let unknown = layout("bare").with_channels("conv2.weight", Channels::Sum);
    assert_eq!(mismatch(&unknown, stem(3)).missing, ["conv2.weight"]);
}

#[test]
fn exceptions_are_reported() {
    let Loaded {
        module,
        left_out,
        absent,
        ..
    } = authors()
        .with_submodule("fusion_module.fc_out")
        .with_ignored("bias")
        .with_absent("bias")
        .load_with_report(head())
        .unwrap();
    assert_eq!(absent, ["bias"]);
    assert!(left_out.contains(&"fusion_module.fc_out.bias".into()));
    assert!(left_out.contains(&"visual_net.conv1.weight".into()));
    assert!(!left_out.contains(&"fusion_module.fc_out.weight".into()));
    let whole = authors().with_submodule("fusion_module.fc_out");
    let whole = whole.load(head()).unwrap();
    assert_eq!(module.weight.to_data(), whole.weight.to_data());
}

#[test]
fn a_prefix_that_the_module_has_is_kept() {
    #[derive(Module, Debug)]
    struct Wrapped {
        module: Stem,
    }
    let wrapped = Wrapped { module: stem(3) };
    let loaded = layout("parallel").load(wrapped).unwrap();
    let bare = layout("bare").load(stem(3)).unwrap();
    assert_eq!(values(&loaded.module), values(&bare));
}

#[test]
fn a_file_of_another_network_is_named() {
    let error = layout("bare").load(head()).unwrap_err();
    let WeightsError::NoMatch {
        found, expected, ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(expected, &["bias", "weight"]);
    assert!(found.contains(&"conv1.weight".into()));
    let message = error.to_string();
    assert!(message.contains("bn1.bias") && message.contains("the module bias, weight"));
    // Also if every parameter may be absent.
    let allowed = layout("bare").with_absent("bias").with_absent("weight");
    let allowed = allowed.with_ignored("bn1").with_ignored("conv1");
    let error = allowed.load(head()).unwrap_err().to_string();
    assert!(error.contains("the file has no tensors"), "{error}");
}
