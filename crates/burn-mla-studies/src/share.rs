use std::str::FromStr;

/// The runs of one of several processes: of all, every `n`-th from number `i` on. Given as `i/n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    i: usize,
    n: usize,
}

/// Why a text is no share. Clap says before it which argument and which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two whole numbers I/N are needed, I below N, as in 0/2")]
pub struct NoShare;

impl Share {
    /// Those of all runs, which every process must list in the same order.
    pub fn of<T>(self, runs: Vec<T>) -> Vec<T> {
        runs.into_iter().skip(self.i).step_by(self.n).collect()
    }
}

/// Every run.
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
