//! Gradients, and a model with both encoders.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::Device;
use burn_mla::modality::{ImageBatch, ModalityInput, TokenBatch};
use burn_mla::prelude::*;

use super::*;
use crate::blocks::freeze;
use crate::test_devices;
use crate::vit::fixture::assert_same;
use crate::vit::gradients::{assert_gradients, numbers};

#[test]
fn gradients_are_those_of_finite_differences() {
    let tiny = config().with_depth(1).with_d_model(8).with_n_heads(2);
    let tiny = tiny.with_patch_size(2).with_image_size(4);
    for device in test_devices() {
        let training = device.autodiff();
        let encoder = tiny.init_text(&training).unwrap();
        let device = |encoder: &M3aeTextEncoder| encoder.embedding.weight.val().device();
        assert_gradients(encoder, |encoder| texts(&device(encoder)));
        let encoder = tiny.init_image(&training).unwrap();
        let device = |encoder: &M3aeImageEncoder| encoder.embedding.weight.val().device();
        assert_gradients(encoder, |encoder| {
            ImageBatch(numbers([2, 3, 4, 4], 5, &device(encoder)))
        });
    }
}

type Model = DefaultMla<(M3aeTextEncoder, M3aeImageEncoder), LinearHead>;
type Inputs = (
    Option<ModalityInput<TokenBatch>>,
    Option<ModalityInput<ImageBatch>>,
);

/// A model with a text and an image encoder from the same file.
fn model(device: &Device) -> Model {
    let pair = (text(&config(), device), image(&config(), device));
    let head = LinearHeadConfig::new(32, 3).init(device).unwrap();
    MlaConfig::new().init_default(pair, head).unwrap()
}

/// Four samples, of which one lacks its text and another its image.
fn batch(device: &Device) -> MultimodalBatch<Inputs> {
    let texts = ModalityInput::rows(texts(device), vec![0, 1, 3]);
    let images = ModalityInput::rows(images(device), vec![1, 2, 3]);
    MultimodalBatch::new((texts, images), Targets::new(vec![0, 1, 2, 1], device))
}

/// Trains with each modality once, the text first.
fn trained(device: &Device) -> Model {
    let mut model = model(device);
    let mut optimizer = SgdConfig::new().init();
    for turn in batch(device).into_turns().unwrap().into_iter().flatten() {
        let output = model.try_step(turn).unwrap();
        let optimized = model.try_optimize(&mut optimizer, 0.1, output.grads);
        optimized.unwrap();
    }
    model
}

#[test]
fn a_pair_trains_in_mla_with_missing_rows() {
    for device in test_devices() {
        let training = device.clone().autodiff();
        let (before, after) = (model(&training), trained(&training).valid());
        let changed = |before: Tensor<2>, after: Tensor<2>| {
            assert_ne!(before.inner().into_data(), after.into_data());
        };
        let (texts, images) = (texts(&training), images(&training));
        let (plain_texts, plain_images) = (super::texts(&device), super::images(&device));
        changed(
            before.encoders.0.encode(texts),
            after.encoders.0.encode(plain_texts),
        );
        changed(
            before.encoders.1.encode(images),
            after.encoders.1.encode(plain_images),
        );
        let prediction = after.predict(batch(&device)).unwrap();
        assert_eq!(prediction.fused.dims(), [4, 3]);
    }
}

#[test]
fn encoders_from_one_file_are_independent() {
    for device in test_devices() {
        let training = device.autodiff();
        let mut model = model(&training);
        let untouched = image(&config(), &training);
        let mut optimizer = SgdConfig::new().init();
        let mut turns = batch(&training).into_turns().unwrap().into_iter().flatten();
        let output = model.try_step(turns.next().unwrap()).unwrap();
        let optimized = model.try_optimize(&mut optimizer, 0.1, output.grads);
        optimized.unwrap();
        let images = images(&training);
        let expected = untouched.encode(images.clone());
        assert_same(model.encoders.1.encode(images), expected);
        // The same weights in the file, other weights now.
        let cls = |tokens: Tensor<3>| tokens.slice_dim(1, 0..1);
        let text = cls(model.encoders.0.tokens(texts(&training)));
        let fresh = cls(super::text(&config(), &training).tokens(texts(&training)));
        assert_ne!(text.into_data(), fresh.into_data());
    }
}

#[test]
fn a_trained_pair_is_saved_and_loaded() {
    for device in test_devices() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let trained = trained(&device.clone().autodiff());
        trained.save_safetensors(&path).unwrap();
        let loaded = model(&device).load_safetensors(&path).unwrap();
        let fused = |model: &Model| model.predict(batch(&device)).unwrap().fused;
        assert_same(fused(&loaded), fused(&trained.valid()));
        let record = trained.valid().into_record();
        assert_same(fused(&model(&device).load_record(record)), fused(&loaded));
    }
}

/// Counts the parameters with a gradient.
struct WithGradient<'a>(&'a GradientsParams, usize);

impl ModuleVisitor for WithGradient<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.1 += usize::from(self.0.get::<D>(param.id).is_some());
    }
}

#[test]
fn a_block_is_frozen_by_its_name() {
    let device = Device::flex().autodiff();
    let encoder = freeze(text(&config(), &device), &["transformer.blocks.0"]).unwrap();
    let gradients = encoder.encode(texts(&device)).sum().backward();
    let gradients = GradientsParams::from_grads(gradients, &encoder);
    let of_block = |index: usize| {
        let mut visitor = WithGradient(&gradients, 0);
        encoder.transformer.blocks[index].visit(&mut visitor);
        visitor.1
    };
    assert_eq!((of_block(0), of_block(1)), (0, 12));
}
