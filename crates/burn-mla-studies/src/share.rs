//! The share of all runs that one of several processes executes.

use std::str::FromStr;

/// A share of all runs for one of several processes: every `n`-th run from number `i` on, written as
/// `i/n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    i: usize,
    n: usize,
}

/// The error for a text that is not a share. Clap adds the argument and the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected two whole numbers I/N with I below N, such as 0/2")]
pub struct NoShare;

impl Share {
    /// Selects the runs of this share. Every process must list all runs in the same order.
    pub fn select<T>(self, runs: Vec<T>) -> Vec<T> {
        runs.into_iter().skip(self.i).step_by(self.n).collect()
    }
}

/// The share of every run.
impl Default for Share {
    fn default() -> Self {
        Self { i: 0, n: 1 }
    }
}

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let (i, n) = text.split_once('/').ok_or(NoShare)?;
        let number = |text: &str| text.parse().map_err(|_| NoShare);
        let (i, n) = (number(i)?, number(n)?);
        if i < n {
            Ok(Self { i, n })
        } else {
            Err(NoShare)
        }
    }
}

#[cfg(test)]
mod tests;
