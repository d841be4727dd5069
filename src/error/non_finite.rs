//! The kinds of values that a step checks for NaN and infinity.

use std::fmt;

/// A quantity that was not finite in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NonFinite {
    /// The encoder's features `h_m(x)`.
    Features,
    /// The unimodal loss of Eq. 2.
    Loss,
    /// The weights of the encoder, after a step that was too large.
    Weights,
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Features => "features",
            Self::Loss => "loss",
            Self::Weights => "weights",
        })
    }
}
