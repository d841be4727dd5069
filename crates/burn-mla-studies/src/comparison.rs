//! Paired tests of a family of differences.

use std::fmt;

use serde::Serialize;

use crate::paired::{holm, paired_t_test};

/// A tested difference between two rows, or the reason why it cannot be tested.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Comparison {
    Tested(Tested),
    Undefined { reason: String },
}

/// Difference of accuracies in 0..1, the first minus the second.
#[derive(Debug, Serialize)]
pub struct Tested {
    pub n: usize,
    pub mean: f64,
    pub deviation: f64,
    /// 95 % confidence interval of the mean.
    pub interval: [f64; 2],
    pub p: f64,
    /// Adjusted for the number of comparisons.
    pub p_holm: f64,
}

/// The cells of a row of a table: difference and deviation in points, 95 % interval, p, and corrected p.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tested(test) => write!(
                f,
                "{:+.1} ± {:.1} | {:+.1} to {:+.1} | {:.3} | {:.3}",
                100.0 * test.mean,
                100.0 * test.deviation,
                100.0 * test.interval[0],
                100.0 * test.interval[1],
                test.p,
                test.p_holm
            ),
            Self::Undefined { reason } => write!(f, "{reason} | | |"),
        }
    }
}

/// Tests a family of pairs of scores.
pub fn compare(family: &[(Vec<f64>, Vec<f64>)]) -> Vec<Comparison> {
    let tests: Vec<_> = family
        .iter()
        .map(|(first, second)| paired_t_test(first, second))
        .collect();
    let p: Vec<Option<f64>> = tests
        .iter()
        .map(|test| test.as_ref().ok().map(|test| test.p))
        .collect();
    let pairs = tests.into_iter().zip(holm(&p));
    pairs
        .map(|pair| match pair {
            (Ok(test), Some(p_holm)) => Comparison::Tested(Tested {
                n: test.n,
                mean: test.mean,
                deviation: test.deviation,
                interval: test.interval,
                p: test.p,
                p_holm,
            }),
            (Ok(_), None) => unreachable!("a test with a p has an adjusted one"),
            (Err(undefined), _) => Comparison::Undefined {
                reason: undefined.to_string(),
            },
        })
        .collect()
}
