//! Projector rules in long runs in f32, against the same recursion in f64: the tables of
//! `docs/projectors.md`.
//!
//! ```sh
//! cargo run --release -p burn-mla-studies -- stability               # all tables
//! cargo run --release -p burn-mla-studies -- stability --width 512   # the rules at one width
//! ```

mod features;
mod oracle;
mod printed;
mod repeated;

use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::prelude::*;
use burn_mla::projector::{Gains, LeakyRlsProjectorConfig, TraceRescaledRlsProjectorConfig};

use features::Kind;
use oracle::Oracle;

/// Projector rules in long runs, against f64.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Width of the features, 64 or 512 [default: both, and repeated directions]
    #[arg(long, value_parser = width)]
    width: Option<usize>,
}

/// Widths, and numbers of updates.
const RUNS: [(usize, usize); 2] = [(64, 100_000), (512, 20_000)];

fn width(text: &str) -> Result<usize, String> {
    let width = text.parse().ok();
    let known = width.filter(|width| RUNS.iter().any(|(s, _)| s == width));
    known.ok_or_else(|| "expected 64 or 512".to_string())
}

/// Runs every rule on every kind of features and prints a table per width.
pub fn main(arguments: &Arguments) {
    let device = Device::flex();
    if arguments.width.is_none() {
        repeated::print(&device);
    }
    let chosen = |s: usize| arguments.width.is_none_or(|width| width == s);
    for (s, n_updates) in RUNS.into_iter().filter(|&(s, _)| chosen(s)) {
        println!("s = {s}, {n_updates} updates\n");
        println!(
            "| rule | features | smallest eigenvalue | asymmetry | deviation | trace / s \
             | trace / s in f64 |\n|---|---|---|---|---|---|---|"
        );
        for rule in Rule::ALL {
            for kind in Kind::ALL {
                let found = run(rule, kind, s, n_updates, &device);
                println!("| {rule:?} | {kind:?} | {found} |");
            }
        }
        println!();
    }
}

/// A rule of a long run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Eq. 5.
    Rls,
    /// Leaky, 0.01.
    Leaky,
    /// Trace rescaled.
    TraceRescaled,
}

impl Rule {
    pub const ALL: [Self; 3] = [Self::Rls, Self::Leaky, Self::TraceRescaled];
}

const ALPHA: f64 = 0.1;
const LEAK: f64 = 0.01;

/// Properties of `P` at the end of a run.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub smallest_eigenvalue: f64,
    /// Largest difference of `P` and its transpose.
    pub asymmetry: f64,
    /// Largest difference from the oracle, relative to the oracle's largest entry.
    pub deviation: f64,
    /// `trace(P) / s`.
    pub trace: f64,
    /// The oracle's `trace(P) / s`.
    pub oracle_trace: f64,
}

/// Runs a rule on one kind of features, beside its oracle.
pub fn run(rule: Rule, kind: Kind, s: usize, n_updates: usize, device: &Device) -> Found {
    let oracle = match rule {
        Rule::Rls => Oracle::rls(s, ALPHA),
        Rule::Leaky => Oracle::leaky(s, ALPHA, LEAK),
        Rule::TraceRescaled => Oracle::trace_rescaled(s, ALPHA),
    };
    let long = Long {
        kind,
        s,
        n_updates,
        device,
        oracle,
    };
    match rule {
        Rule::Rls => long.run(
            RlsProjectorConfig::new()
                .with_alpha(ALPHA)
                .init()
                .expect("the configuration is valid"),
        ),
        Rule::Leaky => long.run(
            LeakyRlsProjectorConfig::new()
                .with_alpha(ALPHA)
                .with_leak(LEAK)
                .init()
                .expect("the configuration is valid"),
        ),
        Rule::TraceRescaled => long.run(
            TraceRescaledRlsProjectorConfig::new()
                .with_alpha(ALPHA)
                .init()
                .expect("the configuration is valid"),
        ),
    }
}

struct Long<'a> {
    kind: Kind,
    s: usize,
    n_updates: usize,
    device: &'a Device,
    oracle: Oracle,
}

impl Long<'_> {
    fn run<P: OrthogonalProjector>(mut self, rule: P) -> Found {
        let s = self.s;
        let mut state = rule.init(s, 2, self.device).expect("the width is valid");
        let mut features = self.kind.features(s, self.n_updates);
        for update in 0..self.n_updates {
            let r = features.next();
            self.oracle.update(&r);
            let feature = Tensor::from_data(TensorData::new(r, [s]), self.device);
            state = rule.update(feature, update % 2, state);
        }
        let gains = Gains::of(&rule, &state, 0, s, self.device).expect("flex can be read");
        let p = rule.project(Tensor::eye(s, self.device), 0, &state);
        let p: Vec<f64> = p.into_data().iter().collect();
        let expected = self.oracle.matrix();
        let largest = expected.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
        let pairs = p.iter().zip(&expected);
        let worst = |max: f64, x: f64| if x.is_nan() { x } else { max.max(x) };
        Found {
            smallest_eigenvalue: gains.smallest,
            asymmetry: (0..s * s)
                .map(|at| (p[at] - p[at % s * s + at / s]).abs())
                .fold(0.0, worst),
            deviation: pairs.map(|(a, b)| (a - b).abs()).fold(0.0, worst) / largest,
            trace: gains.mean,
            oracle_trace: (0..s).map(|i| expected[i * s + i]).sum::<f64>() / s as f64,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1e} | {:.0e} | {:.1e} | {:.2e} | {:.2e}",
            self.smallest_eigenvalue, self.asymmetry, self.deviation, self.trace, self.oracle_trace,
        )
    }
}

#[cfg(test)]
mod tests;
