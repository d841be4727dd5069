//! Averages of weights: the formula, and what uses them.

use burn::module::Module;
use burn::optim::AdamConfig;
use burn_mla::baseline::{Joint, JointConfig, Tate, TateConfig};
use burn_mla::dataset::InMemory;
use burn_mla::method::{MultimodalMethod, WeightAverage, WeightAverageConfig};
use burn_mla::prelude::*;
use rstest::rstest;

use crate::common::*;

/// Averages of all trainable parameters after some turns, computed here from the weights.
#[rstest]
#[case::starts_fast(0.99)]
#[case::constant_from_the_second_update(0.15)]
fn averages_are_those_of_the_formula(#[case] decay: f64) {
    for device in devices() {
        let device = device.autodiff();
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let config = WeightAverageConfig::new().with_decay(decay);
        let mut model = config.init(model).unwrap();
        let weights = |model: &MlpMla<RlsProjector>| {
            let mut all = state(&model.encoders);
            all.extend(state(&model.head));
            let values = all.into_iter().flat_map(|(_, values)| values);
            values.map(f64::from).collect::<Vec<f64>>()
        };
        let mut expected = weights(model.model());
        let mut optimizer = sgd();
        for t in 1..=5 {
            let output = model
                .try_train_step(turn(t % 2, 8, t as u64, &device))
                .unwrap();
            model
                .try_update(&mut optimizer, 0.2.into(), output.grads)
                .unwrap();
            let keep = decay.min(t as f64 / (t as f64 + 9.0));
            for (average, weight) in expected.iter_mut().zip(weights(model.model())) {
                *average = keep * *average + (1.0 - keep) * weight;
            }
        }
        let got: Vec<f32> = weights(&model.averaged())
            .iter()
            .map(|&x| x as f32)
            .collect();
        close(&got, &expected, 1e-5, "averages");
        assert_ne!(weights(&model.averaged()), weights(model.model()));

        // Predictions are those of the averages; the paths are those of the model.
        let plain = device.clone().inner();
        let evaluated = model
            .valid()
            .try_inference_step(batch(6, 1, &plain))
            .unwrap();
        let expected = model
            .averaged()
            .valid()
            .predict(batch(6, 1, &plain))
            .unwrap();
        assert_eq!(values(evaluated.logits), values(expected.fused));
        assert_eq!(state(&model)[0].0, state(model.model())[0].0);
    }
}

#[test]
fn a_model_in_training_and_one_that_is_not_have_the_same_averages() {
    for device in devices() {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device.autodiff());
        let init = |model| WeightAverageConfig::new().init(model).unwrap();
        let (plain, training) = (init(model.valid()), init(model));
        let averages = |state: Vec<(String, Vec<f32>)>| {
            let of_averages = |(path, _): &(String, Vec<f32>)| path.starts_with("averages.");
            state.into_iter().filter(of_averages).collect::<Vec<_>>()
        };
        let found = averages(state(&plain));
        assert!(!found.is_empty());
        assert_eq!(found, averages(state(&training)));
    }
}

type Staged = WeightAverage<Joint<(MlpEncoder, MlpEncoder), Tate>>;

/// The initial values of a student that starts late are in no average.
#[test]
fn averages_restart_with_the_last_stage() {
    for device in devices() {
        let device = device.autodiff();
        let head = TateConfig::new(vec![D_FEATURE; 2], N_CLASSES, 2)
            .with_d_token(8)
            .with_n_heads(2)
            .with_dropout(0.0)
            .init(&device)
            .unwrap();
        let model = JointConfig::new().init(mlps(&device), head).unwrap();
        let model = set_parameters(model, 1);
        let mut model: Staged = WeightAverageConfig::new().init(model).unwrap();
        let mut optimizer = AdamConfig::new().init();
        let mut update = |model: &mut Staged, seed: u64| {
            let output = model.try_train_step(batch(8, seed, &device)).unwrap();
            let rate = 0.05.into();
            model
                .try_update(&mut optimizer, rate, output.grads)
                .unwrap();
        };
        update(&mut model, 1);
        assert!(!model.is_selectable());
        assert_ne!(state(&model.averaged()), state(model.model()));
        update(&mut model, 2);
        assert!(model.is_selectable());
        assert_eq!(state(&model.averaged()), state(model.model()));

        // The next update is the first one of new averages.
        let encoders = |model: &Joint<(MlpEncoder, MlpEncoder), Tate>| {
            let all = state(&model.encoders).into_iter();
            all.flat_map(|(_, values)| values).collect::<Vec<f32>>()
        };
        let before = encoders(model.model());
        update(&mut model, 3);
        let now = encoders(model.model());
        let expected = before.iter().zip(&now);
        let expected =
            expected.map(|(&before, &now)| 0.1 * f64::from(before) + 0.9 * f64::from(now));
        let expected: Vec<f64> = expected.collect();
        close(&encoders(&model.averaged()), &expected, 1e-5, "averages");
        assert_ne!(before, now);
    }
}

#[test]
fn a_fit_selects_and_returns_averages() {
    let device = burn::tensor::Device::flex();
    let (labels, a, b) = samples(24, 3);
    let inputs = (matrix(a, D_A, &device), matrix(b, D_B, &device));
    let data = InMemory::paired(inputs, labels).unwrap();
    let model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
    let model = WeightAverageConfig::new()
        .with_decay(0.5)
        .init(model)
        .unwrap();
    let train = data.shuffled(8, 0, &device).unwrap();
    let valid = data.in_order(8, &device).unwrap();
    let fitted = fit(
        model,
        train,
        valid.clone(),
        &FitConfig::new(2).with_progress(false),
    )
    .unwrap();
    let averaged = evaluate(&fitted.model.averaged(), &*valid).unwrap();
    let found = evaluate(&fitted.model, &*valid).unwrap();
    assert_eq!(found.loss, averaged.loss);
}

#[test]
fn a_decay_outside_of_its_range_is_refused() {
    let device = burn::tensor::Device::flex();
    for decay in [0.0, 1.0, f64::NAN] {
        let model = mlp_mla(MlaConfig::new(), rls(0.1), &device.clone().autodiff());
        let error = WeightAverageConfig::new().with_decay(decay).init(model);
        let error = error.err().unwrap().to_string();
        assert!(error.starts_with("decay must be in (0, 1)"), "{error}");
    }
}
