//! Axes with ticks at the points of a chart.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;

const MAX_TICKS: usize = 11;

/// An axis whose ticks are the positions of the points.
pub(super) struct Ticks {
    range: Range<f64>,
    places: Vec<f64>,
}

impl Ticks {
    /// At most 11 of the positions. The axis extends slightly beyond the outermost ones.
    pub(super) fn at(places: impl Iterator<Item = f64>) -> Self {
        let mut places: Vec<f64> = places.filter(|x| x.is_finite()).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let range = match places[..] {
            [] => 0.0..1.0,
            [x] => x - 0.5..x + 0.5,
            [first, .., last] => {
                let margin = 0.07 * (last - first);
                first - margin..last + margin
            }
        };
        // For 30 epochs the ticks are 5, 10, 15 and so on.
        let every = round_up(places.len().div_ceil(MAX_TICKS));
        let places = places.into_iter().skip(every - 1).step_by(every).collect();
        Self { range, places }
    }
}

/// Rounds up to 1, 2 or 5 times a power of 10.
fn round_up(n: usize) -> usize {
    let mut power = 1;
    loop {
        let round = [1, 2, 5].map(|factor| factor * power);
        match round.into_iter().find(|round| *round >= n) {
            Some(round) => return round,
            None => power *= 10,
        }
    }
}

impl Ranged for Ticks {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let every = self.places.len().div_ceil(hint.max_num_points().max(1));
        self.places.iter().copied().step_by(every.max(1)).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}
