//! Corruptions of a pair of modalities at test time.

use burn_mla_data::dataset::emoji::{Corruption, Modality};

/// Corruption of a pair of modalities at test time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Case {
    Clean,
    Corrupted { modality: Modality, strength: f64 },
}

/// Standard deviations of noise on images, pixels being in -1..1.
pub const NOISE: [f64; 3] = [0.25, 0.5, 1.0];
/// Probabilities that a word is dropped.
pub const DROPPED: [f64; 3] = [0.25, 0.5, 0.75];

impl Case {
    /// Returns the clean case, and either modality corrupted at each strength.
    pub fn of_pair(pair: [Modality; 2]) -> Vec<Self> {
        let corrupted = |modality: Modality| {
            let strengths = if modality.is_text() { DROPPED } else { NOISE };
            strengths.map(|strength| Self::Corrupted { modality, strength })
        };
        let mut cases = vec![Self::Clean];
        cases.extend(pair.into_iter().flat_map(corrupted));
        cases
    }

    /// Returns the column of the case in the tables.
    pub fn name(self) -> String {
        match self {
            Self::Clean => "clean".to_string(),
            Self::Corrupted { modality, strength } if modality.is_text() => {
                format!("words dropped {strength}")
            }
            Self::Corrupted { strength, .. } => format!("noise {strength}"),
        }
    }

    /// Returns the index of the corrupted modality of the pair.
    pub fn corrupted(self, pair: [Modality; 2]) -> Option<usize> {
        match self {
            Self::Clean => None,
            Self::Corrupted { modality, .. } => pair.iter().position(|&member| member == modality),
        }
    }

    pub fn corruption(self, seed: u64) -> Option<Corruption> {
        match self {
            Self::Clean => None,
            Self::Corrupted { modality, strength } => Some(Corruption {
                modality,
                strength,
                seed,
            }),
        }
    }
}
