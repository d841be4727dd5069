//! Parity with the PyTorch originals, and the edges of their inputs.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::store::{ModuleStore, SafetensorsStore, bridge};
use burn::tensor::{DType, Device, Tensor, TensorData, Tolerance};
use burn_mla::encoder::Encoder;
use burn_mla::modality::{FbankBatch, ImageBatch, VideoBatch};

use super::encoder::forward;
use super::{ResNetConfig, ResNetEncoder, ResNetInput};
use crate::test_devices;
use crate::weights::WeightFile;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn stored(file: &Path, key: &str) -> TensorData {
    let mut store = SafetensorsStore::from_file(file);
    let tensor = store.get_tensor(key).unwrap().expect(key);
    bridge::to_data(tensor).unwrap()
}

fn tiny() -> ResNetConfig {
    ResNetConfig::resnet18().with_widths([4, 8, 16, 32])
}

/// Compares the stages and the feature of an encoder with those of the original.
fn assert_original<I: ResNetInput>(folder: &str, encoder: &ResNetEncoder<I>, input: I) {
    let expected = |name: &str| stored(&data(folder).join("outputs.safetensors"), name);
    let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-4);
    encoder.check(&input).unwrap();
    let (images, _) = input.clone().images();
    let stem = encoder.stem(images);
    stem.to_data()
        .assert_approx_eq(&expected("stem"), tolerance);
    let [layer1, layer2, layer3, layer4] = encoder.stages();
    let x = forward(layer2, forward(layer1, stem));
    x.to_data().assert_approx_eq(&expected("layer2"), tolerance);
    let x = forward(layer4, forward(layer3, x));
    x.into_data()
        .assert_approx_eq(&expected("layer4"), tolerance);
    let feature = encoder.encode(input);
    feature
        .into_data()
        .assert_approx_eq(&expected("feature"), tolerance);
}

fn input<const D: usize>(folder: &str, device: &Device) -> Tensor<D> {
    let data = stored(&data(folder).join("inputs.safetensors"), "x");
    Tensor::from_data(data, device)
}

#[test]
fn the_audio_network_is_the_original() {
    for device in test_devices() {
        let encoder = WeightFile::new(data("authors_style.pth"))
            .with_submodule("audio_net")
            .load(tiny().init::<FbankBatch>(&device).unwrap())
            .unwrap();
        let legacy = tiny().init::<FbankBatch>(&device).unwrap();
        let legacy = legacy.load_pretrained(data("simple_legacy.pth")).unwrap();
        let x = input::<4>("resnet18_audio", &device).squeeze_dim::<3>(1);
        for encoder in [encoder, legacy] {
            assert_original("resnet18_audio", &encoder, FbankBatch(x.clone()));
        }
    }
}

#[test]
fn the_visual_network_is_the_original() {
    for device in test_devices() {
        let encoder = WeightFile::new(data("authors_style.pth"))
            .with_submodule("visual_net")
            .load(tiny().init::<VideoBatch>(&device).unwrap())
            .unwrap();
        let x = input::<5>("resnet18_visual", &device);
        assert_original("resnet18_visual", &encoder, VideoBatch(x));
    }
}

#[test]
fn torchvisions_network_is_the_original_without_its_classifier() {
    for device in test_devices() {
        let encoder = tiny().init::<ImageBatch>(&device).unwrap();
        let file = WeightFile::new(data("resnet18_torchvision/weights.safetensors"));
        let error = file.load(encoder.clone()).unwrap_err().to_string();
        assert!(error.contains("unexpected: fc.bias [5], fc.weight [5, 32]"));
        let loaded = file.with_ignored("fc").load_with_report(encoder).unwrap();
        assert_eq!(loaded.left_out, ["fc.bias", "fc.weight"]);
        let x = input::<4>("resnet18_torchvision", &device);
        assert_original("resnet18_torchvision", &loaded.module, ImageBatch(x));
    }
}

