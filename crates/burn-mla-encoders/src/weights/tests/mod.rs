//! Loading of real files: formats, steps and errors.

mod ways;
mod wrong;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::Device;

use super::{ShapeMismatch, WeightFile, WeightsError};

/// The first two layers of a ResNet.
#[derive(Module, Debug)]
struct Stem {
    conv1: Conv2d,
    bn1: BatchNorm,
}

fn stem(channels: usize) -> Stem {
    let device = Device::flex();
    Stem {
        conv1: Conv2dConfig::new([1, channels], [7, 7])
            .with_bias(false)
            .init(&device),
        bn1: BatchNormConfig::new(channels).init(&device),
    }
}

fn head() -> Linear {
    LinearConfig::new(32, 6).init(&Device::flex())
}

fn file(name: &str) -> WeightFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    WeightFile::new(folder.join(name))
}

fn authors() -> WeightFile {
    file("authors_style.pth")
        .with_root("model")
        .with_prefix("module.")
}

fn authors_stem() -> WeightFile {
    let ignored = ["visual_net", "fusion_module", "num_batches_tracked"];
    let layers = (1..5).map(|layer| format!("audio_net.layer{layer}"));
    ignored
        .map(String::from)
        .into_iter()
        .chain(layers)
        .fold(authors(), WeightFile::with_ignored)
        .with_renamed("audio_net", "")
}

fn authors_head() -> WeightFile {
    authors()
        .with_ignored("audio_net")
        .with_ignored("visual_net")
        .with_renamed("fusion_module.fc_out", "")
}

fn mismatch<M: Module>(file: &WeightFile, module: M) -> super::Mismatch {
    match file.load(module) {
        Err(WeightsError::Mismatch { mismatch, .. }) => *mismatch,
        other => panic!("{:?}", other.map(|_| "loaded")),
    }
}

#[test]
fn both_formats_hold_the_same_head() {
    let pth = authors_head().load(head()).unwrap();
    let safetensors = file("head.safetensors")
        .with_renamed("fusion_module.fc_out", "")
        .load(head())
        .unwrap();
    assert_eq!(pth.weight.to_data(), safetensors.weight.to_data());
    let bias = |head: &Linear| head.bias.as_ref().unwrap().to_data();
    assert_eq!(bias(&pth), bias(&safetensors));
    assert_ne!(bias(&pth), bias(&head()));
}

#[test]
fn linear_weights_are_transposed() {
    let path = file("head.safetensors").path;
    let bytes = std::fs::read(path).unwrap();
    let n_header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let floats: Vec<f32> = bytes[8 + n_header..]
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    // The bias of 6 comes first in the file, then the weight, `[6, 32]`.
    let (bias, weight) = floats.split_at(6);
    let loaded = authors_head().load(head()).unwrap();
    let transposed: Vec<f32> = (0..32)
        .flat_map(|i| (0..6).map(move |o| weight[o * 32 + i]))
        .collect();
    let data = loaded.weight.to_data();
    assert_eq!(data.as_slice::<f32>().unwrap(), transposed);
    let data = loaded.bias.unwrap().to_data();
    assert_eq!(data.as_slice::<f32>().unwrap(), bias);
}

#[test]
fn the_old_pickle_format_is_read_too() {
    let ignored = [
        "layer1",
        "layer2",
        "layer3",
        "layer4",
        "num_batches_tracked",
    ];
    let legacy = file("simple_legacy.pth")
        .with_root("model")
        .with_prefix("module.");
    let legacy = ignored.into_iter().fold(legacy, WeightFile::with_ignored);
    let (old, new) = (
        legacy.load(stem(4)).unwrap(),
        authors_stem().load(stem(4)).unwrap(),
    );
    assert_eq!(old.conv1.weight.to_data(), new.conv1.weight.to_data());
    assert_eq!(old.bn1.gamma.to_data(), new.bn1.gamma.to_data());
    let variance = |stem: &Stem| stem.bn1.running_var.value().to_data();
    assert_eq!(variance(&old), variance(&new));
    assert_ne!(variance(&old), variance(&stem(4)));
}

