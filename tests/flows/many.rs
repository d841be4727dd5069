//! More than two modalities: a tuple of eight different encoders, and a `Vec` of equal ones.

use burn::module::Module;
use burn::tensor::Tensor;
use burn_mla::encoder::{Frozen, FrozenInput};
use burn_mla::fusion::MeanFusion;
use burn_mla::modality::{Indexed, OneOf8};
use burn_mla::prelude::*;

use crate::common::*;

#[test]
fn eight_different_encoders_take_turns() {
    for device in devices() {
        let plain = device.clone();
        let device = device.autodiff();
        let mlp = |width| {
            MlpEncoderConfig::new(width, D_FEATURE)
                .init(&device)
                .unwrap()
        };
        let cnn = CnnEncoderConfig::new(2, D_FEATURE).with_stages(vec![3]);
        let cnn = cnn.init(&device).unwrap();
        let frozen = Frozen::new(mlp(9));
        let encoders = (mlp(1), mlp(2), cnn, mlp(3), mlp(4), frozen, mlp(5), mlp(6));
        let fusion = EntropyFusionConfig::new(8).init(&device).unwrap();
        let model = Mla::new(encoders, linear_head(&device), rls(0.1), fusion);
        let mut model = model.unwrap();
        let mut optimizer = sgd();
        let ones = |width| Tensor::<2>::ones([3, width], &device);
        let inputs = vec![
            OneOf8::A(ones(1)),
            OneOf8::B(ones(2)),
            OneOf8::C(Tensor::ones([3, 2, 4, 4], &device)),
            OneOf8::D(ones(3)),
            OneOf8::E(ones(4)),
            OneOf8::F(FrozenInput::Raw(ones(9))),
            OneOf8::G(ones(5)),
            OneOf8::H(ones(6)),
        ];
        for (modality, input) in inputs.into_iter().enumerate() {
            let turn = Turn::new(input, Targets::new([0, 1, 2], &device));
            let output = model.try_step(turn).unwrap();
            assert_eq!(output.item.modality, Some(modality));
            model
                .try_optimize(&mut optimizer, 0.01, output.grads)
                .unwrap();
        }
        assert_eq!(model.projection().n_steps(), 8);

        // Only the third and the last modality are there.
        let inputs = (
            None,
            None,
            ModalityInput::rows(Tensor::ones([1, 2, 4, 4], &plain), vec![1]),
            None,
            None,
            None,
            None,
            Some(ModalityInput::all(Tensor::ones([2, 6], &plain))),
        );
        let batch = MultimodalBatch::new(inputs, Targets::new([0, 1], &plain));
        let prediction = model.valid().predict(batch).unwrap();
        let weights = values(prediction.weights);
        assert_eq!(weights[..8], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert!(weights[8 + 2] > 0.0 && weights[8 + 7] > 0.0);
    }
}

#[test]
fn a_vec_of_five_equal_encoders_takes_turns() {
    for device in devices() {
        let device = device.autodiff();
        let encoders = (0..5).map(|_| MlpEncoderConfig::new(D_A, D_FEATURE).init(&device).unwrap());
        let encoders: Vec<MlpEncoder> = encoders.collect();
        let model = Mla::new(encoders, linear_head(&device), rls(0.1), MeanFusion);
        let mut model = model.unwrap();
        for t in 0..10 {
            let modality = RoundRobin.modality(t, 5);
            let input = Numbers::new(t).tensor([3, D_A], &device);
            let turn = Turn::new(
                Indexed { modality, input },
                Targets::new([0, 1, 2], &device),
            );
            let output = model.try_step(turn).unwrap();
            model.try_optimize(&mut sgd(), 0.01, output.grads).unwrap();
        }
        let batch = MultimodalBatch::new(
            vec![
                None,
                None,
                Some(ModalityInput::all(Tensor::ones([1, D_A], &device))),
                None,
            ],
            Targets::new([0], &device),
        );
        let error = model.valid().predict(batch).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "the batch has 4 modalities, expected 5");
    }
}
