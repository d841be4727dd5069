//! Seeds: the same seed gives the same model, and the backends agree.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_mla::mla::{ProjectionConfig, ProjectionTarget};
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;

use crate::alone;
use crate::common::*;

/// A model with dropout, initialized and trained from a seed.
fn from_seed(seed: u64, device: &Device) -> Vec<(String, Vec<f32>)> {
    device.seed(seed);
    let device = device.clone().autodiff();
    let image = CnnEncoderConfig::new(1, D_FEATURE)
        .with_stages(vec![3])
        .with_dropout(0.3);
    let text = MlpEncoderConfig::new(D_B, D_FEATURE).with_input_dropout(0.2);
    let encoders = (image.init(&device).unwrap(), text.init(&device).unwrap());
    let fusion = EntropyFusionConfig::new(2).init(&device).unwrap();
    let mut model = Mla::new(encoders, linear_head(&device), rls(0.1), fusion).unwrap();
    let mut optimizer = sgd();
    for step in 0..8 {
        let mut numbers = Numbers::new(step);
        let input = match step % 2 {
            0 => OneOf2::A(numbers.tensor::<4>([6, 1, 4, 4], &device)),
            _ => OneOf2::B(numbers.tensor::<2>([6, D_B], &device)),
        };
        let turn = Turn::new(input, Targets::new([0, 1, 2, 0, 1, 2], &device));
        let output = model.try_step(turn).unwrap();
        model
            .try_optimize(&mut optimizer, 0.05, output.grads)
            .unwrap();
    }
    state(&model)
}

#[test]
fn the_same_seed_gives_the_same_model() {
    let _alone = alone();
    for device in devices() {
        let first = from_seed(7, &device);
        assert_eq!(first, from_seed(7, &device));
        assert_ne!(first, from_seed(8, &device));
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn flex_and_ndarray_agree_after_20_steps() {
    let _alone = alone();
    for target in [ProjectionTarget::Gradient, ProjectionTarget::Update] {
        let projection = ProjectionConfig::new()
            .with_target(target)
            .with_protect_bias(true);
        let [flex, ndarray] = [Device::flex(), ndarray()].map(|device| {
            let device = device.autodiff();
            let config = MlaConfig::new().with_projection(projection);
            let model = mlp_mla(config, rls(0.1), &device);
            state(&train(model, 20, &mut sgd(), &device))
        });
        for ((path, a), (other, b)) in flex.iter().zip(&ndarray) {
            assert_eq!(path, other);
            if path.ends_with("square_root.remainder") {
                // What f32 rounds away is rounding itself.
                continue;
            }
            let expected: Vec<f64> = b.iter().map(|&x| f64::from(x)).collect();
            close(a, &expected, 1e-4, path);
        }
    }
}

#[test]
fn the_projector_is_part_of_the_comparison() {
    let _alone = alone();
    let device = Device::flex().autodiff();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let paths: Vec<String> = state(&model).into_iter().map(|(path, _)| path).collect();
    assert!(
        paths.contains(&"projection.layers.0.state.square_root.rounded".to_string()),
        "{paths:?}"
    );
    let p: Tensor<2> = model.valid().projection().state(0).matrix();
    assert_eq!(p.dims(), [D_FEATURE, D_FEATURE]);
}
