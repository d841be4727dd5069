//! Inputs and outputs of a wrong shape, and samples at fault: the error names the modality, the
//! shapes, and the sample in the batch and in the data set.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn::train::{InferenceStep, Interrupter, TrainStep};
use burn_mla::baseline::{Joint, JointConfig, LateFusion, LateFusionConfig};
use burn_mla::encoder::{Frozen, FrozenInput};
use burn_mla::fusion::{MeanFusion, ModalityLogits};
use burn_mla::method::{EvaluatedBatch, SubsetPredictor};
use burn_mla::modality::{OneOf2, Presence, Rows};
use burn_mla::prelude::*;

use crate::common::*;

type Batch = MultimodalBatch<MlpInputs>;
type MlpJoint = Joint<(MlpEncoder, MlpEncoder), LateFusion>;

fn joint(device: &Device) -> MlpJoint {
    let head = LateFusionConfig::new(vec![D_FEATURE; 2], N_CLASSES);
    let head = head.init(device).unwrap();
    JointConfig::new().init(mlps(device), head).unwrap()
}

/// Inputs of other widths than [`mlps`] have.
fn of_widths(a: usize, b: usize, device: &Device) -> Batch {
    let input = |width| Tensor::<2>::ones([3, width], device);
    MultimodalBatch::paired((input(a), input(b)), Targets::new([0, 1, 2], device))
}

fn wrong_width(modality: usize, found: usize, expected: usize) -> MlaError {
    MlaError::Input {
        modality,
        problem: Box::new(MlaError::input_shape(
            [3, found],
            format!("[batch, {expected}]"),
        )),
    }
}

#[test]
fn a_wrong_width_and_swapped_modalities_are_named_wherever_they_are_met() {
    for device in devices() {
        let training = device.clone().autodiff();
        let cases = [
            (of_widths, D_A, D_B + 1, wrong_width(1, D_B + 1, D_B)),
            (of_widths, D_B, D_A, wrong_width(0, D_B, D_A)),
        ];
        for (batch, a, b, expected) in cases {
            let model = mlp_mla(MlaConfig::new(), rls(0.1), &training);
            let joint = joint(&training);
            let before = (state(&model), state(&joint));
            let predicted = model.valid().predict(batch(a, b, &device));
            assert_eq!(predicted.map(|_| ()).unwrap_err(), expected);
            let evaluated = model.valid().try_evaluate(batch(a, b, &device));
            assert_eq!(evaluated.map(|_| ()).unwrap_err(), expected);
            let predicted = joint.valid().predict(batch(a, b, &device));
            assert_eq!(predicted.map(|_| ()).unwrap_err(), expected);
            let evaluated = joint.valid().try_evaluate(batch(a, b, &device));
            assert_eq!(evaluated.map(|_| ()).unwrap_err(), expected);
            let stepped = joint.try_step(batch(a, b, &training));
            assert_eq!(stepped.map(|_| ()).unwrap_err(), expected);
            let turns = batch(a, b, &training).into_turns().unwrap();
            let stepped: Vec<_> = turns
                .into_iter()
                .map(|turn| model.try_step(turn.unwrap()).map(|_| ()))
                .collect();
            assert!(stepped.contains(&Err(expected.clone())), "{stepped:?}");

            // In Burn's loop, through the interrupter.
            let joint = joint.with_interrupter(Interrupter::new());
            TrainStep::step(&joint, batch(a, b, &training));
            assert_eq!(joint.fault().unwrap(), expected);
            let model = model.with_interrupter(Interrupter::new());
            InferenceStep::step(&model.valid(), batch(a, b, &device));
            assert_eq!(model.fault().unwrap(), expected);
            assert_eq!((state(&model), state(&joint)), before);
        }
    }
}

#[test]
fn the_message_has_modality_expected_and_found_shape() {
    let device = Device::flex();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device).valid();
    let error = model.predict(of_widths(D_B, D_A, &device)).map(|_| ());
    assert_eq!(
        error.unwrap_err().to_string(),
        "modality 0: the input has the shape [3, 4], expected [batch, 5]"
    );
}

#[test]
fn every_encoder_of_the_crate_checks_its_input() {
    let device = Device::flex();
    let message = |checked: Result<()>| checked.unwrap_err().to_string();
    let (images, _) = pair(&device);
    assert!(images.check(&Tensor::ones([2, 1, 2, 3], &device)).is_ok());
    assert_eq!(
        message(images.check(&Tensor::ones([2, 3, 4, 4], &device))),
        "the input has the shape [2, 3, 4, 4], expected [batch, 1, height, width] with height and \
         width of at least 2"
    );
    assert!(images.check(&Tensor::ones([2, 1, 4, 1], &device)).is_err());
    let frozen = Frozen::new(mlps(&device).0);
    let vectors = |width| Tensor::<2>::ones([2, width], &device);
    assert!(frozen.check(&FrozenInput::Raw(vectors(D_A))).is_ok());
    assert!(frozen.check(&FrozenInput::Raw(vectors(D_B))).is_err());
    assert!(
        frozen
            .check(&FrozenInput::Features(vectors(D_FEATURE)))
            .is_ok()
    );
    assert_eq!(
        message(frozen.check(&FrozenInput::Features(vectors(2)))),
        "the input has the shape [2, 2], expected [batch, 6], cached features"
    );
}

