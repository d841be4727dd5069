//! The projector rules that are compared, with every reading of the paper.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use burn::tensor::Device;
use burn_mla::mla::{FeatureSource, ProjectionConfig, ProjectionTarget};
use burn_mla::prelude::*;
use burn_mla::projector::{
    IdentityProjector, LeakyRlsProjectorConfig, SubspaceProjectorConfig, SubspaceRank,
    TraceRescaledRlsProjectorConfig,
};

use crate::projectors::cell::Scores;
use crate::projectors::run::Run;
use burn_mla_data::dataset::emoji::{Emoji, Modality};

/// A rule with its own settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    Identity,
    Rls { alpha: f64 },
    Leaky { alpha: f64, leak: f64 },
    TraceRescaled { alpha: f64 },
    Subspace { energy: f64, max_rank: usize },
}

/// A rule and its use: source of the feature and target of the projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    pub rule: Rule,
    pub source: FeatureSource,
    pub target: ProjectionTarget,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => write!(f, "none"),
            Self::Rls { alpha } => write!(f, "Eq. 5, alpha {alpha}"),
            Self::Leaky { alpha, leak } => write!(f, "leaky {leak}, alpha {alpha}"),
            Self::TraceRescaled { alpha } => write!(f, "trace rescaled, alpha {alpha}"),
            Self::Subspace { energy, max_rank } => {
                write!(f, "subspace, energy {energy}, rank <= {max_rank}")
            }
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        if self.rule == Rule::Identity {
            return Ok(());
        }
        write!(f, ", {:?}, {:?}", self.source, self.target)
    }
}

/// Returns all settings that are compared.
pub fn settings() -> Vec<Setting> {
    use FeatureSource::{Current, Previous};
    use ProjectionTarget::{Gradient, Update};
    let setting = |rule, source, target| Setting {
        rule,
        source,
        target,
    };
    let mut all = vec![setting(Rule::Identity, Current, Gradient)];
    let every_reading = [0.01, 0.1, 1.0, 10.0]
        .map(|alpha| Rule::Rls { alpha })
        .into_iter()
        .chain([Rule::Leaky {
            alpha: 0.1,
            leak: 0.01,
        }]);
    for rule in every_reading {
        for source in [Current, Previous] {
            for target in [Gradient, Update] {
                all.push(setting(rule, source, target));
            }
        }
    }
    let (energy, max_rank) = (0.95, 16);
    for rule in [
        Rule::TraceRescaled { alpha: 0.1 },
        Rule::Subspace { energy, max_rank },
    ] {
        all.push(setting(rule, Current, Gradient));
        all.push(setting(rule, Current, Update));
    }
    all
}

/// Returns the settings that are compared on images: every rule in the paper's reading.
pub fn chosen() -> Vec<Setting> {
    let paper = |setting: &Setting| {
        setting.source == FeatureSource::Current && setting.target == ProjectionTarget::Gradient
    };
    let mut all = settings();
    all.retain(paper);
    all
}

/// An operation on a rule of any type.
pub trait WithRule {
    type Output;

    fn with<P: OrthogonalProjector>(self, rule: P) -> Self::Output;
}

/// Initializes the rule and passes it to an operation.
pub fn with_rule<W: WithRule>(rule: &Rule, then: W) -> burn_mla::Result<W::Output> {
    Ok(match *rule {
        Rule::Identity => then.with(IdentityProjector),
        Rule::Rls { alpha } => then.with(RlsProjectorConfig::new().with_alpha(alpha).init()?),
        Rule::Leaky { alpha, leak } => then.with(
            LeakyRlsProjectorConfig::new()
                .with_alpha(alpha)
                .with_leak(leak)
                .init()?,
        ),
        Rule::TraceRescaled { alpha } => {
            let config = TraceRescaledRlsProjectorConfig::new().with_alpha(alpha);
            then.with(config.init()?)
        }
        Rule::Subspace { energy, max_rank } => then.with(
            SubspaceProjectorConfig::new()
                .with_rank(SubspaceRank::Energy(energy))
                .with_max_rank(max_rank)
                .init()?,
        ),
    })
}

/// Runs a setting on the emoji data.
pub fn run(
    setting: &Setting,
    emoji: &Arc<Emoji>,
    pair: [Modality; 2],
    epochs: usize,
    seed: u64,
    device: &Device,
) -> Result<Scores, Box<dyn Error>> {
    let projection = ProjectionConfig::new()
        .with_source(setting.source)
        .with_target(setting.target);
    let run = Run {
        emoji,
        modalities: pair.to_vec(),
        projection,
        epochs,
        seed,
        device,
    };
    with_rule(&setting.rule, run)?
}
