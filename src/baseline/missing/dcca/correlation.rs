//! The correlation of the outputs of two networks and its gradient, in closed form on the host in f64.

use crate::baseline::missing::pairs::{PairRows, pairs};
use crate::error::Result;
use crate::modality::Presence;
use crate::numeric::{
    Matrix, Singular, centre, cholesky, gram, leading, solve_lower, solve_lower_transposed,
    times_transposed,
};

/// Singular values below this have no direction of their own, and no gradient.
const SMALLEST: f64 = 1e-12;

/// The correlation of pairs of outputs and how it is regularised.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correlation {
    pub(super) ridge: f64,
    pub(super) smoothing: f64,
    pub(super) rows: PairRows,
}

impl Correlation {
    /// The loss `-sum_{i<j} corr(H_i, H_j)` of outputs, each `[width, n_samples]`, and its gradients of
    /// the same shapes.
    ///
    /// With [`PairRows::CompletePairs`] a pair that fewer than twice as many samples as its width have
    /// both is left out.
    pub(super) fn loss(
        &self,
        outputs: &[Matrix],
        presence: &Presence,
    ) -> Result<(f64, Vec<Matrix>)> {
        let zeros = |output: &Matrix| Matrix::zeros(output.nrows(), output.ncols());
        let mut gradients: Vec<Matrix> = outputs.iter().map(zeros).collect();
        let mut loss = 0.0;
        for (i, j) in pairs(outputs.len()) {
            match self.rows {
                PairRows::Imputed => {
                    let (value, first, second) = self.pair(&outputs[i], &outputs[j])?;
                    loss -= value;
                    gradients[i] -= first;
                    gradients[j] -= second;
                }
                PairRows::CompletePairs => {
                    let both =
                        |&row: &usize| presence.is_present(row, i) && presence.is_present(row, j);
                    let rows: Vec<usize> = (0..outputs[i].ncols()).filter(both).collect();
                    if rows.len() < 2 * outputs[i].nrows().max(outputs[j].nrows()) {
                        continue;
                    }
                    let of_rows = |output: &Matrix| output.select_columns(&rows);
                    let (value, first, second) =
                        self.pair(&of_rows(&outputs[i]), &of_rows(&outputs[j]))?;
                    loss -= value;
                    for (gradient, part) in [(i, first), (j, second)] {
                        for (&row, part) in rows.iter().zip(part.column_iter()) {
                            let mut column = gradients[gradient].column_mut(row);
                            column -= part;
                        }
                    }
                }
            }
        }
        Ok((loss, gradients))
    }

    /// `corr(H_1, H_2) = sum_i sqrt(sigma_i^2 + smoothing)` and its gradients.
    ///
    /// With `S_vv = c(H_v) c(H_v)' / (n - 1) + ridge I = L_v L_v'` and the singular triples
    /// `U diag(sigma) V'` of `L_1^-1 S_12 L_2^-T`, `A = L_1^-T U`, `B = L_2^-T V`, and
    /// `f = sigma / sqrt(sigma^2 + smoothing)`:
    ///
    /// ```text
    /// N_12 = A diag(f) B'    N_11 = -1/2 A diag(f sigma) A'    N_22 = -1/2 B diag(f sigma) B'
    /// d corr / d H_1 = (N_12 c(H_2) + 2 N_11 c(H_1)) / (n - 1)
    /// ```
    ///
    /// (Andrew et al., "Deep Canonical Correlation Analysis", ICML 2013, eq. 11 to 13, extended to the
    /// smoothing). Autodiff through a decomposition would give NaN for values that repeat.
    pub(super) fn pair(&self, first: &Matrix, second: &Matrix) -> Result<(f64, Matrix, Matrix)> {
        let scale = 1.0 / (first.ncols() as f64 - 1.0);
        let (mut first, mut second) = (first.clone(), second.clone());
        centre(&mut first);
        centre(&mut second);
        let factor = |outputs: &Matrix| {
            let mut covariance = gram(outputs) * scale;
            for i in 0..covariance.nrows() {
                covariance[(i, i)] += self.ridge;
            }
            let found = cholesky(covariance, "the covariance of a network's outputs");
            found.map(|factor| factor.unpack())
        };
        let (l1, l2) = (factor(&first)?, factor(&second)?);
        let cross = times_transposed(&first, &second) * scale;
        let half = solve_lower(&l1, &cross)?;
        let whitened = solve_lower(&l2, &half.transpose())?.transpose();
        let n = whitened.nrows().min(whitened.ncols());
        let Singular {
            left,
            values,
            right,
        } = leading(&whitened, n);
        let a = solve_lower_transposed(&l1, &left)?;
        let b = solve_lower_transposed(&l2, &right)?;

        let root = |sigma: &f64| (sigma * sigma + self.smoothing).sqrt();
        let slope = |sigma: &f64| {
            if *sigma > SMALLEST {
                sigma / root(sigma)
            } else {
                0.0
            }
        };
        let slopes: Vec<f64> = values.iter().map(slope).collect();
        let curved = slopes
            .iter()
            .zip(&values)
            .map(|(slope, sigma)| slope * sigma);
        let curved: Vec<f64> = curved.collect();
        let n12 = times_transposed(&scaled(&a, &slopes), &b);
        let n11 = times_transposed(&scaled(&a, &curved), &a);
        let n22 = times_transposed(&scaled(&b, &curved), &b);
        let of_first = (&n12 * &second - n11 * &first) * scale;
        let of_second = (n12.transpose() * first - n22 * second) * scale;
        Ok((values.iter().map(root).sum(), of_first, of_second))
    }
}

