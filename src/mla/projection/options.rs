//! The options of a projection, which hold for every rule.

use burn::config::Config;

/// The feature that updates the projector before step t. The paper describes both.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum FeatureSource {
    /// The mean feature of step t itself: Eq. 5 and Algorithm 1 as printed.
    Current,
    /// The mean feature of step t - 1: the sentence above Eq. 3, "orthogonal to the plane
    /// spanned by the encoded feature from the previous modality".
    Previous,
}

/// The samples that Eq. 4 averages over.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum FeatureMean {
    /// The samples of the step.
    Batch,
    /// All samples of the modality seen so far, in all its steps.
    Running,
}

/// The quantity that is projected.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ProjectionTarget {
    /// The gradient, before the optimizer sees it: Eq. 3.
    Gradient,
    /// The change that the optimizer made: `W <- W_old + P (W_optimizer - W_old)`.
    ///
    /// With momentum, weight decay or Adam the step is not the gradient. Projecting the gradient
    /// then leaves a part of the step in the protected space; projecting the update does not.
    /// Where `P` changes nothing, the step is the optimizer's up to rounding.
    Update,
}

/// Options of a [`Projection`](crate::mla::Projection), for every rule. The defaults are the paper's.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `source` | [`Current`](FeatureSource::Current) | which feature updates the projector |
/// | `mean` | [`Batch`](FeatureMean::Batch) | what Eq. 4 averages over |
/// | `target` | [`Gradient`](ProjectionTarget::Gradient) | what is projected |
/// | `protect_bias` | false | appends a constant 1 to the feature, which protects the bias |
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub struct ProjectionConfig {
    /// Which feature updates the projector before step t.
    #[config(default = "FeatureSource::Current")]
    pub source: FeatureSource,
    /// What Eq. 4 averages over.
    #[config(default = "FeatureMean::Batch")]
    pub mean: FeatureMean,
    /// What is projected.
    #[config(default = "ProjectionTarget::Gradient")]
    pub target: ProjectionTarget,
    /// Whether a constant 1 is appended to the feature, which protects the bias.
    #[config(default = false)]
    pub protect_bias: bool,
}