#[test]
fn a_row_does_not_depend_on_the_batch() {
    for device in test_devices() {
        let encoder = tiny().init::<VideoBatch>(&device).unwrap();
        let x = input::<5>("resnet18_visual", &device);
        let both = encoder.encode(VideoBatch(x.clone()));
        let second = encoder.encode(VideoBatch(x.slice([1..2])));
        let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
        both.slice([1..2])
            .into_data()
            .assert_approx_eq(&second.into_data(), tolerance);
    }
}

#[test]
fn any_size_of_a_pixel_or_more_has_finite_features() {
    for device in test_devices() {
        let images = tiny().init::<ImageBatch>(&device).unwrap();
        for [height, width] in [[1, 1], [1, 37], [7, 5], [33, 31]] {
            let x = Tensor::<4>::ones([1, 3, height, width], &device);
            images.check(&ImageBatch(x.clone())).unwrap();
            let feature = images.encode(ImageBatch(x));
            assert_eq!(feature.dims(), [1, 32]);
            assert!(feature.sum().into_scalar::<f32>().is_finite());
        }
        let audio = tiny().init::<FbankBatch>(&device).unwrap();
        let x = FbankBatch(Tensor::<3>::ones([2, 13, 129], &device));
        assert_eq!(audio.encode(x).dims(), [2, 32]);
    }
}

#[test]
fn an_image_is_a_video_of_one_frame() {
    let device = Device::flex();
    let video = tiny().init::<VideoBatch>(&device).unwrap();
    let weights = data("authors_style.pth");
    let file = WeightFile::new(weights).with_submodule("visual_net");
    let video = file.load(video).unwrap();
    let images = tiny().init::<ImageBatch>(&device).unwrap();
    let images = file.load(images).unwrap();
    let x = input::<5>("resnet18_visual", &device).slice_dim(2, 1..2);
    let image = x.clone().squeeze_dim::<4>(2);
    let [video, image] = [
        video.encode(VideoBatch(x)),
        images.encode(ImageBatch(image)),
    ];
    video.into_data().assert_eq(&image.into_data(), true);
}

#[test]
fn wrong_inputs_and_sizes_name_what_is_expected() {
    let device = Device::flex();
    let images = tiny().with_channels(1).init::<ImageBatch>(&device).unwrap();
    let rgb = ImageBatch(Tensor::ones([2, 3, 8, 8], &device));
    let error = images.check(&rgb).unwrap_err().to_string();
    assert!(error.contains("[batch, 1, height, width]"), "{error}");
    let video = tiny().init::<VideoBatch>(&device).unwrap();
    let channels_last = VideoBatch(Tensor::ones([2, 4, 8, 8, 3], &device));
    let error = video.check(&channels_last).unwrap_err().to_string();
    assert!(error.contains("[batch, 3, frames, height, width]"));
    let audio = tiny().init::<FbankBatch>(&device).unwrap();
    let empty = FbankBatch(Tensor::ones([2, 0, 8], &device));
    let error = audio.check(&empty).unwrap_err().to_string();
    assert!(error.contains("[batch, frames, bins]"), "{error}");

    for config in [
        tiny().with_widths([4, 0, 16, 32]),
        ResNetConfig::new([2, 2, 0, 2]),
        tiny().with_channels(0),
    ] {
        assert!(config.init::<ImageBatch>(&device).is_err());
    }
}

#[test]
fn published_sizes_have_their_parameters() {
    let device = Device::flex();
    // torchvision's counts without `fc`.
    for (config, n_parameters, d_feature) in [
        (ResNetConfig::resnet18(), 11_176_512, 512),
        (ResNetConfig::resnet34(), 21_284_672, 512),
        (ResNetConfig::resnet50(), 23_508_032, 2048),
    ] {
        let encoder = config.init::<ImageBatch>(&device).unwrap();
        assert_eq!(encoder.d_feature(), d_feature);
        let statistics = encoder.num_params() - n_parameters;
        // A running mean and variance beside each scale and shift.
        assert!(statistics == 0 || statistics % 2 == 0);
        let x = Tensor::<4>::ones([1, 3, 32, 32], &device);
        assert_eq!(encoder.encode(ImageBatch(x)).dims(), [1, d_feature]);
    }
}

