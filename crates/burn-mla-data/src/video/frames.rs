//! Which frames of a video are kept, and which of these a model sees. No file is touched here.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::error::{Result, VideoError};
use crate::draw;

/// The distance of the frames that are kept: one in a second, by the whole part of the frame rate.
///
/// MLA, OGM-GE and the code of VGGSound keep frames 0, `fps`, `2 fps`, ... with `fps = int(rate)`, which is 29 for 29.97. A
/// rate below 1 keeps every frame.
pub fn frame_step(frame_rate: f64) -> usize {
    (frame_rate as usize).max(1)
}

/// The indices of the frames that are kept of a video.
pub fn kept_frames(n_frames: usize, frame_rate: f64) -> impl Iterator<Item = usize> {
    (0..n_frames).step_by(frame_step(frame_rate))
}

/// Which of the kept frames a model sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameSelection {
    /// `0, s, 2 s, ...` with `s = available / n`, and frame 0 `n` times if there are fewer than `n`: MLA, with 3, in
    /// training and test.
    Spaced {
        /// Number of frames.
        n: usize,
    },
    /// The middle of each of `n` segments of `s = available / n` frames, `i s + max(s / 2, 1) - 1`; frame 0 `n` times if
    /// there are no more than `2 n`: BalanceBenchmark on Kinetics-Sounds, with 3, at test time.
    SegmentMiddle {
        /// Number of frames.
        n: usize,
    },
    /// A random frame of each of `n` segments, or frame 0 as in `SegmentMiddle`: BalanceBenchmark in training.
    SegmentRandom {
        /// Number of frames.
        n: usize,
    },
}

impl FrameSelection {
    pub(super) fn is_random(self) -> bool {
        matches!(self, Self::SegmentRandom { .. })
    }

    /// Returns the indices of the selected frames, counted from 0. Only `SegmentRandom` draws numbers.
    ///
    /// # Errors
    ///
    /// No frame is available or asked for.
    pub fn indices(&self, available: usize, numbers: &mut impl Rng) -> Result<Vec<usize>> {
        let (Self::Spaced { n } | Self::SegmentMiddle { n } | Self::SegmentRandom { n }) = *self;
        if available == 0 {
            return Err(VideoError::NoFrames);
        }
        let segment = available.checked_div(n).ok_or(VideoError::NoneSelected)?;
        let enough = match self {
            Self::Spaced { .. } => n,
            _ => 2 * n + 1,
        };
        if available < enough {
            return Ok(vec![0; n]);
        }
        let mut offset = || match self {
            Self::Spaced { .. } => 0,
            Self::SegmentMiddle { .. } => (segment / 2).max(1) - 1,
            Self::SegmentRandom { .. } => draw::up_to(numbers, segment - 1),
        };
        Ok((0..n).map(|i| i * segment + offset()).collect())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::DrawKey;

    #[rstest]
    #[case(29.97, 90, &[0, 29, 58, 87])]
    #[case(30.0, 90, &[0, 30, 60])]
    #[case(30.0, 91, &[0, 30, 60, 90])]
    #[case(0.5, 3, &[0, 1, 2])]
    #[case(25.0, 0, &[])]
    #[case(25.0, 1, &[0])]
    fn one_frame_in_a_second_is_kept(#[case] rate: f64, #[case] n: usize, #[case] kept: &[usize]) {
        assert_eq!(kept_frames(n, rate).collect::<Vec<_>>(), kept);
    }

    #[rstest]
    #[case(FrameSelection::Spaced { n: 3 }, 1, &[0, 0, 0])]
    #[case(FrameSelection::Spaced { n: 3 }, 2, &[0, 0, 0])]
    #[case(FrameSelection::Spaced { n: 3 }, 3, &[0, 1, 2])]
    #[case(FrameSelection::Spaced { n: 3 }, 5, &[0, 1, 2])]
    #[case(FrameSelection::Spaced { n: 3 }, 6, &[0, 2, 4])]
    #[case(FrameSelection::Spaced { n: 3 }, 10, &[0, 3, 6])]
    #[case(FrameSelection::Spaced { n: 1 }, 10, &[0])]
    #[case(FrameSelection::SegmentMiddle { n: 3 }, 6, &[0, 0, 0])]
    // File numbers, counted from 1: i * 2 + max(2 / 2, 1).
    #[case(FrameSelection::SegmentMiddle { n: 3 }, 7, &[0, 2, 4])]
    #[case(FrameSelection::SegmentMiddle { n: 3 }, 9, &[0, 3, 6])]
    #[case(FrameSelection::SegmentMiddle { n: 3 }, 12, &[1, 5, 9])]
    #[case(FrameSelection::SegmentRandom { n: 3 }, 6, &[0, 0, 0])]
    fn selections_are_those_of_the_rules(
        #[case] selection: FrameSelection,
        #[case] available: usize,
        #[case] expected: &[usize],
    ) {
        let key = DrawKey {
            seed: 0,
            pass: 0,
            index: 0,
        };
        let found = selection.indices(available, &mut key.numbers(0));
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn random_frames_are_of_their_segment() {
        for index in 0..100 {
            let key = DrawKey {
                seed: 0,
                pass: 0,
                index,
            };
            let selection = FrameSelection::SegmentRandom { n: 3 };
            let found = selection.indices(10, &mut key.numbers(0)).unwrap();
            let segments: Vec<usize> = found.iter().map(|frame| frame / 3).collect();
            assert_eq!(segments, [0, 1, 2]);
        }
        let mut numbers = DrawKey {
            seed: 0,
            pass: 0,
            index: 0,
        }
        .numbers(0);
        let nothing = FrameSelection::Spaced { n: 0 }.indices(3, &mut numbers);
        assert!(matches!(nothing, Err(VideoError::NoneSelected)));
        let none = FrameSelection::Spaced { n: 3 }.indices(0, &mut numbers);
        assert!(matches!(none, Err(VideoError::NoFrames)));
    }
}
