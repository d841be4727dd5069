//! Mean and standard deviation over seeds.

use std::fmt;

/// Mean and sample standard deviation of a score in 0..1 over seeds. Displayed in percent:
/// `66.6 ± 0.7`, or `66.6` for one seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub mean: f64,
    /// With `n - 1` in the denominator; `None` for one seed.
    pub deviation: Option<f64>,
}

impl Spread {
    /// Computes mean and deviation; `None` without scores.
    pub fn from_scores(scores: &[f64]) -> Option<Self> {
        let n = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / n;
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        match scores.len() {
            0 => None,
            1 => Some(Self::exact(mean)),
            _ => Some(Self {
                mean,
                deviation: Some((squares / (n - 1.0)).sqrt()),
            }),
        }
    }

    /// Creates the spread of the score of one seed.
    pub fn exact(score: f64) -> Self {
        Self {
            mean: score,
            deviation: None,
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", 100.0 * self.mean)?;
        match self.deviation {
            Some(deviation) => write!(f, " ± {:.1}", 100.0 * deviation),
            None => Ok(()),
        }
    }
}