/// A matrix with each column multiplied by its factor.
fn scaled(matrix: &Matrix, factors: &[f64]) -> Matrix {
    let mut scaled = matrix.clone();
    for (mut column, factor) in scaled.column_iter_mut().zip(factors) {
        column *= *factor;
    }
    scaled
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::baseline::missing::golden::Golden;

    fn correlation(ridge: f64, smoothing: f64) -> Correlation {
        Correlation {
            ridge,
            smoothing,
            rows: PairRows::Imputed,
        }
    }

    fn matrix(golden: &Golden, name: &str, width: usize) -> Matrix {
        let values = golden.values(name);
        Matrix::from_column_slice(width, values.len() / width, values)
    }

    #[rstest]
    #[case("smoothed", 5, 5)]
    #[case("nuclear", 5, 5)]
    #[case("identical", 4, 4)]
    #[case("constant_column", 4, 4)]
    #[case("repeated_sigma", 4, 4)]
    #[case("fewer_samples_than_width", 8, 8)]
    #[case("widths_differ", 4, 7)]
    fn values_and_gradients_are_those_of_the_reference(
        #[case] name: &str,
        #[case] first: usize,
        #[case] second: usize,
    ) {
        let golden = Golden::load(&format!("dcca/loss_{name}"));
        let option = |name: &str| golden.meta[name].as_f64().unwrap();
        let correlation = correlation(option("ridge"), option("eps"));
        let h1 = matrix(&golden, "h1", first);
        let h2 = matrix(&golden, "h2", second);
        let (value, g1, g2) = correlation.pair(&h1, &h2).unwrap();
        assert!((value - golden.values("corr")[0]).abs() < 1e-9, "{value}");
        for (gradient, name) in [(g1, "grad_h1"), (g2, "grad_h2")] {
            let expected = golden.values(name);
            for (found, expected) in gradient.iter().zip(expected) {
                assert!(
                    (found + expected).abs() < 1e-8,
                    "{name}: {found}, {expected}"
                );
            }
        }
    }

    /// Numbers in `[-1, 1]`, `[width, n]`.
    fn outputs(width: usize, n: usize, seed: u64) -> Matrix {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Matrix::from_fn(width, n, |_, _| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn gradients_are_those_of_finite_differences(
            seed in 0_u64..1000, width in 1_usize..4, other in 1_usize..4, n in 6_usize..12,
            smoothing in prop_oneof![Just(0.0), Just(1e-3)],
        ) {
            let correlation = correlation(1e-3, smoothing);
            let (h1, h2) = (outputs(width, n, seed), outputs(other, n, seed + 1));
            let (_, g1, g2) = correlation.pair(&h1, &h2).unwrap();
            let value = |h1: &Matrix, h2: &Matrix| correlation.pair(h1, h2).unwrap().0;
            let step = 1e-6;
            for at in [0, h1.len() / 2, h1.len() - 1] {
                let (mut more, mut less) = (h1.clone(), h1.clone());
                more[at] += step;
                less[at] -= step;
                let slope = (value(&more, &h2) - value(&less, &h2)) / (2.0 * step);
                prop_assert!((slope - g1[at]).abs() < 1e-5 * (1.0 + slope.abs()));
            }
            let (mut more, mut less) = (h2.clone(), h2.clone());
            more[1] += step;
            less[1] -= step;
            let slope = (value(&h1, &more) - value(&h1, &less)) / (2.0 * step);
            prop_assert!((slope - g2[1]).abs() < 1e-5 * (1.0 + slope.abs()));
        }

        #[test]
        fn laws_of_the_loss(seed in 0_u64..1000, k in 1_usize..5) {
            let n = 40;
            let all = [outputs(k, n, seed), outputs(k, n, seed + 1), outputs(k, n, seed + 2)];
            let presence = Presence::all(n, 3);
            let plain = correlation(1e-3, 1e-3);
            let (loss, gradients) = plain.loss(&all, &presence).unwrap();
            let bound = 3.0 * k as f64;
            prop_assert!(-bound * 1.001f64.sqrt() < loss && loss <= -bound * 1e-3f64.sqrt());
            for gradient in &gradients {
                prop_assert!(gradient.column_sum().amax() < 1e-12);
            }
            // Constants and orthogonal maps of the outputs.
            let u = outputs(k, 1, seed + 3);
            let reflection = Matrix::identity(k, k) - &u * u.transpose() * (2.0 / u.norm_squared());
            let mut moved = all.clone();
            moved[1] = reflection * all[1].add_scalar(4.0);
            let (found, _) = plain.loss(&moved, &presence).unwrap();
            prop_assert!((found - loss).abs() < 1e-9);
            // Without ridge the scale of the outputs does not matter.
            let scale_free = correlation(1e-12, 1e-3);
            let (_, g1, _) = scale_free.pair(&all[0], &all[1]).unwrap();
            let (_, scaled, _) = scale_free.pair(&(&all[0] * 3.0), &all[1]).unwrap();
            prop_assert!((g1 / 3.0 - scaled).amax() < 1e-8);
        }

        /// The correlations of identical outputs are `lambda / (lambda + ridge)`.
        #[test]
        fn identical_outputs_correlate_fully(seed in 0_u64..1000, k in 1_usize..5) {
            let h = outputs(k, 50, seed);
            let (value, ..) = correlation(1e-9, 0.0).pair(&h, &h).unwrap();
            prop_assert!((value - k as f64).abs() < 1e-6, "{value}");
        }
    }

    #[test]
    fn a_pair_without_enough_common_samples_is_left_out() {
        let n = 20;
        let all = [outputs(2, n, 1), outputs(2, n, 2), outputs(2, n, 3)];
        // Modality 2 is there with modality 0 only.
        let mask = (0..n).flat_map(|row| [true, row < 12, row >= 12]).collect();
        let presence = Presence::from_mask(mask, 3).unwrap();
        let complete = Correlation {
            rows: PairRows::CompletePairs,
            ..correlation(1e-3, 1e-3)
        };
        let (loss, gradients) = complete.loss(&all, &presence).unwrap();
        let part = |output: &Matrix, rows: std::ops::Range<usize>| {
            output.columns_range(rows).clone_owned()
        };
        let (first, g, _) = complete
            .pair(&part(&all[0], 0..12), &part(&all[1], 0..12))
            .unwrap();
        let (second, ..) = complete
            .pair(&part(&all[0], 12..20), &part(&all[2], 12..20))
            .unwrap();
        assert!((loss + first + second).abs() < 1e-12);
        assert!((part(&gradients[0], 0..12) + g).amax() < 1e-15);
        assert_eq!(part(&gradients[1], 12..20).amax(), 0.0);
        let none = Presence::from_mask((0..n).flat_map(|_| [true, false, false]).collect(), 3);
        let (loss, gradients) = complete.loss(&all, &none.unwrap()).unwrap();
        assert!(loss == 0.0 && gradients.iter().all(|gradient| gradient.amax() == 0.0));
    }

    /// The optimum of correlating which modality is there: two of three indicators correlate by -1/2.
    #[test]
    fn indicators_of_single_modalities_reach_the_known_value() {
        let n = 300;
        let all: Vec<Matrix> = (0..3)
            .map(|modality| {
                Matrix::from_fn(4, n, |row, sample| {
                    let present = sample % 3 == modality;
                    if row == 0 && present { 1e3 } else { 0.0 }
                })
            })
            .collect();
        let (loss, _) = correlation(1e-3, 1e-3)
            .loss(&all, &Presence::all(n, 3))
            .unwrap();
        assert!((loss + 1.788).abs() < 1e-3, "{loss}");
    }
}
