//! A model with each encoder is saved, stopped and resumed as if it had never stopped.

use burn::tensor::{Device, Distribution, Int, Tensor};
use burn::train::Interrupter;
use burn_mla::dataset::{InMemory, TakeRows};
use burn_mla::fit::{Ending, Fitted};
use burn_mla::modality::{FbankBatch, ImageBatch, TokenBatch, VideoBatch};
use burn_mla::prelude::*;
use burn_mla_encoders::Projected;
use burn_mla_encoders::bert::BertConfig;
use burn_mla_encoders::cav_mae::CavMaeConfig;
use burn_mla_encoders::clip::{ClipImageEncoderConfig, ClipTextEncoderConfig};
use burn_mla_encoders::m3ae::M3aeConfig;
use burn_mla_encoders::resnet::ResNetConfig;

use crate::{alone, state};

const N: usize = 4;

/// Trains a model of the encoder and a small network for an epoch, and the same with a stop after the
/// first turn.
fn check<E: Encoder + Clone + 'static>(
    name: &str,
    device: &Device,
    init: impl Fn(&Device) -> burn_mla::Result<E>,
    input: impl Fn(&Device) -> E::Input,
) where
    E::Input: TakeRows,
{
    let training = device.clone().autodiff();
    device.seed(3);
    let other = Tensor::<2>::random([N, 3], Distribution::Default, device);
    let data = InMemory::paired((input(device), other), (0..N).map(|i| i % 2)).unwrap();
    let run = |config: FitConfig| -> Fitted<DefaultMla<(E, MlpEncoder), LinearHead>> {
        training.seed(4);
        let encoder = init(&training).unwrap();
        let d_feature = encoder.d_feature();
        let other = MlpEncoderConfig::new(3, d_feature).init(&training).unwrap();
        let head = LinearHeadConfig::new(d_feature, 2).init(&training).unwrap();
        let model = MlaConfig::new()
            .init_default((encoder, other), head)
            .unwrap();
        let train = data.shuffled(2, 5, &training).unwrap();
        fit(model, train, data.in_order(4, device).unwrap(), &config).unwrap()
    };
    let config = || {
        FitConfig::new(1)
            .with_best(false)
            .with_calibration(false)
            .with_progress(false)
    };
    let whole = run(config());

    let folder = tempfile::tempdir().unwrap();
    let interrupter = Interrupter::new();
    interrupter.stop(Some("the first turn"));
    let stopped = config().with_directory(folder.path());
    let stopped = run(stopped.with_interrupter(interrupter));
    assert!(matches!(stopped.ending, Ending::Interrupted(_)), "{name}");
    let resumed = run(config().with_directory(folder.path()));
    assert_eq!(resumed.history, whole.history, "{name}");
    let parameters = state(&resumed.model).into_iter().zip(state(&whole.model));
    for ((path, resumed), (_, whole)) in parameters {
        assert_eq!(resumed, whole, "{name}: {path}");
    }
}

fn images<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Default, device)
}

fn texts(device: &Device) -> TokenBatch {
    let ids = Tensor::<1, Int>::arange(0..4 * N as i64, device).reshape([N, 4]) % 7;
    let mask = ids.clone().not_equal_elem(0);
    TokenBatch::new(ids, mask)
}

#[test]
fn each_encoder_resumes_bit_for_bit() {
    let _alone = alone();
    let resnet = ResNetConfig::resnet18().with_widths([2, 2, 4, 4]);
    let m3ae = M3aeConfig::new()
        .with_d_model(8)
        .with_depth(1)
        .with_n_heads(2)
        .with_vocabulary(7)
        .with_text_length(4)
        .with_image_size(8)
        .with_patch_size(4)
        .with_attention_dropout(0.1)
        .with_dropout(0.1)
        .with_drop_path(0.2);
    let cav_mae = CavMaeConfig::base()
        .with_d_model(8)
        .with_n_heads(2)
        .with_specific_depth(1)
        .with_patch_size(4)
        .with_image_size(8)
        .with_audio_length(8)
        .with_mel_bins(4);
    let clip_image = ClipImageEncoderConfig::new()
        .with_d_model(8)
        .with_depth(1)
        .with_n_heads(2)
        .with_d_hidden(16)
        .with_d_feature(4)
        .with_image_size(8)
        .with_patch_size(4)
        .with_attention_dropout(0.1);
    let clip_text = ClipTextEncoderConfig::new()
        .with_d_model(8)
        .with_depth(1)
        .with_n_heads(2)
        .with_d_hidden(16)
        .with_d_feature(4)
        .with_vocabulary(7)
        .with_text_length(4);
    let bert = BertConfig::new(7, 8, 1, 2, 16).with_n_positions(4);
    let fbank = |device: &Device| FbankBatch(images([N, 8, 4], device));
    let image = |device: &Device| ImageBatch(images([N, 3, 8, 8], device));
    let video = |device: &Device| VideoBatch(images([N, 3, 2, 8, 8], device));
    let device = &Device::flex();
    check(
        "ResNet, audio",
        device,
        |d| resnet.init::<FbankBatch>(d),
        fbank,
    );
    check(
        "ResNet, video",
        device,
        |d| resnet.init::<VideoBatch>(d),
        video,
    );
    check("M3AE, text", device, |d| m3ae.init_text(d), texts);
    check("M3AE, image", device, |d| m3ae.init_image(d), image);
    let pair = |device: &Device| (image(device), texts(device));
    check("M3AE, both", device, |d| m3ae.init_joint(d), pair);
    check("CAV-MAE, audio", device, |d| cav_mae.init_audio(d), fbank);
    check("CAV-MAE, visual", device, |d| cav_mae.init_visual(d), image);
    check("CLIP, image", device, |d| clip_image.init(d), image);
    check("CLIP, text", device, |d| clip_text.init(d), texts);
    let projected = |d: &Device| Projected::init(bert.init(d)?, 6, vec![], 0.1, d);
    check("BERT, projected", device, projected, texts);
}