/// An encoder that returns other rows or another width than it promises.
#[derive(Module, Debug)]
struct Odd {
    #[module(skip)]
    shape: [usize; 2],
}

impl Encoder for Odd {
    type Input = Tensor<2>;

    fn encode(&self, input: Tensor<2>) -> Tensor<2> {
        Tensor::ones(self.shape, &input.device())
    }

    fn d_feature(&self) -> usize {
        D_FEATURE
    }
}

#[test]
fn an_encoder_that_breaks_its_promise_is_named() {
    for device in devices() {
        for found in [[2, D_FEATURE], [0, D_FEATURE], [3, D_FEATURE + 1]] {
            let encoders = || (mlps(&device).0, Odd { shape: found });
            let model = Mla::new(encoders(), linear_head(&device), rls(0.1), MeanFusion);
            let head = LateFusionConfig::new(vec![D_FEATURE; 2], N_CLASSES);
            let joint = JointConfig::new().init(encoders(), head.init(&device).unwrap());
            let batch = || of_widths(D_A, D_B, &device);
            let expected = MlaError::EncoderOutput {
                modality: 1,
                expected: [3, D_FEATURE],
                found,
            };
            let predicted = model.unwrap().predict(batch()).map(|_| ());
            assert_eq!(predicted.unwrap_err(), expected);
            let predicted = joint.unwrap().predict(batch()).map(|_| ());
            assert_eq!(predicted.unwrap_err(), expected);
        }
    }
}

/// A head with one class more than it promises.
#[derive(Module, Debug)]
struct Wide {
    inner: LinearHead,
}

impl SharedHead for Wide {
    fn forward(&self, features: Tensor<2>) -> HeadOutput {
        self.inner.forward(features)
    }
    fn protected(&self) -> Vec<ProtectedLayer> {
        self.inner.protected()
    }
    fn d_feature(&self) -> usize {
        self.inner.d_feature()
    }
    fn n_classes(&self) -> usize {
        self.inner.n_classes() - 1
    }
}

