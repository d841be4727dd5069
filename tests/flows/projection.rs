//! What the projector does to the head within a step.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, SgdConfig};
use burn::tensor::{Device, Tensor};
use burn_mla::encoder::Encoders;
use burn_mla::fusion::MeanFusion;
use burn_mla::head::MlpHeadConfig;
use burn_mla::mla::{FeatureMean, FeatureSource, ProjectionConfig, ProjectionTarget};
use burn_mla::modality::OneOf2;
use burn_mla::prelude::*;
use burn_mla::projector::IdentityProjector;
use rstest::rstest;

use crate::common::*;

const LR: f64 = 0.1;

fn head(model: &MlpMla<RlsProjector>) -> (Vec<f32>, Vec<f32>) {
    let linear = model.head.linear();
    (
        values(linear.weight.val()),
        values(linear.bias.as_ref().unwrap().val()),
    )
}

fn config(projection: ProjectionConfig) -> MlaConfig {
    MlaConfig::new().with_projection(projection)
}

/// Plain gradient of the head's weight, bias, and the mean feature, of a turn.
fn reference(model: &MlpMla<RlsProjector>, turn: &MlpTurn) -> (Tensor<2>, Tensor<1>, Tensor<1>) {
    let input = match &turn.input {
        OneOf2::A(x) => OneOf2::A(x.clone()),
        OneOf2::B(x) => OneOf2::B(x.clone()),
    };
    let features = model.encoders.encode(input);
    let logits = model.head.forward(features.clone()).logits;
    let loss = burn::nn::loss::CrossEntropyLossConfig::new()
        .init(&logits.device())
        .forward(logits, turn.targets.tensor());
    let gradients = loss.backward();
    let linear = model.head.linear();
    (
        linear.weight.val().grad(&gradients).unwrap(),
        linear
            .bias
            .as_ref()
            .unwrap()
            .val()
            .grad(&gradients)
            .unwrap(),
        features.mean_dim(0).squeeze_dim::<1>(0).without_autodiff(),
    )
}

fn minus(weight: &[f32], step: Tensor<2>) -> Vec<f64> {
    let step = values(step * LR);
    weight
        .iter()
        .zip(step)
        .map(|(w, g)| f64::from(w - g))
        .collect()
}

#[rstest]
fn steps_follow_eq_3_to_5(
    #[values(FeatureSource::Current, FeatureSource::Previous)] source: FeatureSource,
    #[values(ProjectionTarget::Gradient, ProjectionTarget::Update)] target: ProjectionTarget,
    #[values(false, true)] protect_bias: bool,
) {
    let projection = ProjectionConfig::new()
        .with_source(source)
        .with_target(target)
        .with_protect_bias(protect_bias);
    for device in devices() {
        let device = device.autodiff();
        let rule = rls(0.05);
        let mut model = mlp_mla(config(projection), rule, &device);
        let mut optimizer = SgdConfig::new().init();
        let d = D_FEATURE + usize::from(protect_bias);
        let mut p = rule.init(d, 2, &device.clone().inner()).unwrap();
        let mut previous = None;
        for t in 0..6 {
            let turn = turn(t as usize % 2, 8, t, &device);
            let (weight_gradient, bias_gradient, mut feature) = reference(&model, &turn);
            if protect_bias {
                let one = Tensor::ones([1], &feature.device());
                feature = Tensor::cat(vec![feature, one], 0);
            }
            let seen = match source {
                FeatureSource::Current => Some(feature.clone()),
                FeatureSource::Previous => previous.replace(feature.clone()),
            };
            let stacked = Tensor::cat(
                vec![
                    weight_gradient.clone(),
                    bias_gradient.clone().unsqueeze_dim(0),
                ],
                0,
            );
            let full = if protect_bias {
                stacked
            } else {
                weight_gradient.clone()
            };
            let mut step = full;
            if t > 0 {
                p = rule.update(seen.unwrap(), 0, p);
                step = rule.project(step, 0, &p);
            }
            let (weight, bias) = head(&model);
            let bias_step = match protect_bias {
                true => step.clone().slice([D_FEATURE..d]),
                false => bias_gradient.unsqueeze_dim(0),
            };
            let weight_step = step.slice([0..D_FEATURE]);
            let (expected, expected_bias) = (minus(&weight, weight_step), minus(&bias, bias_step));

            let output = model.try_step(turn).unwrap();
            model
                .try_optimize(&mut optimizer, LR, output.grads)
                .unwrap();
            let (weight, bias) = head(&model);
            close(&weight, &expected, 1e-5, &format!("weight after step {t}"));
            close(&bias, &expected_bias, 1e-5, &format!("bias after step {t}"));
            let state = model.projection().state(0).matrix();
            let expected_p: Vec<f64> = values(p.matrix()).into_iter().map(f64::from).collect();
            close(
                &values(state),
                &expected_p,
                1e-5,
                &format!("P after step {t}"),
            );
        }
        assert_eq!(model.projection().n_steps(), 6);
    }
}

