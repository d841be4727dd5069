//! Tests whether two methods differ in their scores on the same seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A two-sided paired t-test (Student, "The Probable Error of a Mean", 1908) of whether the mean of
/// the differences is 0, given that they are normally distributed. In the unit of the scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTTest {
    /// Number of pairs.
    pub n: usize,
    /// Mean of the differences, first minus second.
    pub mean: f64,
    /// Sample standard deviation of the differences.
    pub deviation: f64,
    /// Student's t, with `n - 1` degrees of freedom.
    pub t: f64,
    /// Probability of a `t` at least as far from 0 if there is no difference.
    pub p: f64,
    /// 95 % confidence interval of the mean.
    pub interval: [f64; 2],
}

/// The reason for a missing p.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Undefined {
    #[error("{first} scores cannot be paired with {second}")]
    Unpaired { first: usize, second: usize },
    #[error("a t-test needs at least 2 pairs, got {n}")]
    TooFew { n: usize },
    #[error("the scores of pair {pair} are not finite")]
    NonFinite { pair: usize },
    /// Equal up to rounding: t would be infinite, or 0 / 0.
    #[error("all {n} differences are {difference}: their standard deviation is 0")]
    EqualDifferences { n: usize, difference: f64 },
}

/// Tests pairs of scores, one pair per seed.
///
/// # Errors
///
/// [`Undefined`] if p is not defined.
pub fn paired_t_test(first: &[f64], second: &[f64]) -> Result<PairedTTest, Undefined> {
    let n = first.len();
    if n != second.len() {
        return Err(Undefined::Unpaired {
            first: n,
            second: second.len(),
        });
    }
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
    if let Some(pair) = differences.iter().position(|x| !x.is_finite()) {
        return Err(Undefined::NonFinite { pair });
    }
    let degrees = n as f64 - 1.0;
    let Some(student) = StudentsT::new(0.0, 1.0, degrees).ok() else {
        return Err(Undefined::TooFew { n });
    };
    let mean = differences.iter().sum::<f64>() / n as f64;
    let squares: f64 = differences.iter().map(|x| (x - mean).powi(2)).sum();
    let deviation = (squares / degrees).sqrt();
    let largest = first
        .iter()
        .chain(second)
        .fold(0.0, |most: f64, x| most.max(x.abs()));
    if deviation <= ROUNDING * largest {
        return Err(Undefined::EqualDifferences {
            n,
            difference: mean,
        });
    }
    let error = deviation / (n as f64).sqrt();
    let t = mean / error;
    let reach = student.inverse_cdf(0.975) * error;
    Ok(PairedTTest {
        n,
        mean,
        deviation,
        t,
        p: (2.0 * student.sf(t.abs())).min(1.0),
        interval: [mean - reach, mean + reach],
    })
}

/// Largest deviation of equal differences by rounding, relative to the largest score.
const ROUNDING: f64 = 1e-14;

/// Adjusts the p of a family of comparisons (Holm, "A Simple Sequentially Rejective Multiple Test
/// Procedure", 1979). If all comparisons below 0.05 are called different, at least 95 % of families
/// contain no wrong call. With `m` comparisons, ordered by p from the smallest:
///
/// ```text
/// adjusted p_(i) = max over j <= i of min(1, (m - j + 1) p_(j))
/// ```
///
/// A comparison without a p counts in `m` and remains without one. No other p gains from it.
pub fn holm(family: &[Option<f64>]) -> Vec<Option<f64>> {
    let defined = family.iter().enumerate();
    let mut ordered: Vec<(usize, f64)> = defined.filter_map(|(at, p)| p.map(|p| (at, p))).collect();
    ordered.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![None; family.len()];
    let mut largest: f64 = 0.0;
    for (rank, (at, p)) in ordered.into_iter().enumerate() {
        largest = largest.max((family.len() - rank) as f64 * p).min(1.0);
        adjusted[at] = Some(largest);
    }
    adjusted
}

#[cfg(test)]
#[allow(clippy::approx_constant, clippy::excessive_precision)] // of values that were measured
mod tests;