#[test]
fn a_head_with_other_classes_is_named() {
    for device in devices() {
        let device = device.autodiff();
        let head = Wide {
            inner: linear_head(&device),
        };
        let model = Mla::new(mlps(&device), head, rls(0.1), MeanFusion).unwrap();
        let batch = |device: &Device| {
            let mut batch = of_widths(D_A, D_B, device);
            batch.targets = Targets::new([0, 1, 0], device);
            batch
        };
        let turn = batch(&device).into_turns().unwrap().remove(0).unwrap();
        let expected = "the logits of the head have the shape [3, 3], expected [3, 2]";
        let error = model.try_step(turn).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let plain = device.clone().inner();
        let error = model
            .valid()
            .predict(batch(&plain))
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// A fusion that returns NaN for the last sample.
#[derive(Module, Debug)]
struct Broken {}

impl UncertaintyFusion for Broken {
    fn weights(&self, logits: &ModalityLogits) -> Tensor<2> {
        let weights = MeanFusion.weights(logits);
        let [n, m] = weights.dims();
        let nan = Tensor::full([1, m], f32::NAN, &weights.device());
        weights.slice_assign([n - 1..n, 0..m], nan)
    }
}

#[test]
fn a_fusion_that_returns_nan_is_named() {
    for device in devices() {
        let model = Mla::new(mlps(&device), linear_head(&device), rls(0.1), Broken {}).unwrap();
        let batch = || of_widths(D_A, D_B, &device);
        let error = model.predict(batch()).map(|_| ()).unwrap_err();
        assert_eq!(error, MlaError::NonFiniteFusion { sample: 2 });
        let known = batch().with_samples(vec![7, 70, 700]);
        let error = model.try_evaluate(known).map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the fusion returned non-finite weights or logits for sample 2 (sample 2 of the batch, \
             700 of the data set)"
        );
    }
}

/// A prediction from subsets that is wrong in one of them.
struct WrongSubset {
    presence: Presence,
    nan: bool,
}

impl SubsetPredictor for WrongSubset {
    fn presence(&self) -> &Presence {
        &self.presence
    }

    fn fuse(&self, rows: &[usize], modalities: &[usize]) -> Result<Tensor<2>> {
        let logits = Tensor::ones([rows.len(), 2], &Device::flex());
        Ok(match (modalities, self.nan) {
            ([1], true) => logits * f32::NAN,
            ([1], false) => logits.slice([0..1]),
            _ => logits,
        })
    }
}

#[test]
fn a_wrong_prediction_from_a_subset_is_named() {
    let subsets = |nan| {
        let presence = Presence::all(3, 2);
        let batch = EvaluatedBatch::new(WrongSubset { presence, nan });
        batch.subsets().map(|_| ()).unwrap_err()
    };
    let modalities = vec![1];
    assert_eq!(subsets(true), MlaError::NonFiniteSubset { modalities });
    assert!(matches!(
        subsets(false),
        MlaError::Size {
            expected: 3,
            got: 1,
            ..
        }
    ));
}

/// Samples 0 and 2 have the second modality; the positions in the data set are 40, 50 and 60.
fn gaps(device: &Device) -> Batch {
    let (_, a, b) = samples(3, 1);
    let b = matrix(b[..2 * D_B].to_vec(), D_B, device);
    let inputs = (
        Some(ModalityInput::all(matrix(a, D_A, device))),
        ModalityInput::rows(b, vec![0, 2]),
    );
    MultimodalBatch::new(inputs, Targets::new([0, 1, 2], device))
}

fn last_is_nan(input: Tensor<2>) -> Tensor<2> {
    let [n, width] = input.dims();
    let nan = Tensor::full([1, width], f32::NAN, &input.device());
    input.slice_assign([n - 1..n, 0..width], nan)
}

/// The second row of the second modality is sample 2 of the batch.
#[test]
fn labels_and_nan_name_the_sample_in_the_batch_and_in_the_data_set() {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let step = |batch: Batch| {
            let turn = batch.into_turns().unwrap().remove(1).unwrap();
            assert_eq!(turn.rows, Rows::Some(vec![0, 2]));
            model.try_step(turn).map(|_| ()).unwrap_err().to_string()
        };
        let with_label = |mut batch: Batch| {
            batch.targets = Targets::new([0, 1, 9], &device);
            batch
        };
        let label = "label 9 of sample 2 is out of range: the head has 3 classes, counted from 0";
        assert_eq!(step(with_label(gaps(&device))), label);
        let place = " (sample 2 of the batch, 60 of the data set)";
        let known = |batch: Batch| batch.with_samples(vec![40, 50, 60]);
        assert_eq!(
            step(known(with_label(gaps(&device)))),
            format!("{label}{place}")
        );

        let with_nan = |mut batch: Batch| {
            batch.inputs.1 = batch.inputs.1.map(|part| ModalityInput {
                input: last_is_nan(part.input),
                rows: part.rows,
            });
            batch
        };
        let nan = "non-finite features of modality 1 at step 0 (sample 2 of the batch";
        assert_eq!(step(with_nan(gaps(&device))), format!("{nan})"));
        let batch = known(with_nan(gaps(&device)));
        assert_eq!(step(batch), format!("{nan}, 60 of the data set)"));

        let joint = joint(&device);
        let step = |batch| joint.try_step(batch).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            step(known(with_label(gaps(&device)))),
            format!("{label}{place}")
        );
        assert_eq!(step(with_nan(gaps(&device))), format!("{nan})"));
        let batch = known(with_nan(gaps(&device)));
        assert_eq!(step(batch), format!("{nan}, 60 of the data set)"));

        // A prediction has no step.
        let nan = "non-finite logits of modality 1 in the prediction of sample 2";
        let plain = device.clone().inner();
        let error = model.valid().predict(with_nan(gaps(&plain)));
        assert_eq!(error.map(|_| ()).unwrap_err().to_string(), nan);
        let batch = known(with_nan(gaps(&plain)));
        let error = joint.valid().predict(batch).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), format!("{nan}{place}"));
    }
}

#[test]
fn a_sample_without_modalities_is_located_in_the_data_set() {
    let device = Device::flex();
    let mut batch = gaps(&device);
    batch.inputs.0 = None;
    let nothing = "sample 1 has no modality present";
    assert_eq!(batch.presence().unwrap_err().to_string(), nothing);
    let batch = batch.with_samples(vec![40, 50, 60]);
    let located = format!("{nothing} (sample 1 of the batch, 50 of the data set)");
    assert_eq!(batch.presence().unwrap_err().to_string(), located);
    let error = batch.clone().into_turns().map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), located);
    let mask = Presence::from_mask(vec![true, true, false, true, true, true], 2).unwrap();
    let masked = gaps(&device)
        .with_samples(vec![4, 5, 6])
        .with_presence(&mask);
    assert_eq!(
        masked.map(|_| ()).unwrap_err().to_string(),
        format!("{nothing} (sample 1 of the batch, 5 of the data set)")
    );
    let short = gaps(&device).with_samples(vec![4, 5]);
    assert!(matches!(
        short.presence(),
        Err(MlaError::Size {
            expected: 3,
            got: 2,
            ..
        })
    ));
}

/// A turn that was not taken from a batch counts its own rows.
#[test]
fn a_turn_of_its_own_counts_its_rows() {
    let device = Device::flex().autodiff();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let input = OneOf2::B(last_is_nan(Tensor::ones([3, D_B], &device)));
    let turn = Turn {
        samples: Some(vec![10, 20, 30]),
        ..Turn::new(input, Targets::new([0, 1, 2], &device))
    };
    let error = model.try_step(turn).map(|_| ()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("(sample 2 of the batch, 30 of the data set)"),
        "{error}"
    );
}
