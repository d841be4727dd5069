//! Bad input gets an error that names it, and nothing changes; small input works.

use burn::module::{Module, ParamId};
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use burn_mla::fusion::MeanFusion;
use burn_mla::head::{HeadOutput, ProtectedLayer};
use burn_mla::modality::{Indexed, OneOf2};
use burn_mla::prelude::*;
use burn_mla::{MlaError, NonFinite};
use rstest::rstest;

use crate::common::*;

fn image_turn(pixels: Tensor<4>, labels: Vec<i64>) -> Turn<OneOf2<Tensor<4>, Tensor<2>>> {
    let targets = Targets::from_labels(labels, &pixels.device());
    Turn::new(OneOf2::A(pixels), targets)
}

#[test]
fn encoders_of_different_width_are_both_named() {
    let device = Device::flex();
    let encoder = |width| MlpEncoderConfig::new(3, width).init(&device).unwrap();
    let head = linear_head(&device);
    let fusion = MeanFusion;
    let error = Mla::new(
        (encoder(6), encoder(7)),
        head.clone(),
        rls(0.1),
        fusion.clone(),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "encoder 0 has d_feature = 6 but encoder 1 has d_feature = 7: encoders that share a head \
         need the same feature width"
    );
    let error = Mla::new(
        (encoder(7), encoder(7)),
        head.clone(),
        rls(0.1),
        fusion.clone(),
    );
    assert_eq!(
        error.unwrap_err(),
        MlaError::HeadWidth {
            d_encoder: 7,
            d_head: 6
        }
    );
    let none: Vec<MlpEncoder> = vec![];
    let error = Mla::new(none, head.clone(), rls(0.1), fusion);
    assert!(matches!(error.unwrap_err(), MlaError::NoModalities { .. }));
    let three = EntropyFusionConfig::new(3).init(&device).unwrap();
    let error = Mla::new((encoder(6), encoder(6)), head, rls(0.1), three);
    assert!(matches!(
        error.unwrap_err(),
        MlaError::ModalityCount {
            expected: 3,
            got: 2,
            ..
        }
    ));
}

/// Clones share their parameters' ids: a step on one would move the other.
#[test]
fn cloned_encoders_are_refused() {
    let device = Device::flex();
    let encoder = MlpEncoderConfig::new(3, D_FEATURE).init(&device).unwrap();
    let build = |encoders| Mla::new(encoders, linear_head(&device), rls(0.1), MeanFusion);
    assert_eq!(
        build(vec![encoder.clone(), encoder])
            .unwrap_err()
            .to_string(),
        "`encoders.0.layers.0.weight` and `encoders.1.layers.0.weight` are the same parameter: \
         initialize each encoder and the head separately instead of cloning one"
    );
}

/// A head that names a parameter which it does not hold.
#[derive(Module, Debug)]
struct Misnamed {
    inner: LinearHead,
    #[module(skip)]
    named: ProtectedLayer,
}

impl SharedHead for Misnamed {
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        self.inner.forward(features)
    }
    fn protected(&self) -> Vec<ProtectedLayer> {
        vec![self.named]
    }
    fn d_feature(&self) -> usize {
        self.inner.d_feature()
    }
    fn n_classes(&self) -> usize {
        self.inner.n_classes()
    }
}

#[test]
fn a_head_that_names_no_parameter_of_its_own_is_refused() {
    let device = Device::flex();
    let inner = linear_head(&device);
    let right = inner.protected()[0];
    let build = |named| {
        let head = Misnamed {
            inner: inner.clone(),
            named,
        };
        Mla::new(mlps(&device), head, rls(0.1), MeanFusion).map(|_| ())
    };
    assert!(build(right).is_ok());
    let wrong = [
        ProtectedLayer {
            weight: ParamId::new(),
            ..right
        },
        ProtectedLayer {
            weight: right.bias.unwrap(),
            ..right
        },
        ProtectedLayer {
            bias: Some(ParamId::new()),
            ..right
        },
        ProtectedLayer {
            d_input: 5,
            ..right
        },
    ];
    for named in wrong {
        assert!(matches!(
            build(named),
            Err(MlaError::ProtectedLayer { layer: 0, .. })
        ));
    }
}

