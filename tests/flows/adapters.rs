//! Adapters of the shared head: they start without effect, and only their own turns train them.

use burn::module::Module;
use burn::tensor::Device;
use burn_mla::fusion::MeanFusion;
use burn_mla::head::{AdaptedHead, AdapterConfig};
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;
use rstest::rstest;

use crate::common::*;

type Model = Mla<(MlpEncoder, MlpEncoder), AdaptedHead<LinearHead>, RlsProjector, MeanFusion>;

fn model(config: &AdapterConfig, device: &Device) -> Model {
    let shared = set_parameters(linear_head(device), 2);
    let head = config.init(shared, device).unwrap();
    let encoders = set_parameters(mlps(device), 1);
    Mla::new(encoders, head, rls(0.1), MeanFusion).unwrap()
}

fn adapters(model: &Model) -> [Vec<(String, Vec<f32>)>; 2] {
    let all = state(&model.head);
    ["adapters.0.", "adapters.1."].map(|part| {
        let of_part = all.iter().filter(|(path, _)| path.starts_with(part));
        of_part.cloned().collect()
    })
}

#[rstest]
#[case::scale_and_bias(true, None, 2)]
#[case::low_rank(false, Some(2), 2)]
#[case::both(true, Some(1), 4)]
#[case::nothing(false, None, 0)]
fn adapters_start_without_effect_and_train_in_their_own_turns(
    #[case] scale_and_bias: bool,
    #[case] rank: Option<usize>,
    #[case] n_parameters: usize,
) {
    let config = AdapterConfig::new(2)
        .with_scale_and_bias(scale_and_bias)
        .with_rank(rank);
    for device in devices() {
        let device = device.autodiff();
        let mut model = model(&config, &device);
        let input = || turn(0, 8, 3, &device).input;
        let OneOf2::A(values_a) = input() else {
            panic!("the input of modality 0")
        };
        let features = model.encoders.0.encode(values_a);
        let shared = model.head.shared().forward(features).logits;
        assert_eq!(values(model.forward(input()).logits), values(shared));

        let mut optimizer = sgd();
        for modality in [0, 1, 0] {
            let before = adapters(&model);
            assert!(before.iter().all(|part| part.len() == n_parameters));
            let output = model.try_step(turn(modality, 8, 7, &device)).unwrap();
            model
                .try_optimize(&mut optimizer, 0.1, output.grads)
                .unwrap();
            let after = adapters(&model);
            assert_eq!(after[1 - modality], before[1 - modality]);
            if n_parameters > 0 {
                assert_ne!(after[modality], before[modality]);
            }
        }
        let predicted = model.valid().predict(batch(4, 1, &device.clone().inner()));
        assert_eq!(predicted.unwrap().fused.dims(), [4, N_CLASSES]);
    }
}

/// The logits of the head are not the output of its protected layer.
#[test]
fn the_shared_layer_is_projected_by_its_gradient() {
    for device in devices() {
        let model = model(&AdapterConfig::new(2), &device);
        let protected = model.head.protected();
        assert_eq!(protected.len(), 1);
        assert!(!protected[0].is_output);
    }
}

#[test]
fn logits_are_those_of_the_formula() {
    for device in devices() {
        let config = AdapterConfig::new(2).with_rank(Some(2));
        let head = config
            .init(linear_head(&device), &device.clone().autodiff())
            .unwrap();
        let head = set_parameters(head, 5);
        let features = Numbers::new(4).tensor([3, D_FEATURE], &device.clone().autodiff());
        let all = state(&head);
        let of = |path: &str| -> Vec<f32> {
            let found = all.iter().find(|(found, _)| found == path);
            found.unwrap_or_else(|| panic!("{path}")).1.clone()
        };
        let matrix_of = |path: &str, columns: usize| matrix(of(path), columns, &device);
        let x = features.clone().without_autodiff();
        let shared = head
            .shared()
            .forward(features.clone())
            .logits
            .without_autodiff();
        let scale = matrix_of("adapters.1.scale", N_CLASSES) + 1.0;
        let low_rank = x
            .matmul(matrix_of("adapters.1.down", 2))
            .matmul(matrix_of("adapters.1.up", N_CLASSES));
        let expected = shared * scale + matrix_of("adapters.1.bias", N_CLASSES) + low_rank;
        let expected: Vec<f64> = values(expected).into_iter().map(f64::from).collect();
        let got = values(head.forward_of(1, features).logits);
        close(&got, &expected, 1e-6, "logits");
    }
}

#[test]
fn adapters_for_other_modalities_and_bad_ranks_are_refused() {
    let device = Device::flex();
    let three = AdapterConfig::new(3).init(linear_head(&device), &device);
    let error = Mla::new(mlps(&device), three.unwrap(), rls(0.1), MeanFusion).unwrap_err();
    assert!(
        error.to_string().contains("adapters of the head"),
        "{error}"
    );
    for config in [
        AdapterConfig::new(0),
        AdapterConfig::new(2).with_rank(Some(0)),
    ] {
        assert!(config.init(linear_head(&device), &device).is_err());
    }
}
