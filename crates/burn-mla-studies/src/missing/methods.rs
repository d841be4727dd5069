//! The methods, and the hyper-parameters that are searched.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a method learns to impute: published code uses the true features of what is missing, which the
/// other methods never see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    ObservedOnly,
    Oracle,
}

/// A trained method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    LateFusion,
    Concat,
    Qmf,
    Cca,
    Dcca,
    Dccae,
    CpmNet,
    Ae(Target),
    Cra(Target),
    Mmin(Target),
    IfMmin(Target),
    Tate(Target),
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

/// Every method, baselines first.
pub const ALL: [Method; 19] = [
    Method::LateFusion,
    Method::Concat,
    Method::Qmf,
    Method::Cca,
    Method::Dcca,
    Method::Dccae,
    Method::CpmNet,
    Method::Ae(Target::ObservedOnly),
    Method::Ae(Target::Oracle),
    Method::Cra(Target::ObservedOnly),
    Method::Cra(Target::Oracle),
    Method::Mmin(Target::ObservedOnly),
    Method::Mmin(Target::Oracle),
    Method::IfMmin(Target::ObservedOnly),
    Method::IfMmin(Target::Oracle),
    Method::Tate(Target::ObservedOnly),
    Method::Tate(Target::Oracle),
    Method::Mla,
    Method::MlaDefault,
];

/// Learning rates of a method with two values of its own hyper-parameter; one with four has the first.
const LEARNING_RATES: [f64; 2] = [1e-3, 4e-3];

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::LateFusion => "LateFusion, own losses",
            Self::Concat => "Concat, zeros",
            Self::Qmf => "QMF",
            Self::Cca => "CCA",
            Self::Dcca => "DCCA",
            Self::Dccae => "DCCAE",
            Self::CpmNet => "CPM-Net",
            Self::Ae(Target::ObservedOnly) => "AE",
            Self::Ae(Target::Oracle) => "AE (Oracle)",
            Self::Cra(Target::ObservedOnly) => "CRA",
            Self::Cra(Target::Oracle) => "CRA (Oracle)",
            Self::Mmin(Target::ObservedOnly) => "MMIN",
            Self::Mmin(Target::Oracle) => "MMIN (Oracle)",
            Self::IfMmin(Target::ObservedOnly) => "IF-MMIN",
            Self::IfMmin(Target::Oracle) => "IF-MMIN (Oracle)",
            Self::Tate(Target::ObservedOnly) => "TATE",
            Self::Tate(Target::Oracle) => "TATE (Oracle)",
            Self::Mla => "MLA",
            Self::MlaDefault => "MLA, crate's default",
        }
    }

    /// Whether the training sees the true features of what is missing.
    pub fn is_oracle(self) -> bool {
        matches!(
            self,
            Self::Ae(Target::Oracle)
                | Self::Cra(Target::Oracle)
                | Self::Mmin(Target::Oracle)
                | Self::IfMmin(Target::Oracle)
                | Self::Tate(Target::Oracle)
        )
    }

    /// Whether the method belongs to this work; all others are baselines.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Mla | Self::MlaDefault)
    }

    /// The name and the values of the hyper-parameter of the method itself.
    pub fn own(self) -> Option<(&'static str, &'static [f64])> {
        match self {
            Self::LateFusion | Self::Concat => None,
            Self::Qmf => Some(("ranking weight", &[0.1, 1.0])),
            Self::Cca => Some(("components", &[2.0, 5.0, 10.0, 20.0])),
            Self::Dcca | Self::Dccae => Some(("components", &[2.0, 10.0])),
            Self::CpmNet => Some(("weight of the clustering", &[1.0, 10.0])),
            Self::Ae(_) | Self::Cra(_) => Some(("weight of the imputation error", &[0.1, 1.0])),
            Self::Mmin(_) => Some(("weight of the imagination", &[1.0, 4.0])),
            Self::IfMmin(_) => Some(("weight of the invariance", &[1.0, 100.0])),
            Self::Tate(_) => Some(("weight of the teacher", &[0.1, 1.0])),
            Self::Mla => Some(("alpha", &[0.1, 1.0])),
            Self::MlaDefault => Some(("leak", &[0.001, 0.01])),
        }
    }

    /// The trials of the search, four for every method.
    pub fn trials(self) -> Vec<Trial> {
        let trial = |learning_rate, own| Trial { learning_rate, own };
        let (rates, own) = match self.own() {
            None => (&[5e-4, 1e-3, 2e-3, 4e-3][..], None),
            Some((_, values)) => (&LEARNING_RATES[..4 / values.len()], Some(values)),
        };
        let trials = rates.iter().flat_map(|&rate| match own {
            None => vec![trial(rate, None)],
            Some(values) => values.iter().map(|&own| trial(rate, Some(own))).collect(),
        });
        trials.collect()
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
