//! The laws of every projector, as checks for the tests of each rule.

use burn::tensor::{Device, Distribution, Tensor};

use crate::projector::OrthogonalProjector;

const D_INPUT: usize = 12;

fn matrix<P: OrthogonalProjector>(projector: &P, state: &P::State, device: &Device) -> Vec<f32> {
    let identity = Tensor::eye(D_INPUT, device);
    projector
        .project(identity, 0, state)
        .into_data()
        .iter()
        .collect()
}

/// Smallest and largest Rayleigh quotient of `p` over a set of directions.
fn quotients(p: &[f32], directions: &[Vec<f32>]) -> (f32, f32) {
    let quotient = |v: &Vec<f32>| {
        let mut form = 0.0;
        for i in 0..D_INPUT {
            for j in 0..D_INPUT {
                form += v[i] * p[i * D_INPUT + j] * v[j];
            }
        }
        form / v.iter().map(|x| x * x).sum::<f32>()
    };
    directions
        .iter()
        .map(quotient)
        .fold((f32::MAX, f32::MIN), |(low, high), q| {
            (low.min(q), high.max(q))
        })
}

/// Checks that `P` is symmetric, `0 <= P <= I`, and neutral at the start.
pub(crate) fn assert_projector_laws<P: OrthogonalProjector>(projector: &P) {
    for device in crate::test_devices() {
        let n_modalities = 2;
        let mut state = projector.init(D_INPUT, n_modalities, &device).unwrap();

        let gradient = Tensor::<2>::random([D_INPUT, 5], Distribution::Normal(0.0, 1.0), &device);
        let untouched = projector.project(gradient.clone(), 0, &state);
        untouched.into_data().assert_eq(&gradient.into_data(), true);

        let mut directions: Vec<Vec<f32>> = (0..D_INPUT)
            .map(|i| (0..D_INPUT).map(|j| f32::from(i == j)).collect())
            .collect();
        for step in 0..60 {
            let scale = [1e-3, 1.0, 30.0][step % 3];
            let feature = Tensor::<1>::random([D_INPUT], Distribution::Normal(0.5, 1.0), &device);
            let feature = feature * scale;
            directions.push(feature.to_data().iter().collect());
            state = projector.update(feature, step % n_modalities, state);

            assert_projects_as_its_matrix(projector, &state, &device);
            let p = matrix(projector, &state, &device);
            for i in 0..D_INPUT {
                for j in 0..i {
                    let (a, b) = (p[i * D_INPUT + j], p[j * D_INPUT + i]);
                    assert!((a - b).abs() <= 1e-6, "P is not symmetric: {a} and {b}");
                }
            }
            let (low, high) = quotients(&p, &directions);
            assert!(
                low >= -1e-5,
                "P is not positive: {low} after {step} updates"
            );
            assert!(
                high <= 1.0 + 1e-5,
                "P exceeds I: {high} after {step} updates"
            );
        }
    }
}

/// Checks projection for few and many columns and rows.
fn assert_projects_as_its_matrix<P: OrthogonalProjector>(
    projector: &P,
    state: &P::State,
    device: &Device,
) {
    let random =
        |rows, columns| Tensor::random([rows, columns], Distribution::Normal(0.0, 1.0), device);
    let p = projector.project(Tensor::eye(D_INPUT, device), 0, state);
    let near = |found: Tensor<2>, expected: Tensor<2>| {
        let error = (found - expected).abs().max().into_scalar::<f32>();
        assert!(error <= 1e-5, "off by {error}");
    };
    for n in [1, 2, 5, 8, 9, 40] {
        let gradient = random(D_INPUT, n);
        let expected = p.clone().matmul(gradient.clone());
        near(
            projector.project(gradient.clone(), 0, state),
            expected.clone(),
        );
        let rows = projector.project_rows(gradient.transpose(), 0, state);
        near(rows, expected.transpose());
    }
}

/// Checks that a zero feature lowers no gain, for rules that apply features without delay.
pub(crate) fn assert_a_zero_feature_protects_nothing<P: OrthogonalProjector>(projector: &P) {
    for device in crate::test_devices() {
        let mut state = projector.init(D_INPUT, 2, &device).unwrap();
        let mut directions = vec![];
        for step in 0..40 {
            let feature = Tensor::<1>::random([D_INPUT], Distribution::Normal(0.5, 1.0), &device);
            directions.push(feature.to_data().iter().collect::<Vec<f32>>());
            state = projector.update(feature, step % 2, state);
        }
        let gains = |state: &P::State| {
            let p = matrix(projector, state, &device);
            let gain = |v: &Vec<f32>| quotients(&p, std::slice::from_ref(v)).0;
            directions.iter().map(gain).collect::<Vec<f32>>()
        };
        let before = gains(&state);
        state = projector.update(Tensor::zeros([D_INPUT], &device), 0, state);
        for (after, before) in gains(&state).iter().zip(before) {
            assert!(
                *after >= before - 1e-6,
                "a zero feature lowered a gain from {before} to {after}"
            );
        }
    }
}
