use burn::config::Config;

/// Which feature updates the projector before step t, where the paper says two things.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum FeatureSource {
    /// The mean feature of step t itself: Eq. 5 and Algorithm 1 as printed.
    Current,
    /// The mean feature of step t - 1: the sentence above Eq. 3, "orthogonal to the plane
    /// spanned by the encoded feature from the previous modality".
    Previous,
}

/// What Eq. 4 averages over.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum FeatureMean {
    /// The samples of the step.
    Batch,
    /// All samples of the modality seen so far, in all its steps.
    Running,
}

/// What is projected.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ProjectionTarget {
    /// The gradient, before the optimizer sees it: Eq. 3.
    Gradient,
    /// The change that the optimizer made: `W <- W_old + P (W_optimizer - W_old)`.
    ///
    /// With momentum, weight decay or Adam the step taken is not the gradient, so that
    /// projecting the gradient lets the step leak into the protected space; this does not.
    /// Where `P` changes nothing the step is the optimizer's up to rounding.
    Update,
}

/// How a model uses its projector, for every rule alike. The defaults are the paper's.
///
/// | Name | Default | Purpose |
/// |---|---|---|
/// | `source` | [`Current`](FeatureSource::Current) | which feature updates the projector |
/// | `mean` | [`Batch`](FeatureMean::Batch) | what Eq. 4 averages over |
/// | `target` | [`Gradient`](ProjectionTarget::Gradient) | what is projected |
/// | `protect_bias` | false | appends a constant 1 to the feature, so that the bias is protected too |
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
    /// Whether the feature is augmented by a constant 1, so that the bias is protected as well.
    #[config(default = false)]
    pub protect_bias: bool,
}
