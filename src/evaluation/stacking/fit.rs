//! The fit of a learnt fusion, and the cross-validation that selects its strength.

use crate::evaluation::stacking::design::{PerSource, Residual};
use crate::evaluation::stacking::samples::Samples;
use crate::evaluation::stacking::{Stacking, StackingConfig, StackingWeights};
use crate::numeric::{Matrix, fit_multinomial, softmax_columns};

pub(super) fn fit(config: &StackingConfig, samples: &Samples) -> Stacking {
    let strength = select(config, samples);
    with_strength(config, samples, strength)
}

fn with_strength(config: &StackingConfig, samples: &Samples, strength: f64) -> Stacking {
    let weights = source_weights(samples, config.fused);
    let offset = samples.weighted(&weights);
    Stacking {
        n_modalities: samples.n_modalities,
        n_classes: samples.n_classes,
        fused: config.fused,
        residual: Residual::fit(config.weights, samples, &offset, strength),
        weights,
        strength,
    }
}

/// The weights of the sources, with the penalty `1/2 |w - w_0|^2` on their change.
fn source_weights(samples: &Samples, fused: bool) -> Vec<f64> {
    let n_modalities = samples.n_modalities;
    let start: Vec<f64> = if fused {
        let modalities = std::iter::repeat_n(0.0, n_modalities);
        modalities.chain([1.0]).collect()
    } else {
        vec![1.0 / n_modalities as f64; n_modalities]
    };
    let offset = samples.weighted(&start);
    let (change, _) = fit_multinomial(&PerSource(samples), &offset, &samples.labels, 1.0);
    let pairs = start.iter().zip(change.iter());
    pairs.map(|(start, change)| start + change).collect()
}

/// The strength with the highest likelihood of the held-out folds, the smallest one of equal strengths.
fn select(config: &StackingConfig, samples: &Samples) -> f64 {
    let folds = folds(&samples.labels, config.folds);
    if config.weights == StackingWeights::PerSource || folds.len() < 2 {
        return 0.0;
    }
    let parts: Vec<(Samples, Samples)> = folds
        .iter()
        .map(|held_out| {
            let mut rest: Vec<usize> = (0..samples.len()).collect();
            rest.retain(|at| !held_out.contains(at));
            (samples.select(&rest), samples.select(held_out))
        })
        .collect();
    let loss = |strength: f64| -> f64 {
        let losses = parts.iter().map(|(rest, held_out)| {
            let fitted = with_strength(config, rest, strength);
            let mut scores: Matrix = fitted.scores(held_out);
            softmax_columns(&mut scores, &held_out.labels)
        });
        losses.sum()
    };
    let mut candidates = config.strengths.clone();
    candidates.sort_by(f64::total_cmp);
    let mut best = (loss(0.0), 0.0);
    for strength in candidates {
        let loss = loss(strength);
        if loss < best.0 {
            best = (loss, strength);
        }
    }
    best.1
}

/// Positions of the samples of each fold, without empty folds. The samples of a class are dealt out in turn,
/// and the next class continues where the last one ended.
fn folds(labels: &[usize], n_folds: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&at| labels[at]);
    let mut folds = vec![vec![]; n_folds.min(labels.len())];
    let n_folds = folds.len();
    for (turn, at) in order.into_iter().enumerate() {
        folds[turn % n_folds].push(at);
    }
    folds
}
