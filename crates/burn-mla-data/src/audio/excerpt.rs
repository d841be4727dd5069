//! Which part of a waveform becomes a spectrogram: published rules for clips of unequal length.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::error::{AudioError, Result};
use super::waveform::Waveform;
use crate::draw;

/// A rule that makes clips equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Excerpt {
    /// Repeats the clip a number of times, and keeps the first seconds. A clip of which the repeats are shorter
    /// stays shorter.
    ///
    /// OGM-GE for CREMA-D: 3 times, 3 seconds. LFM: 20 times, 20 seconds.
    Repeat {
        /// Number of repetitions of the clip.
        times: usize,
        /// Seconds that are kept.
        seconds: u32,
    },
    /// Doubles the clip until it lasts `at_least` seconds, and keeps `seconds` from a start that is drawn from 0 up
    /// to and including `at_least - seconds`.
    ///
    /// MLA: 10 and 5.
    Double {
        /// Seconds that the doubled clip lasts at least.
        at_least: u32,
        /// Seconds that are kept.
        seconds: u32,
    },
}

impl Excerpt {
    /// Rule of OGM-GE for CREMA-D.
    pub const OGM: Self = Self::Repeat {
        times: 3,
        seconds: 3,
    };
    /// Rule of MLA.
    pub const MLA: Self = Self::Double {
        at_least: 10,
        seconds: 5,
    };

    /// Draws a start in samples for [`Excerpt::cut`]; 0 where the rule has only one.
    pub fn draw_start(&self, sample_rate: u32, numbers: &mut impl Rng) -> usize {
        match self.last_start(sample_rate) {
            0 => 0,
            last => draw::up_to(numbers, last),
        }
    }

    /// Returns whether [`draw_start`](Self::draw_start) uses random numbers.
    pub(super) fn is_random(&self, sample_rate: u32) -> bool {
        self.last_start(sample_rate) > 0
    }

    /// Returns the excerpt of a waveform of one channel.
    ///
    /// # Errors
    ///
    /// Several channels, a start beyond the last one, or a rule that keeps nothing.
    pub fn cut(&self, waveform: &Waveform, start: usize) -> Result<Waveform> {
        let samples = waveform.mono()?;
        let rate = waveform.sample_rate();
        let last = self.last_start(rate);
        AudioError::check(
            "the start of an excerpt",
            start as f64,
            "at most the seconds that are left out",
            start <= last,
        )?;
        let (available, seconds) = match *self {
            Self::Repeat { times, seconds } => (samples.len().saturating_mul(times), seconds),
            Self::Double { at_least, seconds } => {
                let doubled = self.doubled(samples.len(), rate, at_least);
                (doubled - start, seconds)
            }
        };
        let wanted = seconds as usize * rate as usize;
        let excerpt = samples.iter().cycle().skip(start % samples.len());
        let excerpt = excerpt.take(wanted.min(available)).copied().collect();
        Waveform::new(excerpt, 1, rate)
    }

    /// Length of the clip after doublings.
    fn doubled(&self, n_samples: usize, rate: u32, at_least: u32) -> usize {
        let target = (at_least as usize * rate as usize).div_ceil(n_samples);
        n_samples * target.next_power_of_two()
    }

    fn last_start(&self, rate: u32) -> usize {
        match *self {
            Self::Repeat { .. } => 0,
            Self::Double { at_least, seconds } => {
                at_least.saturating_sub(seconds) as usize * rate as usize
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DrawKey;

    fn clip(n: usize) -> Waveform {
        Waveform::new((0..n).map(|x| x as f32).collect(), 1, 4).unwrap()
    }

    #[test]
    fn clips_are_repeated_and_cut() {
        let excerpt = Excerpt::OGM.cut(&clip(5), 0).unwrap();
        let expected = [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.0];
        assert_eq!(excerpt.samples(), expected);
        assert_eq!(Excerpt::OGM.cut(&clip(3), 0).unwrap().n_frames(), 9);
        assert!(Excerpt::OGM.cut(&clip(3), 1).is_err());
    }

    #[test]
    fn clips_are_doubled_and_cropped() {
        // 40 samples are needed, 48 result.
        let excerpt = Excerpt::MLA.cut(&clip(3), 20).unwrap();
        assert_eq!(excerpt.n_frames(), 20);
        assert_eq!(excerpt.samples()[..3], [2.0, 0.0, 1.0]);
        assert!(Excerpt::MLA.cut(&clip(3), 21).is_err());
        // A clip that is long enough is not doubled.
        let long = Excerpt::MLA.cut(&clip(50), 20).unwrap();
        assert_eq!(long.samples()[0], 20.0);
        let nothing = Excerpt::Repeat {
            times: 0,
            seconds: 3,
        };
        assert!(matches!(
            nothing.cut(&clip(3), 0),
            Err(AudioError::NoSamples)
        ));
    }

    #[test]
    fn starts_are_drawn_within_the_rule() {
        let key = DrawKey {
            seed: 1,
            pass: 0,
            index: 0,
        };
        let mut numbers = key.numbers(0);
        let starts: Vec<usize> = (0..2000)
            .map(|_| Excerpt::MLA.draw_start(4, &mut numbers))
            .collect();
        assert_eq!(starts.iter().min(), Some(&0));
        assert_eq!(starts.iter().max(), Some(&20));
        assert_eq!(Excerpt::OGM.draw_start(4, &mut numbers), 0);
    }
}