/// The error of the authors' code: a projector that silently acts on no parameter.
#[test]
fn the_projector_acts_on_the_weight_it_names() {
    fn second_step<P: OrthogonalProjector>(rule: P, device: &Device) -> [Vec<f32>; 2] {
        let mut optimizer = SgdConfig::new().init();
        let model = mlp_mla(MlaConfig::new(), rule, device);
        let model = train(model, 1, &mut optimizer, device);
        let first = values(model.head.linear().weight.val());
        let mut model = model;
        let output = model.try_step(turn(1, 8, 1, device)).unwrap();
        model
            .try_optimize(&mut optimizer, LR, output.grads)
            .unwrap();
        let second = values(model.head.linear().weight.val());
        let change = second
            .iter()
            .zip(&first)
            .map(|(new, old)| new - old)
            .collect();
        [first, change]
    }
    for device in devices() {
        let device = device.autodiff();
        let model = train(
            mlp_mla(MlaConfig::new(), rls(0.1), &device),
            1,
            &mut SgdConfig::new().init(),
            &device,
        );
        let (_, _, feature) = reference(&model, &turn(1, 8, 1, &device));
        let on_logits = |change: Vec<f32>| {
            let change = matrix(change, N_CLASSES, &feature.device());
            let logits = values(feature.clone().unsqueeze_dim::<2>(0).matmul(change));
            logits.iter().map(|x| x * x).sum::<f32>().sqrt()
        };
        let [first, projected] = second_step(rls(1e-4), &device);
        let [first_without, plain] = second_step(IdentityProjector, &device);
        assert_eq!(first, first_without, "the first step is not projected");
        let (projected, plain) = (on_logits(projected), on_logits(plain));
        assert!(plain > 1e-3, "{plain}");
        assert!(
            projected < 0.01 * plain,
            "the second step is: {projected} against {plain}"
        );
    }
}

/// With momentum the projected gradient leaks into the protected space; the projected update
/// does not.
#[test]
fn a_projected_update_keeps_momentum_out_of_the_protected_space() {
    for device in devices() {
        let device = device.autodiff();
        let leak = |target: ProjectionTarget| {
            let projection = ProjectionConfig::new().with_target(target);
            let mut model = mlp_mla(config(projection), rls(1e-4), &device);
            let mut optimizer = sgd();
            model = train(model, 8, &mut optimizer, &device);
            let turn = turn(0, 8, 99, &device);
            let (_, _, feature) = reference(&model, &turn);
            let before = head(&model).0;
            let output = model.try_step(turn).unwrap();
            model
                .try_optimize(&mut optimizer, LR, output.grads)
                .unwrap();
            let change: Vec<f32> = head(&model)
                .0
                .iter()
                .zip(before)
                .map(|(new, old)| new - old)
                .collect();
            let change = matrix(change, N_CLASSES, &feature.device());
            let logits = values(feature.unsqueeze_dim::<2>(0).matmul(change));
            logits.iter().map(|x| x * x).sum::<f32>().sqrt()
        };
        let (gradient, update) = (
            leak(ProjectionTarget::Gradient),
            leak(ProjectionTarget::Update),
        );
        assert!(update < 0.05 * gradient, "{update} against {gradient}");
    }
}