#[test]
fn weights_are_drawn_at_init_as_the_original() {
    let device = Device::flex();
    device.seed(3);
    let encoder = ResNetConfig::resnet18()
        .init::<ImageBatch>(&device)
        .unwrap();
    assert!(encoder.conv1.weight.is_initialized());
    let weight = encoder.conv1.weight.val();
    let mean = weight.clone().mean().into_scalar::<f32>();
    let variance = weight.powi_scalar(2).mean().into_scalar::<f32>();
    // Kaiming: a standard deviation of sqrt(2 / (64 * 7 * 7)) by the fan-out.
    assert!(mean.abs() < 1e-3, "{mean}");
    assert!((variance.sqrt() - 0.02525).abs() < 5e-4, "{variance}");
}

/// Replaces weights by the same numbers on each backend, in double precision, in which a step is short
/// enough to cross hardly any edge of a ReLU.
#[derive(Default)]
struct Double {
    visited: usize,
}

impl ModuleMapper for Double {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.visited += 1;
        param.map(|value| {
            let numbers = numbers(value.dims(), self.visited, &value.device());
            let scale = if D == 1 { 0.1 } else { 0.3 };
            let start = if D == 1 {
                value.cast(DType::F64)
            } else {
                numbers.zeros_like()
            };
            start + numbers * scale
        })
    }
}

/// Moves one parameter along a direction.
struct Move {
    target: usize,
    visited: usize,
    length: f64,
}

impl ModuleMapper for Move {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let index = self.visited;
        self.visited += 1;
        if index != self.target {
            return param;
        }
        param.map(|value| {
            let direction = numbers(value.dims(), index, &value.device());
            value + direction * self.length
        })
    }
}

/// Numbers in `[-1, 1]`.
fn numbers<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> Tensor<D> {
    let number = |i: usize| ((i * 37 + seed * 101 + 13) as f64 * 1.618).sin();
    let values: Vec<f64> = (0..shape.iter().product()).map(number).collect();
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F64))
}

/// The derivatives of all parameters along their directions, by the gradients.
struct Derivatives {
    gradients: GradientsParams,
    visited: usize,
    values: Vec<(usize, f64)>,
}

impl ModuleVisitor for Derivatives {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let direction = numbers(gradient.dims(), self.visited, &gradient.device());
            let value: f64 = (gradient * direction).sum().into_scalar();
            self.values.push((self.visited, value));
        }
        self.visited += 1;
    }
}

/// In training, through the statistics of the batch.
#[test]
fn gradients_are_finite_differences() {
    for device in test_devices() {
        let config = ResNetConfig::new([2, 1, 1, 1]).with_widths([4, 8, 8, 8]);
        let encoder = config.init::<VideoBatch>(&device).unwrap();
        let encoder = encoder.map(&mut Double::default()).train();
        let x = numbers([2, 3, 2, 20, 17], 0, &device.autodiff());
        let loss = |encoder: &ResNetEncoder<VideoBatch>| {
            let features = encoder.encode(VideoBatch(x.clone()));
            let weights = numbers(features.dims(), 999, &features.device());
            (features * weights).sum()
        };
        let gradients = GradientsParams::from_grads(loss(&encoder).backward(), &encoder);
        let mut derivatives = Derivatives {
            gradients,
            visited: 0,
            values: vec![],
        };
        encoder.visit(&mut derivatives);
        // 14 convolutions, and two parameters of each of 14 normalizations.
        assert_eq!(derivatives.values.len(), 42);
        let length = 1e-7;
        for (target, derivative) in derivatives.values {
            let at = |length| {
                let visited = 0;
                let mut step = Move {
                    target,
                    visited,
                    length,
                };
                loss(&encoder.clone().map(&mut step)).into_scalar::<f64>()
            };
            let difference = (at(length) - at(-length)) / (2.0 * length);
            let tolerance = 1e-4 + 1e-4 * derivative.abs();
            assert!(
                (difference - derivative).abs() < tolerance,
                "parameter {target}: gradient {derivative}, difference {difference}"
            );
        }
    }
}
