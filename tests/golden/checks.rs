//! Checks against reference values made from the equations in f64 with numpy; see `README.md` beside
//! this file. The tests of the CPU backends and of wgpu run them.

use burn::tensor::{Tensor, TensorData};
use burn_mla::fusion::{EntropyFusion, ModalityLogits, entropy};
use burn_mla::loader::{RoundRobin, Schedule};
use burn_mla::modality::Presence;
use burn_mla::prelude::*;
use serde_json::Value;

use crate::common::{close, devices, rls, values};

type State = <RlsProjector as OrthogonalProjector>::State;

/// Relative to the largest entry of a result.
const TOLERANCE: f64 = 1e-5;

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut golden: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(cases) = golden["cases"].take() else {
        panic!("{path} holds no cases");
    };
    assert!(!cases.is_empty());
    cases
}

/// All numbers of nested arrays, row-major.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Number(number) => vec![number.as_f64().unwrap()],
        Value::Null => vec![0.0],
        other => panic!("{other} is no number"),
    }
}

fn tensor<const D: usize>(
    value: &Value,
    shape: [usize; D],
    device: &burn::tensor::Device,
) -> Tensor<D> {
    let numbers: Vec<f32> = numbers(value).into_iter().map(|x| x as f32).collect();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

fn count(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

pub fn eq_1_schedule() {
    for case in cases("eq1_schedule.json") {
        let step = case["t"].as_u64().unwrap();
        assert_eq!(
            RoundRobin.modality(step, count(&case, "m_total")),
            count(&case, "m")
        );
    }
}

pub fn eq_3_projected_step() {
    for device in devices() {
        for case in cases("eq3_projected_step.json") {
            let name = case["name"].as_str().unwrap();
            // `P` of Eq. 5 is symmetric, and the projector keeps a root of it.
            if name.contains("nonsymmetric") {
                continue;
            }
            let (s, c) = (count(&case, "s"), count(&case, "c"));
            let state = rls(0.1).state(tensor(&case["p"], [s, s], &device)).unwrap();
            let gradient = tensor(&case["grad"], [s, c], &device);
            let projected = rls(0.1).project(gradient.clone(), 0, &state);
            close(
                &values(projected.clone()),
                &numbers(&case["projected_grad"]),
                TOLERANCE,
                name,
            );

            let lr = case["lr"].as_f64().unwrap();
            let step = if count(&case, "t") == 0 {
                gradient
            } else {
                projected
            };
            let weight = tensor(&case["weight"], [s, c], &device) - step * lr;
            close(
                &values(weight),
                &numbers(&case["new_weight"]),
                TOLERANCE,
                name,
            );
        }
    }
}

/// Checks P after every update that a case holds, within `tolerance(alpha)`.
fn check_eq_5<P: OrthogonalProjector>(
    rule: impl Fn(f64) -> P,
    matrix: impl Fn(&P::State) -> Tensor<2>,
    tolerance: impl Fn(f64) -> f64,
) {
    for device in devices() {
        for case in cases("eq5_projector.json") {
            let name = case["name"].as_str().unwrap();
            let s = count(&case, "s");
            let alpha = case["alpha"].as_f64().unwrap();
            let projector = rule(alpha);
            let mut state = projector.init(s, 2, &device).unwrap();
            let after = case["p_after"].as_array().unwrap();
            let mut checked = 0;
            for (i, feature) in case["features"].as_array().unwrap().iter().enumerate() {
                state = projector.update(tensor(feature, [s], &device), i % 2, state);
                for expected in after.iter().filter(|p| count(p, "step") == i + 1) {
                    let p = values(matrix(&state));
                    close(&p, &numbers(&expected["p"]), tolerance(alpha), name);
                    checked += 1;
                }
            }
            assert_eq!(checked, after.len(), "{name}");
        }
    }
}

pub fn eq_5_projector() {
    let rule = |alpha| RlsProjectorConfig::new().with_alpha(alpha).init().unwrap();
    check_eq_5(rule, State::matrix, |_| TOLERANCE);
}

pub fn eq_6_7_8_fusion() {
    for device in devices() {
        for case in cases("eq678_fusion.json") {
            let name = case["name"].as_str().unwrap();
            let (m, n, c) = (count(&case, "m"), count(&case, "n"), count(&case, "c"));
            let logits: Vec<Tensor<2>> = case["logits"]
                .as_array()
                .unwrap()
                .iter()
                .map(|logits| tensor(logits, [n, c], &device))
                .collect();
            let present = |i: usize, m: usize| case["present"][m][i].as_bool().unwrap();
            let mask = (0..n)
                .flat_map(|i| (0..m).map(move |m| present(i, m)))
                .collect();
            let presence = Presence::from_mask(mask, m).unwrap();

            for (modality, logits) in logits.iter().enumerate() {
                let got = values(entropy(logits.clone()));
                for (i, got) in got
                    .into_iter()
                    .enumerate()
                    .filter(|(i, _)| present(*i, modality))
                {
                    let expected = case["entropies"][modality][i].as_f64().unwrap();
                    // Entropies near 0 are absolute: 1 - p is not known better in f32.
                    let error = (f64::from(got) - expected).abs();
                    assert!(
                        error <= TOLERANCE * expected.max(0.1),
                        "{name}: {got}, {expected}"
                    );
                }
            }

            let fusion: EntropyFusion = EntropyFusionConfig::new(m).init(&device).unwrap();
            let fused = fusion.fuse(&ModalityLogits::new(logits, presence).unwrap());
            let weights = values(fused.weights.transpose());
            close(&weights, &numbers(&case["weights"]), TOLERANCE, name);
            for (i, got) in values(fused.logits).chunks(c).enumerate() {
                close(got, &numbers(&case["fused"][i]), TOLERANCE, name);
            }
            for (at, weight) in weights.iter().enumerate() {
                let (modality, i) = (at / n, at % n);
                assert!(present(i, modality) || *weight == 0.0, "{name}: {weight}");
            }
        }
    }
}