#[test]
fn a_deeper_head_gets_a_projector_a_layer() {
    for device in devices() {
        let device = device.autodiff();
        let head = MlpHeadConfig::new(D_FEATURE, N_CLASSES).with_hidden(vec![10, 4]);
        // Fixed parameters: a random narrow layer may be dead.
        let head = set_parameters(head.init(&device).unwrap(), 5);
        let fusion = MeanFusion;
        let mut model = Mla::new(mlps(&device), head, rls(0.1), fusion).unwrap();
        let mut optimizer = sgd();
        for t in 0..4 {
            let output = model.try_step(turn(t % 2, 8, t as u64, &device)).unwrap();
            model
                .try_optimize(&mut optimizer, 0.05, output.grads)
                .unwrap();
        }
        assert_eq!(model.projection().n_layers(), 3);
        for (layer, width) in [D_FEATURE, 10, 4].into_iter().enumerate() {
            let p = model.projection().state(layer).matrix();
            assert_eq!(p.dims(), [width, width]);
            let identity = Tensor::eye(width, &p.device());
            let moved = values((p - identity).abs().max())[0];
            assert!(moved > 1e-4, "layer {layer} saw no feature: {moved}");
        }
    }
}

/// Summing the gradients of two halves of a batch takes in the mean feature of the whole.
#[test]
fn the_mean_feature_is_over_all_accumulated_samples() {
    for device in devices() {
        let device = device.autodiff();
        let mut whole = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let mut parts = whole.clone();
        let (mut a, mut b) = (SgdConfig::new().init(), SgdConfig::new().init());
        for t in 0..3u64 {
            let full = turn(t as usize % 2, 9, t, &device);
            let part = |rows: std::ops::Range<usize>| {
                let input = match full.input.clone() {
                    OneOf2::A(x) => OneOf2::A(x.slice([rows.clone()])),
                    OneOf2::B(x) => OneOf2::B(x.slice([rows.clone()])),
                };
                Turn::new(input, full.targets.select(&rows.collect::<Vec<_>>()))
            };
            let mut accumulator = GradientsAccumulator::new();
            for rows in [0..2, 2..9] {
                accumulator.accumulate(&parts, parts.try_step(part(rows)).unwrap().grads);
            }
            parts
                .try_optimize(&mut b, 0.0, accumulator.grads())
                .unwrap();
            let output = whole.try_step(full.clone()).unwrap();
            whole.try_optimize(&mut a, 0.0, output.grads).unwrap();
        }
        let expected = values(whole.projection().state(0).matrix());
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        close(
            &values(parts.projection().state(0).matrix()),
            &expected,
            1e-5,
            "P",
        );
    }
}

/// The running mean of a modality is the mean over all of its samples so far.
#[test]
fn a_running_mean_is_over_all_samples_of_the_modality() {
    let device = Device::flex().autodiff();
    let projection = ProjectionConfig::new().with_mean(FeatureMean::Running);
    let mut model = mlp_mla(config(projection), rls(0.1), &device);
    // A learning rate of 0: the features stay what they are.
    let mut optimizer = SgdConfig::new().init();
    let mut expected = rls(0.1).init(D_FEATURE, 2, &Device::flex()).unwrap();
    let mut sums = vec![(Tensor::<1>::zeros([D_FEATURE], &Device::flex()), 0); 2];
    for t in 0..6u64 {
        let modality = t as usize % 2;
        let n = 3 + 2 * t as usize;
        let turn = turn(modality, n, t, &device);
        let (_, _, feature) = reference(&model, &turn);
        sums[modality].0 = sums[modality].0.clone() + feature * n as f32;
        sums[modality].1 += n;
        if t > 0 {
            let mean = sums[modality].0.clone() / sums[modality].1 as f32;
            expected = rls(0.1).update(mean, modality, expected);
        }
        let output = model.try_step(turn).unwrap();
        model
            .try_optimize(&mut optimizer, 0.0, output.grads)
            .unwrap();
    }
    let expected: Vec<f64> = values(expected.matrix())
        .into_iter()
        .map(f64::from)
        .collect();
    close(
        &values(model.projection().state(0).matrix()),
        &expected,
        1e-5,
        "P",
    );
}

