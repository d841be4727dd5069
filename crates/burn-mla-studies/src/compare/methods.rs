//! The methods, the hyper-parameters that are searched, and the rows of the table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A trained method. A trained MLA is scored with several fusions, see [`Method::rows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    Sum,
    Concat,
    LateFusion,
    Ensemble,
    Film,
    BiGated,
    Ogm,
    OgmGe,
    Qmf,
    Assisted,
    MmPareto,
    Opm,
    Agm,
    Pmr,
    ReconBoost,
    MlaWithoutHgm,
    Mla,
    MlaDefault,
}

/// A choice of hyper-parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub learning_rate: f64,
    /// The hyper-parameter of the method itself, if it has one.
    pub own: Option<f64>,
}

pub const ALL: [Method; 18] = [
    Method::Sum,
    Method::Concat,
    Method::LateFusion,
    Method::Ensemble,
    Method::Film,
    Method::BiGated,
    Method::Ogm,
    Method::OgmGe,
    Method::Qmf,
    Method::Assisted,
    Method::MmPareto,
    Method::Opm,
    Method::Agm,
    Method::Pmr,
    Method::ReconBoost,
    Method::MlaWithoutHgm,
    Method::Mla,
    Method::MlaDefault,
];

/// Fusion of a trained model for a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fusion {
    /// The fusion of the model.
    Own,
    /// The mean of the modalities' logits.
    Mean,
}

impl Method {
    /// Returns the rows of the table from the trained model. The search is for the first one.
    pub fn rows(self) -> &'static [(&'static str, Fusion)] {
        match self {
            Self::Sum => &[("Sum", Fusion::Own)],
            Self::Concat => &[("Concat", Fusion::Own)],
            Self::LateFusion => &[("LateFusion", Fusion::Own)],
            Self::Ensemble => &[("LateFusion, own losses", Fusion::Own)],
            Self::Film => &[("FiLM", Fusion::Own)],
            Self::BiGated => &[("BiGated", Fusion::Own)],
            Self::Ogm => &[("OGM", Fusion::Own)],
            Self::OgmGe => &[("OGM-GE", Fusion::Own)],
            Self::Qmf => &[("QMF", Fusion::Own)],
            Self::Assisted => &[("Concat, own losses added", Fusion::Own)],
            Self::MmPareto => &[("MMPareto", Fusion::Own)],
            Self::Opm => &[("OPM", Fusion::Own)],
            Self::Agm => &[("AGM", Fusion::Own)],
            Self::Pmr => &[("PMR", Fusion::Own)],
            Self::ReconBoost => &[("ReconBoost", Fusion::Own)],
            Self::MlaWithoutHgm => &[
                ("MLA without HGM", Fusion::Own),
                ("MLA without HGM and DF", Fusion::Mean),
            ],
            Self::Mla => &[("MLA", Fusion::Own), ("MLA without DF", Fusion::Mean)],
            Self::MlaDefault => &[("MLA, crate's default", Fusion::Own)],
        }
    }

    /// Returns the name of the row that stands for the method.
    pub fn name(self) -> &'static str {
        self.rows()[0].0
    }

    /// Returns the name and the values of the hyper-parameter of the method itself.
    pub fn own(self) -> Option<(&'static str, [f64; 2])> {
        match self {
            Self::Ogm | Self::OgmGe => Some(("alpha", [0.1, 0.5])),
            Self::Qmf => Some(("ranking weight", [0.1, 1.0])),
            Self::MmPareto => Some(("gamma", [1.0, 1.5])),
            Self::Opm => Some(("base rate", [0.25, 0.5])),
            Self::Agm => Some(("alpha", [0.1, 1.0])),
            Self::Pmr => Some(("alpha", [0.1, 1.0])),
            Self::ReconBoost => Some(("reconcilement", [0.2, 0.5])),
            Self::Mla => Some(("alpha", [0.1, 1.0])),
            Self::MlaDefault => Some(("leak", [0.001, 0.01])),
            _ => None,
        }
    }

    /// Returns the trials of the search, four for every method.
    pub fn trials(self) -> [Trial; 4] {
        let trial = |learning_rate, own| Trial { learning_rate, own };
        match self.own() {
            None => [1e-3, 2e-3, 4e-3, 8e-3].map(|rate| trial(rate, None)),
            Some((_, [low, high])) => [
                trial(2e-3, Some(low)),
                trial(2e-3, Some(high)),
                trial(4e-3, Some(low)),
                trial(4e-3, Some(high)),
            ],
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

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
