//! Features and gradients of each encoder through wgpu, on a GPU or on Mesa's software Vulkan, beside those of flex.
//!
//! ```sh
//! cargo test --workspace --features wgpu --test wgpu_encoders -- --include-ignored
//! ```

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_mla::modality::{FbankBatch, ImageBatch, TokenBatch, VideoBatch};
use burn_mla::prelude::*;
use burn_mla_encoders::bert::BertConfig;
use burn_mla_encoders::cav_mae::CavMaeConfig;
use burn_mla_encoders::clip::{ClipImageEncoderConfig, ClipTextEncoderConfig};
use burn_mla_encoders::m3ae::M3aeConfig;
use burn_mla_encoders::resnet::ResNetConfig;

/// The largest difference, as a share of the largest value.
const TOLERANCE: f32 = 1e-4;

/// Values that are the same on every device.
fn numbers<const D: usize>(shape: [usize; D], at: usize, device: &Device) -> Tensor<D> {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| ((i + 31 * at) as f32 * 1.7).sin()).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Sets parameter by parameter to `numbers`. Variances are positive.
#[derive(Default)]
struct Set {
    at: usize,
    path: Vec<String>,
}

impl ModuleMapper for Set {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.at += 1;
        let at = self.at;
        let is_variance = self.path.last().is_some_and(|name| name == "running_var");
        param.map(|tensor| {
            let values = numbers(tensor.dims(), at, &tensor.device()) * 0.3;
            if is_variance {
                values.abs() + 0.5
            } else {
                values
            }
        })
    }
}

/// The gradients of all parameters, in their order.
struct Values<'a> {
    gradients: &'a GradientsParams,
    values: Vec<f32>,
}

impl ModuleVisitor for Values<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.values.extend(gradient.into_data().iter::<f32>());
        }
    }
}

/// The features in training and in inference, and the gradients of a weighted sum of the former.
fn computed<E: Encoder>(
    device: Device,
    init: impl Fn(&Device) -> burn_mla::Result<E>,
    input: impl Fn(&Device) -> E::Input,
) -> [Vec<f32>; 3] {
    let plain = init(&device).unwrap().map(&mut Set::default());
    let encoder = plain.clone().train();
    let training = device.clone().autodiff();
    let features = encoder.encode(input(&training));
    let weights = numbers(features.dims(), 99, &training);
    let gradients = (features.clone() * weights).sum().backward();
    let gradients = GradientsParams::from_grads(gradients, &encoder);
    let mut gradients = Values {
        gradients: &gradients,
        values: vec![],
    };
    encoder.visit(&mut gradients);
    let inference = plain.encode(input(&device));
    let [features, inference] = [features, inference].map(|tensor| tensor.into_data());
    [
        features.iter::<f32>().collect(),
        inference.iter::<f32>().collect(),
        gradients.values,
    ]
}

fn check<E: Encoder>(
    name: &str,
    init: impl Fn(&Device) -> burn_mla::Result<E>,
    input: impl Fn(&Device) -> E::Input,
) {
    let got = computed(Device::wgpu(Default::default()), &init, &input);
    let expected = computed(Device::flex(), &init, &input);
    let parts = ["features", "features in inference", "gradients"];
    for (part, (got, expected)) in parts.iter().zip(got.iter().zip(&expected)) {
        assert_eq!(got.len(), expected.len(), "{name}: {part}");
        let largest = expected.iter().fold(0.0f32, |max, x| max.max(x.abs()));
        assert!(largest > 0.0, "{name}: {part}");
        for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
            let difference = (got - expected).abs() / largest;
            // Not `>`: NaN fails.
            assert!(
                difference <= TOLERANCE,
                "{name}: {part} {i} is {got}, not {expected}; the largest is {largest}"
            );
        }
    }
}

fn images(device: &Device) -> ImageBatch {
    ImageBatch(numbers([2, 3, 8, 8], 1, device))
}

fn texts(device: &Device) -> TokenBatch {
    let ids = Tensor::<2, Int>::from_ints([[3, 5, 6, 0], [2, 6, 0, 0]], device);
    let mask = ids.clone().not_equal_elem(0);
    TokenBatch::new(ids, mask)
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn resnet() {
    let config = ResNetConfig::resnet18().with_widths([2, 2, 4, 4]);
    let video = |device: &Device| VideoBatch(numbers([2, 3, 2, 8, 8], 1, device));
    check("ResNet", |device| config.init::<VideoBatch>(device), video);
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn m3ae() {
    let config = M3aeConfig::new()
        .with_d_model(8)
        .with_depth(1)
        .with_n_heads(2)
        .with_vocabulary(7)
        .with_text_length(4)
        .with_image_size(8)
        .with_patch_size(4);
    check("M3AE, text", |device| config.init_text(device), texts);
    check("M3AE, image", |device| config.init_image(device), images);
    let both = |device: &Device| (images(device), texts(device));
    check("M3AE, both", |device| config.init_joint(device), both);
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn cav_mae() {
    let config = CavMaeConfig::base()
        .with_d_model(8)
        .with_n_heads(2)
        .with_specific_depth(1)
        .with_patch_size(4)
        .with_image_size(8)
        .with_audio_length(8)
        .with_mel_bins(4);
    let fbanks = |device: &Device| FbankBatch(numbers([2, 8, 4], 1, device));
    check("CAV-MAE, audio", |device| config.init_audio(device), fbanks);
    check(
        "CAV-MAE, visual",
        |device| config.init_visual(device),
        images,
    );
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn clip() {
    let image = ClipImageEncoderConfig::new()
        .with_d_model(8)
        .with_depth(1)
        .with_n_heads(2)
        .with_d_hidden(16)
        .with_d_feature(4)
        .with_image_size(8)
        .with_patch_size(4);
    check("CLIP, image", |device| image.init(device), images);
    let text = ClipTextEncoderConfig::new()
        .with_d_model(8)
        .with_depth(1)
        .with_n_heads(2)
        .with_d_hidden(16)
        .with_d_feature(4)
        .with_vocabulary(7)
        .with_text_length(4);
    check("CLIP, text", |device| text.init(device), texts);
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn bert() {
    let config = BertConfig::new(7, 8, 1, 2, 16)
        .with_n_positions(4)
        .with_dropout(0.0)
        .with_attention_dropout(0.0);
    check("BERT", |device| config.init(device), texts);
}