/// Where the bias is protected and one of weight and bias is frozen, that one stays.
#[rstest]
fn a_partly_frozen_layer_stays_where_it_is_frozen(
    #[values(ProjectionTarget::Gradient, ProjectionTarget::Update)] target: ProjectionTarget,
    #[values("head.linear.weight", "head.linear.bias")] frozen: &str,
) {
    for device in devices() {
        let device = device.autodiff();
        let projection = ProjectionConfig::new()
            .with_target(target)
            .with_protect_bias(true);
        let model = mlp_mla(config(projection), rls(0.1), &device);
        let model = model.freeze_group(burn::module::ParamGroup::from_path(frozen));
        let before = state(&model);
        let after = state(&train(model, 4, &mut sgd(), &device));
        for ((path, old), (_, new)) in before.iter().zip(&after) {
            if path.starts_with("head") {
                assert_eq!(path == frozen, old == new, "{path}");
            }
        }
    }
}

#[test]
fn a_frozen_head_is_left_alone_and_its_encoders_train() {
    for device in devices() {
        let device = device.autodiff();
        let mut model = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        model.head = model.head.freeze();
        let before = state(&model);
        let after = state(&train(model, 4, &mut sgd(), &device));
        for ((path, old), (_, new)) in before.iter().zip(&after) {
            if path.starts_with("head") {
                assert_eq!(old, new, "{path}");
            } else if path.starts_with("encoders") {
                assert_ne!(old, new, "{path}");
            }
        }
    }
}

/// What the optimizer clips is the projected gradient.
#[test]
fn gradients_are_clipped_after_the_projection() {
    use burn::optim::grad_clipping::GradientClippingConfig;
    const NORM: f32 = 1e-3;
    for device in devices() {
        let device = device.autodiff();
        let mut clipped = mlp_mla(MlaConfig::new(), rls(0.1), &device);
        let mut free = clipped.clone();
        let clipping = GradientClippingConfig::Norm(NORM);
        let mut clipping = SgdConfig::new()
            .with_gradient_clipping(Some(clipping))
            .init();
        let mut plain = SgdConfig::new().init();
        // The first step is not projected; its gradients are not applied.
        for rate in [0.0, 1.0] {
            let turn = turn((rate > 0.0).into(), 6, 1, &device);
            let before = state(&clipped.head);
            for (model, optimizer) in [(&mut clipped, &mut clipping), (&mut free, &mut plain)] {
                let output = model.try_step(turn.clone()).unwrap();
                model.try_optimize(optimizer, rate, output.grads).unwrap();
            }
            let weight = |model: &MlpMla<RlsProjector>| {
                let (_, after) = &state(&model.head)[0];
                let (_, before) = &before[0];
                let change = after.iter().zip(before).map(|(a, b)| a - b);
                change.collect::<Vec<f32>>()
            };
            let norm = |change: &[f32]| change.iter().map(|x| x * x).sum::<f32>().sqrt();
            let (short, long) = (weight(&clipped), weight(&free));
            if rate > 0.0 {
                assert!(norm(&long) > 2.0 * NORM);
                assert!((norm(&short) - NORM).abs() < 1e-2 * NORM);
                let scale = norm(&long) / norm(&short);
                let expected: Vec<f64> = long.iter().map(|&x| f64::from(x)).collect();
                let scaled: Vec<f32> = short.iter().map(|x| x * scale).collect();
                close(&scaled, &expected, 1e-2, "the same direction");
            }
        }
    }
}
