//! Laws of Eq. 5 as properties, and its closed form against an f64 oracle.

use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::prelude::*;
use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use proptest::{collection, strategy::Strategy};
use rstest::rstest;

use crate::common::{Numbers, close, devices, rls, values};

fn vector(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn run(
    alpha: f64,
    features: &[Vec<f32>],
    device: &Device,
) -> Vec<<RlsProjector as OrthogonalProjector>::State> {
    let projector = rls(alpha);
    let mut states = vec![projector.init(features[0].len(), 2, device).unwrap()];
    for feature in features {
        let state = states[states.len() - 1].clone();
        states.push(projector.update(vector(feature, device), 0, state));
    }
    states
}

/// `(I + (1/alpha) sum r r^T)^-1` in f64, by the Cholesky factor of the matrix inside.
fn closed_form(alpha: f64, features: &[Vec<f32>], s: usize) -> Vec<f64> {
    let mut a = vec![0.0f64; s * s];
    for r in features {
        for i in 0..s {
            let scaled = f64::from(r[i]) / alpha;
            for j in 0..s {
                a[i * s + j] += scaled * f64::from(r[j]);
            }
        }
    }
    (0..s).for_each(|i| a[i * s + i] += 1.0);
    // A = L L^T, L in the lower triangle.
    for j in 0..s {
        for i in j..s {
            let dot: f64 = (0..j).map(|k| a[i * s + k] * a[j * s + k]).sum();
            let value = a[i * s + j] - dot;
            a[i * s + j] = if i == j {
                value.sqrt()
            } else {
                value / a[j * s + j]
            };
        }
    }
    // Column by column: L y = e, L^T x = y.
    let mut inverse = vec![0.0; s * s];
    let mut x = vec![0.0; s];
    for column in 0..s {
        for i in 0..s {
            let dot: f64 = (column..i).map(|k| a[i * s + k] * x[k]).sum();
            let unit = f64::from(u8::from(i == column));
            x[i] = if i < column {
                0.0
            } else {
                (unit - dot) / a[i * s + i]
            };
        }
        for i in (0..s).rev() {
            let dot: f64 = (i + 1..s).map(|k| a[k * s + i] * x[k]).sum();
            x[i] = (x[i] - dot) / a[i * s + i];
        }
        (0..s).for_each(|i| inverse[i * s + column] = x[i]);
    }
    inverse
}

#[rstest]
fn p_is_its_closed_form(
    #[values(1, 4, 64, 512)] s: usize,
    #[values(1, 10, 500)] n: usize,
    #[values(0.1, 1.0)] alpha: f64,
) {
    // Features like those of a ReLU encoder: nonnegative, of a length that does not grow with s.
    let mut numbers = Numbers::new((s + n) as u64);
    let scale = 1.0 / (s as f32).sqrt();
    let features: Vec<Vec<f32>> = (0..n)
        .map(|_| (0..s).map(|_| numbers.next().max(0.0) * scale).collect())
        .collect();
    let expected = closed_form(alpha, &features, s);
    for device in devices() {
        let states = run(alpha, &features, &device);
        let p = values(states[n].matrix());
        close(
            &p,
            &expected,
            1e-5,
            &format!("P for s = {s}, n = {n}, alpha = {alpha}"),
        );
    }
}

/// A dimension, an alpha, and features of awkward scales.
fn features() -> impl Strategy<Value = (f64, Vec<Vec<f32>>)> {
    (1usize..10, -2.0f64..2.0).prop_flat_map(|(s, log_alpha)| {
        let feature = (collection::vec(-1.0f32..1.0, s), -3i32..2)
            .prop_map(|(r, exponent)| r.into_iter().map(|x| x * 10f32.powi(exponent)).collect());
        let features = collection::vec(feature, 1..12);
        features.prop_map(move |features| (10f64.powf(log_alpha), features))
    })
}

/// Eigenvalues of a symmetric matrix in f64, by Jacobi rotations.
fn eigenvalues(p: &[f32], s: usize) -> Vec<f64> {
    let mut a: Vec<f64> = p.iter().map(|&x| f64::from(x)).collect();
    for _ in 0..60 {
        for p in 0..s {
            for q in p + 1..s {
                if a[p * s + q].abs() < 1e-15 {
                    continue;
                }
                let theta = (a[q * s + q] - a[p * s + p]) / (2.0 * a[p * s + q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let (c, sn) = (1.0 / (t * t + 1.0).sqrt(), t / (t * t + 1.0).sqrt());
                for k in 0..s {
                    let (x, y) = (a[k * s + p], a[k * s + q]);
                    a[k * s + p] = c * x - sn * y;
                    a[k * s + q] = sn * x + c * y;
                }
                for k in 0..s {
                    let (x, y) = (a[p * s + k], a[q * s + k]);
                    a[p * s + k] = c * x - sn * y;
                    a[q * s + k] = sn * x + c * y;
                }
            }
        }
    }
    (0..s).map(|i| a[i * s + i]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn p_is_symmetric_between_0_and_i_and_its_trace_never_grows((alpha, features) in features()) {
        let s = features[0].len();
        for device in devices() {
            let mut last_trace = s as f32;
            for state in run(alpha, &features, &device) {
                let p = values(state.matrix());
                for i in 0..s {
                    for j in 0..i {
                        prop_assert!(p[i * s + j] == p[j * s + i], "not symmetric");
                    }
                }
                for eigenvalue in eigenvalues(&p, s) {
                    prop_assert!(eigenvalue > 0.0, "eigenvalue {eigenvalue}");
                    prop_assert!(eigenvalue <= 1.0 + 1e-6, "eigenvalue {eigenvalue}");
                }
                let trace: f32 = (0..s).map(|i| p[i * s + i]).sum();
                prop_assert!(trace <= last_trace + 1e-5, "{last_trace} grew to {trace}");
                last_trace = trace;
            }
        }
    }

    /// `|r^T P G|^2 <= |G|^2 alpha |r|^2 / (alpha + |r|^2)`, from `r^T P r` of one feature and
    /// `P <= I`: what the projected update does to the logits of a protected feature goes to 0
    /// with alpha.
    #[test]
    fn logits_of_a_protected_feature_hardly_change((alpha, features) in features()) {
        let s = features[0].len();
        let columns = 3;
        for device in devices() {
            let gradient = Numbers::new(s as u64).tensor([s, columns], &device);
            let norm: f32 = values(gradient.clone()).iter().map(|x| x * x).sum::<f32>().sqrt();
            for alpha in [alpha, alpha / 10.0] {
                let states = run(alpha, &features, &device);
                let state = &states[features.len()];
                let projected = rls(alpha).project(gradient.clone(), 0, state);
                for feature in &features {
                    let length: f32 = feature.iter().map(|x| x * x).sum::<f32>().sqrt();
                    let row = vector(feature, &device).unsqueeze_dim::<2>(0);
                    let change = values(row.matmul(projected.clone()));
                    let change = change.iter().map(|x| x * x).sum::<f32>().sqrt();
                    let square = length * length;
                    let bound = (alpha as f32 * square / (alpha as f32 + square)).sqrt() * norm;
                    let rounding = 1e-4 * length * norm;
                    prop_assert!(change <= bound + rounding, "{change} exceeds {bound}");
                }
            }
        }
    }
}

#[test]
fn projecting_with_the_first_p_changes_nothing() {
    for device in devices() {
        let gradient = Numbers::new(3).tensor([9, 4], &device);
        let state = rls(0.1).init(9, 2, &device).unwrap();
        let projected = rls(0.1).project(gradient.clone(), 0, &state);
        assert_eq!(values(projected), values(gradient));
    }
}