#[rstest]
#[case::one_sample(1)]
#[case::two_samples(2)]
fn small_batches_train(#[case] n: usize) {
    for device in devices() {
        let device = device.autodiff();
        let mut model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let mut optimizer = sgd();
        for t in 0..4 {
            let output = model.try_step(turn(t % 2, n, t as u64, &device)).unwrap();
            model
                .try_optimize(&mut optimizer, 0.05, output.grads)
                .unwrap();
        }
        let prediction = model
            .valid()
            .predict(batch(n, 0, &device.clone().inner()))
            .unwrap();
        assert!(values(prediction.fused).iter().all(|x| x.is_finite()));
    }
}

#[test]
fn one_class_and_one_modality_train() {
    for device in devices() {
        let device = device.autodiff();
        let encoders = vec![MlpEncoderConfig::new(3, 4).init(&device).unwrap()];
        let head = LinearHeadConfig::new(4, 1).init(&device).unwrap();
        let fusion = EntropyFusionConfig::new(1)
            .with_normalized(true)
            .init(&device)
            .unwrap();
        let mut model = Mla::new(encoders, head, rls(0.1), fusion).unwrap();
        for step in 0..3 {
            let input = Numbers::new(step).tensor([5, 3], &device);
            let turn = Turn::new(
                Indexed { modality: 0, input },
                Targets::new([0; 5], &device),
            );
            let output = model.try_step(turn).unwrap();
            assert_eq!(values(output.item.loss), [0.0]);
            model.try_optimize(&mut sgd(), 0.05, output.grads).unwrap();
        }
        let plain = device.clone().inner();
        let input = Numbers::new(9).tensor([5, 3], &plain);
        let batch = MultimodalBatch::paired(vec![input], Targets::new([0; 5], &plain));
        let prediction = model.valid().predict(batch).unwrap();
        assert_eq!(values(prediction.weights), [1.0; 5]);
    }
}

#[test]
fn labels_out_of_range_are_named() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        for (labels, label, sample) in [(vec![0, 3, -1], 3, 1), (vec![0, 1, -2], -2, 2)] {
            let targets = Targets::from_labels(labels, &device);
            let input = OneOf2::B(Tensor::zeros([3, D_B], &device));
            let error = model
                .try_step(Turn::new(input, targets))
                .map(|_| ())
                .unwrap_err();
            assert_eq!(
                error,
                MlaError::LabelOutOfRange {
                    label,
                    sample,
                    n_classes: N_CLASSES
                }
            );
        }
    }
}

#[test]
fn empty_turns_missing_rows_and_unknown_modalities_are_errors() {
    let device = Device::flex().autodiff();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let input = |n| OneOf2::B(Tensor::zeros([n, D_B], &device));
    let step = |input, labels: Vec<usize>| {
        model
            .try_step(Turn::new(input, Targets::new(labels, &device)))
            .map(|_| ())
            .unwrap_err()
    };
    assert!(matches!(step(input(0), vec![]), MlaError::Empty { .. }));
    assert!(matches!(
        step(input(3), vec![0, 1]),
        MlaError::EncoderOutput {
            modality: 1,
            expected: [2, D_FEATURE],
            found: [3, D_FEATURE],
        }
    ));

    let vec = Mla::new(
        vec![mlps(&device).0],
        linear_head(&device),
        rls(0.1),
        MeanFusion,
    );
    let turn = Turn::new(
        Indexed {
            modality: 1,
            input: Tensor::zeros([1, D_A], &device),
        },
        Targets::new([0], &device),
    );
    assert_eq!(
        vec.unwrap().try_step(turn).map(|_| ()).unwrap_err(),
        MlaError::ModalityOutOfRange {
            modality: 1,
            n_modalities: 1
        }
    );
}

