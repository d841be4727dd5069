//! The methods, and the hyper-parameters that are searched.

use burn_mla::mla::FusedLogits;
use serde::{Deserialize, Serialize};

/// A trained method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    Concat,
    Ensemble,
    Qmf,
    /// A concatenation with the loss of each modality on a head of its own, as MMPareto.
    Assisted,
    MmPareto,
    Opm,
    Agm,
    Pmr,
    ReconBoost,
    Relearning,
    /// As printed.
    Mla,
    MlaDefault,
    /// The default with other parts.
    MlaWith(Parts),
}

/// Parts that are added to the crate's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parts {
    pub fused: Option<Fused>,
    pub adapters: Option<Adapters>,
    /// Turns in the order of the losses, the largest first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weakest_first: bool,
}

/// The logits of the loss of fused turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fused {
    Fusion,
    Mean,
    Sum,
}

/// Adapters of the shared head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adapters {
    ScaleAndBias,
    /// Scale, bias and a low-rank layer.
    LowRank,
}

/// A choice of hyper-parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub learning_rate: f64,
    /// The hyper-parameter of the method itself, if it has one.
    pub own: Option<f64>,
}

const fn with(fused: Option<Fused>, adapters: Option<Adapters>) -> Method {
    Method::MlaWith(Parts {
        fused,
        adapters,
        weakest_first: false,
    })
}

const WEAKEST_FIRST: Method = Method::MlaWith(Parts {
    fused: None,
    adapters: None,
    weakest_first: true,
});

/// Every method, baselines first.
pub const ALL: [Method; 20] = [
    Method::Concat,
    Method::Ensemble,
    Method::Qmf,
    Method::Assisted,
    Method::MmPareto,
    Method::Opm,
    Method::Agm,
    Method::Pmr,
    Method::ReconBoost,
    Method::Relearning,
    Method::Mla,
    Method::MlaDefault,
    WEAKEST_FIRST,
    with(Some(Fused::Fusion), None),
    with(Some(Fused::Mean), None),
    with(Some(Fused::Sum), None),
    with(None, Some(Adapters::ScaleAndBias)),
    with(None, Some(Adapters::LowRank)),
    with(Some(Fused::Mean), Some(Adapters::LowRank)),
    with(Some(Fused::Sum), Some(Adapters::LowRank)),
];

/// Rank of the low-rank layers where it is not searched.
pub const RANK: usize = 8;

impl Fused {
    pub fn logits(self) -> FusedLogits {
        match self {
            Self::Fusion => FusedLogits::Fusion,
            Self::Mean => FusedLogits::Mean,
            Self::Sum => FusedLogits::Sum,
        }
    }
}

impl Method {
    pub fn name(self) -> String {
        match self {
            Self::Concat => "Concat".to_string(),
            Self::Ensemble => "LateFusion, own losses".to_string(),
            Self::Qmf => "QMF".to_string(),
            Self::Assisted => "Concat, own losses added".to_string(),
            Self::MmPareto => "MMPareto".to_string(),
            Self::Opm => "OPM".to_string(),
            Self::Agm => "AGM".to_string(),
            Self::Pmr => "PMR".to_string(),
            Self::ReconBoost => "ReconBoost".to_string(),
            Self::Relearning => "Diagnosing and re-learning".to_string(),
            Self::Mla => "MLA as printed".to_string(),
            Self::MlaDefault => "MLA, crate's default".to_string(),
            Self::MlaWith(Parts {
                fused,
                adapters,
                weakest_first,
            }) => {
                let mut name = "MLA".to_string();
                name += match fused {
                    None => "",
                    Some(Fused::Fusion) => " + fused turns",
                    Some(Fused::Mean) => " + fused turns (mean)",
                    Some(Fused::Sum) => " + fused turns (sum)",
                };
                if weakest_first {
                    name += " + weakest first";
                }
                name += match adapters {
                    None => "",
                    Some(Adapters::ScaleAndBias) => " + scale and bias",
                    Some(Adapters::LowRank) => " + low rank",
                };
                name
            }
        }
    }

    /// Returns true for the later balanced methods. The tables have the best of them.
    pub fn is_later(self) -> bool {
        matches!(
            self,
            Self::Assisted
                | Self::MmPareto
                | Self::Opm
                | Self::Agm
                | Self::Pmr
                | Self::ReconBoost
                | Self::Relearning
        )
    }

    /// Returns true for the methods of this work; all others are baselines.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Mla | Self::MlaDefault | Self::MlaWith(_))
    }

    /// The name and the values of the hyper-parameter of the method itself.
    pub fn own(self) -> Option<(&'static str, [f64; 2])> {
        match self {
            Self::Concat | Self::Ensemble | Self::Assisted => None,
            Self::Qmf => Some(("ranking weight", [0.1, 1.0])),
            Self::MmPareto => Some(("gamma", [1.0, 1.5])),
            Self::Opm => Some(("base rate", [0.25, 0.5])),
            Self::Agm | Self::Pmr => Some(("alpha", [0.1, 1.0])),
            Self::ReconBoost => Some(("reconcilement", [0.2, 0.5])),
            Self::Relearning => Some(("lambda", [1.0, 3.0])),
            Self::Mla => Some(("alpha", [0.1, 1.0])),
            Self::MlaDefault => Some(("leak", [0.001, 0.01])),
            Self::MlaWith(parts) => match (parts.fused, parts.adapters) {
                (Some(_), _) => Some(("encoder share", [0.1, 1.0])),
                (None, Some(Adapters::LowRank)) => Some(("rank", [2.0, 8.0])),
                (None, _) => Some(("leak", [0.001, 0.01])),
            },
        }
    }

    /// The trials of the search, four for every method.
    pub fn trials(self) -> Vec<Trial> {
        let trial = |learning_rate, own| Trial { learning_rate, own };
        match self.own() {
            None => [1e-3, 2e-3, 4e-3, 8e-3]
                .map(|rate| trial(rate, None))
                .to_vec(),
            Some((_, values)) => [2e-3, 4e-3]
                .into_iter()
                .flat_map(|rate| values.map(|own| trial(rate, Some(own))))
                .collect(),
        }
    }
}

impl Trial {
    /// Describes the trial in words.
    pub fn describe(&self, method: Method) -> String {
        let rate = self.learning_rate;
        match method.own().zip(self.own) {
            Some(((name, _), value)) => format!("learning rate {rate}, {name} {value}"),
            None => format!("learning rate {rate}"),
        }
    }
}
