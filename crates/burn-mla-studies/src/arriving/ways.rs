//! The ways to learn a modality that arrives, and the hyper-parameters that are searched.

use burn_mla::mla::ProjectionTarget;
use serde::{Deserialize, Serialize};

/// The protection of the old modalities while the model learns a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Nothing.
    FineTuning,
    /// A head that does not change after the first phase.
    FrozenHead,
    /// Turns of the old modalities on a sample of their data, which train the head only.
    Replay,
    /// A head of its own for each modality, which shares nothing with the others.
    OwnHeads,
    Projector(Rule, ProjectionTarget),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The default of the crate.
    Leaky,
    /// Eq. 5.
    Rls,
    Subspace,
}

/// A choice of hyper-parameters for the phases in which a modality arrives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    pub learning_rate: f64,
    /// The hyper-parameter of the way itself, if it has one.
    pub own: Option<f64>,
}

const GRADIENT: ProjectionTarget = ProjectionTarget::Gradient;
const UPDATE: ProjectionTarget = ProjectionTarget::Update;

/// Every way, those without a projector first.
pub const ALL: [Way; 10] = [
    Way::FineTuning,
    Way::FrozenHead,
    Way::Replay,
    Way::OwnHeads,
    DEFAULT,
    Way::Projector(Rule::Leaky, UPDATE),
    Way::Projector(Rule::Rls, GRADIENT),
    Way::Projector(Rule::Rls, UPDATE),
    Way::Projector(Rule::Subspace, GRADIENT),
    Way::Projector(Rule::Subspace, UPDATE),
];

/// The way of `MlaConfig::init_default`.
pub const DEFAULT: Way = Way::Projector(Rule::Leaky, GRADIENT);

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::FineTuning => "fine-tuning",
            Self::FrozenHead => "frozen head",
            Self::Replay => "replay of 5 %",
            Self::OwnHeads => "own heads",
            Self::Projector(Rule::Leaky, ProjectionTarget::Gradient) => "leaky, gradient",
            Self::Projector(Rule::Leaky, ProjectionTarget::Update) => "leaky, update",
            Self::Projector(Rule::Rls, ProjectionTarget::Gradient) => "Eq. 5, gradient",
            Self::Projector(Rule::Rls, ProjectionTarget::Update) => "Eq. 5, update",
            Self::Projector(Rule::Subspace, ProjectionTarget::Gradient) => "subspace, gradient",
            Self::Projector(Rule::Subspace, ProjectionTarget::Update) => "subspace, update",
        }
    }

    pub fn has_projector(self) -> bool {
        matches!(self, Self::Projector(..))
    }

    /// The name and the values of the hyper-parameter of the way itself.
    fn own(self) -> Option<(&'static str, [f64; 2])> {
        match self {
            Self::FineTuning | Self::FrozenHead | Self::OwnHeads => None,
            Self::Replay => Some(("old rows per new row", [1.0, 0.25])),
            Self::Projector(Rule::Leaky, _) => Some(("leak", [0.01, 0.001])),
            Self::Projector(Rule::Rls, _) => Some(("alpha", [0.1, 0.01])),
            Self::Projector(Rule::Subspace, _) => Some(("energy", [0.95, 0.999])),
        }
    }

    /// The trials of the search, three for every way.
    pub fn trials(self) -> [Trial; 3] {
        let trial = |learning_rate, own| Trial { learning_rate, own };
        match self.own() {
            None => [2e-3, 4e-3, 8e-3].map(|rate| trial(rate, None)),
            Some((_, [first, second])) => [
                trial(4e-3, Some(first)),
                trial(4e-3, Some(second)),
                trial(8e-3, Some(second)),
            ],
        }
    }
}

impl Trial {
    /// Describes the trial in words.
    pub fn describe(&self, way: Way) -> String {
        let rate = self.learning_rate;
        match way.own().zip(self.own) {
            Some(((name, _), value)) => format!("learning rate {rate}, {name} {value}"),
            None => format!("learning rate {rate}"),
        }
    }
}