#[test]
fn every_difference_is_listed_at_once() {
    let file = authors()
        .with_ignored("visual_net")
        .with_ignored("num_batches_tracked")
        .with_ignored("running_mean")
        .with_renamed("audio_net", "");
    let found = mismatch(&file, stem(5));
    assert_eq!(found.missing, ["bn1.running_mean"]);
    assert!(
        found
            .unexpected
            .contains(&"fusion_module.fc_out.weight".into())
    );
    assert!(found.unexpected.contains(&"layer4.1.bn2.weight".into()));
    let shape = |path: &str, expected: &[usize], found: &[usize]| ShapeMismatch {
        path: path.into(),
        expected: expected.into(),
        found: found.into(),
    };
    let shapes = [
        shape("bn1.beta", &[5], &[4]),
        shape("bn1.gamma", &[5], &[4]),
        shape("bn1.running_var", &[5], &[4]),
        shape("conv1.weight", &[5, 1, 7, 7], &[4, 1, 7, 7]),
    ];
    assert_eq!(found.shapes, shapes);

    let message = file.load(stem(5)).unwrap_err().to_string();
    for part in [
        "authors_style.pth: the weights do not fit the module",
        "\n  missing: bn1.running_mean [5]\n",
        "layer4.1.bn2.weight",
        "conv1.weight (expected [5, 1, 7, 7], found [4, 1, 7, 7])",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn nothing_is_ignored_by_default() {
    let found = mismatch(&authors_head().with_renamed("weight", "scale"), head());
    assert_eq!(found.missing, ["weight"]);
    assert_eq!(found.unexpected, ["scale"]);
    assert!(
        authors()
            .keys()
            .unwrap()
            .contains(&"audio_net.bn1.num_batches_tracked".into())
    );
}

#[test]
fn two_tensors_with_one_key_are_ambiguous() {
    let file = authors()
        .with_ignored("fusion_module")
        .with_renamed("visual_net", "")
        .with_renamed("audio_net", "");
    let ambiguous = mismatch(&file, stem(4)).ambiguous;
    assert!(ambiguous.contains(&"conv1.weight".into()));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let bad: PathBuf = folder.path().join("bad.pth");
    std::fs::write(&bad, b"no checkpoint").unwrap();
    let bad_safetensors = folder.path().join("bad.safetensors");
    std::fs::write(&bad_safetensors, b"no checkpoint").unwrap();
    let files = [
        WeightFile::new(bad),
        WeightFile::new(bad_safetensors),
        WeightFile::new(folder.path().join("absent.pth")),
        WeightFile::new(folder.path().join("absent.safetensors")),
        file("authors_style.pth").with_root("absent"),
        file("head.safetensors").with_root("model"),
    ];
    for file in files {
        let error = file.load(head()).unwrap_err();
        let WeightsError::File(error) = error else {
            panic!("{error}");
        };
        assert_eq!(error.path, file.path);
    }
    let error = WeightFile::new("weights.onnx").load(head()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "weights.onnx: expected a file named .safetensors, .pth, .pt or .bin"
    );
}

/// A file in half precision loads into a module in f32, which then computes in f32.
#[test]
fn weights_take_the_precision_of_the_module() {
    use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
    use burn::tensor::{DType, Tensor};

    let folder = tempfile::tempdir().unwrap();
    for dtype in [DType::F16, DType::BF16] {
        let path = folder.path().join("half.safetensors");
        let mut half = head();
        half.weight = half.weight.map(|weight| weight.cast(dtype));
        half.bias = half.bias.map(|bias| bias.map(|bias| bias.cast(dtype)));
        let mut store = SafetensorsStore::from_file(&path)
            .with_to_adapter(BurnToPyTorchAdapter)
            .overwrite(true);
        half.save_into(&mut store).unwrap();
        let loaded = WeightFile::new(&path).load(head()).unwrap();
        assert_eq!(loaded.weight.val().dtype(), DType::F32);
        let expected = half.weight.val().cast(DType::F32);
        loaded
            .weight
            .val()
            .into_data()
            .assert_eq(&expected.into_data(), true);
        let output = loaded.forward(Tensor::<2>::ones([1, 32], &Device::flex()));
        assert_eq!(output.dtype(), DType::F32);
    }
}