#[rstest]
#[case::nan_input(f32::NAN, NonFinite::Features)]
#[case::infinite_input(f32::INFINITY, NonFinite::Features)]
#[case::infinite_bias(1.0, NonFinite::Loss)]
fn a_non_finite_step_changes_nothing(#[case] pixel: f32, #[case] what: NonFinite) {
    for device in devices() {
        let device = device.autodiff();
        let rule = rls(0.1);
        let model = Mla::new(pair(&device), linear_head(&device), rule, MeanFusion);
        let mut model = model.unwrap();
        let mut optimizer = AdamWConfig::new().init();
        let good = |seed| Numbers::new(seed).tensor([4, 1, 4, 4], &device);
        for seed in 0..3 {
            let output = model
                .try_step(image_turn(good(seed), vec![0, 1, 2, 0]))
                .unwrap();
            model
                .try_optimize(&mut optimizer, 0.01, output.grads)
                .unwrap();
        }
        if what == NonFinite::Loss {
            let mut linear = model.head.linear().clone();
            linear.bias = linear
                .bias
                .map(|bias| bias.map(|b| b.zeros_like() + f32::INFINITY));
            model.head = LinearHead::from(linear);
        }
        let before = state(&model);
        let bad = good(7).slice_assign(
            [0..1, 0..1, 0..1, 0..1],
            Tensor::full([1, 1, 1, 1], pixel, &device),
        );
        for _ in 0..2 {
            let error = model
                .try_step(image_turn(bad.clone(), vec![0, 1, 2, 0]))
                .map(|_| ())
                .unwrap_err();
            assert_eq!(
                error,
                MlaError::NonFinite {
                    what,
                    modality: 0,
                    step: 3
                }
            );
            assert_eq!(
                state(&model),
                before,
                "statistics and parameters are as they were"
            );
        }
        assert_eq!(model.projection().n_steps(), 3);
        if what == NonFinite::Features {
            let output = model
                .try_step(image_turn(good(8), vec![0, 1, 2, 0]))
                .unwrap();
            model
                .try_optimize(&mut optimizer, 0.01, output.grads)
                .unwrap();
            assert_ne!(state(&model), before, "and training goes on");
        }
    }
}

/// What the other encoder's batch normalization keeps aside of its last, good step is not lost.
#[test]
fn a_refused_step_leaves_the_other_encoders_statistics() {
    for device in devices() {
        let device = device.autodiff();
        let encoder = || {
            let config = CnnEncoderConfig::new(1, D_FEATURE).with_stages(vec![3]);
            set_parameters(config.init(&device).unwrap(), 5)
        };
        let run = |bad: bool| {
            let encoders = (encoder(), encoder());
            let head = set_parameters(linear_head(&device), 2);
            let mut model = Mla::new(encoders, head, rls(0.1), MeanFusion).unwrap();
            let mut optimizer = sgd();
            let pixels = |seed| Numbers::new(seed).tensor::<4>([4, 1, 4, 4], &device);
            let turn = |m, pixels| {
                let input = if m == 0 {
                    OneOf2::A(pixels)
                } else {
                    OneOf2::B(pixels)
                };
                Turn::new(input, Targets::new([0, 1, 2, 0], &device))
            };
            for t in 0..6 {
                let output = model.try_step(turn(t % 2, pixels(t as u64))).unwrap();
                model
                    .try_optimize(&mut optimizer, 0.05, output.grads)
                    .unwrap();
                if bad {
                    assert!(model.try_step(turn(0, pixels(9) * f32::NAN)).is_err());
                    assert!(model.try_step(turn(1, pixels(9) * f32::NAN)).is_err());
                }
            }
            state(&model)
        };
        assert_eq!(run(true), run(false));
    }
}

#[test]
fn features_whose_norm_overflows_are_refused() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let input = OneOf2::B(Tensor::full([2, D_B], 1e30, &device));
        let error = model.try_step(Turn::new(input, Targets::new([0, 1], &device)));
        let what = NonFinite::Features;
        let expected = MlaError::NonFinite {
            what,
            modality: 1,
            step: 0,
        };
        assert_eq!(error.map(|_| ()).unwrap_err(), expected);
    }
}

/// A head that hands out something else than its protected layer's input.
#[derive(Module, Debug)]
struct WrongInput {
    inner: LinearHead,
}

impl SharedHead for WrongInput {
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        let output = self.inner.forward(features);
        HeadOutput {
            inputs: vec![output.logits.clone()],
            ..output
        }
    }
    fn protected(&self) -> Vec<ProtectedLayer> {
        self.inner.protected()
    }
    fn d_feature(&self) -> usize {
        self.inner.d_feature()
    }
    fn n_classes(&self) -> usize {
        self.inner.n_classes()
    }
}

#[test]
fn a_head_that_hands_out_an_input_of_another_width_is_refused() {
    let device = Device::flex().autodiff();
    let head = WrongInput {
        inner: linear_head(&device),
    };
    let model = Mla::new(mlps(&device), head, rls(0.1), MeanFusion).unwrap();
    let error = model
        .try_step(turn(0, 4, 0, &device))
        .map(|_| ())
        .unwrap_err();
    assert!(
        matches!(
            error,
            MlaError::Size {
                expected: D_FEATURE,
                got: N_CLASSES,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn gradients_that_the_projector_cannot_use_are_refused() {
    let device = Device::flex().autodiff();
    let mut model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let before = state(&model);
    let error = model
        .try_optimize(&mut sgd(), 0.1, GradientsParams::new())
        .unwrap_err();
    assert_eq!(error, MlaError::NoMeanFeature);

    let mut mixed = GradientsAccumulator::new();
    for modality in [0, 1] {
        mixed.accumulate(
            &model,
            model.try_step(turn(modality, 4, 0, &device)).unwrap().grads,
        );
    }
    let error = model
        .try_optimize(&mut sgd(), 0.1, mixed.grads())
        .unwrap_err();
    assert_eq!(
        error,
        MlaError::MixedModalities {
            first: 0,
            second: 1
        }
    );

    let mut without = model.try_step(turn(1, 4, 0, &device)).unwrap().grads;
    without.remove::<2>(model.head.linear().weight.id);
    let error = model.try_optimize(&mut sgd(), 0.1, without).unwrap_err();
    assert_eq!(
        error,
        MlaError::MissingHeadGradient {
            layer: 0,
            modality: 1,
            step: 0
        }
    );

    assert_eq!(state(&model), before);
    assert_eq!(model.projection().n_steps(), 0);
}

/// What `predict` says of samples 0 and 2, which have both modalities, does not depend on
/// sample 1, which lacks the text; nor on the order of the rows.
#[test]
fn a_missing_modality_weighs_nothing_at_test_time() {
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device).valid();
        let (labels, a, b) = samples(3, 4);
        let (a, b) = (matrix(a, D_A, &device), matrix(b, D_B, &device));
        let whole = MultimodalBatch::paired(
            (a.clone(), b.clone()),
            Targets::new(labels.clone(), &device),
        );
        let whole = model.predict(whole).unwrap();
        let reordered = Tensor::cat(vec![b.clone().slice([2..3]), b.slice([0..1])], 0);
        let inputs = (
            Some(ModalityInput::all(a)),
            ModalityInput::rows(reordered, vec![2, 0]),
        );
        let partial = MultimodalBatch::new(inputs, Targets::new(labels, &device));
        let partial = model.predict(partial).unwrap();

        let rows = |tensor: Tensor<2>, columns: usize| -> Vec<Vec<f32>> {
            values(tensor)
                .chunks(columns)
                .map(<[f32]>::to_vec)
                .collect()
        };
        let (weights, fused) = (rows(partial.weights, 2), rows(partial.fused, N_CLASSES));
        assert_eq!(weights[1], [1.0, 0.0]);
        let image = rows(whole.modalities.modality(0), N_CLASSES);
        assert_eq!(fused[1], image[1]);
        let (all_weights, all_fused) = (rows(whole.weights, 2), rows(whole.fused, N_CLASSES));
        for i in [0, 2] {
            assert_eq!(weights[i], all_weights[i]);
            for (x, y) in fused[i].iter().zip(&all_fused[i]) {
                assert!((x - y).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn a_modality_absent_in_a_whole_batch_is_predicted_around() {
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device).valid();
        let b = Tensor::ones([2, D_B], &device);
        let inputs = (None, Some(ModalityInput::all(b)));
        let batch = MultimodalBatch::new(inputs, Targets::new([0, 1], &device));
        let prediction = model.predict(batch).unwrap();
        assert_eq!(values(prediction.weights), [0.0, 1.0, 0.0, 1.0]);

        let nobody = MultimodalBatch::new((None, None), Targets::new([0, 1], &device));
        let error = model.predict(nobody).map(|_| ()).unwrap_err();
        assert_eq!(error, MlaError::NothingPresent { sample: 0 });
    }
}
