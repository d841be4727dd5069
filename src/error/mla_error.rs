//! The error type of the crate.

use crate::error::NonFinite;

/// Everything that can go wrong while building, training or querying a model.
///
/// Steps count from 0, as in Eq. 1 of the paper.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MlaError {
    /// A hyper-parameter outside of its range.
    #[error("{name} must be {requirement}, got {value}")]
    HyperParameter {
        /// Name of the hyper-parameter, as its configuration spells it.
        name: &'static str,
        /// The range it must lie in.
        requirement: &'static str,
        /// The value given.
        value: f64,
    },
    /// Two encoders whose feature widths differ cannot share a head.
    #[error(
        "encoder {first} has d_feature = {d_first} but encoder {second} has d_feature = {d_second}: \
         encoders that share a head need the same feature width"
    )]
    FeatureWidths {
        /// Index of an encoder.
        first: usize,
        /// Its feature width.
        d_first: usize,
        /// Index of another encoder.
        second: usize,
        /// Its, different, feature width.
        d_second: usize,
    },
    /// The head expects another feature width than the encoders produce.
    #[error("the encoders have d_feature = {d_encoder} but the shared head expects {d_head}")]
    HeadWidth {
        /// Feature width of the encoders.
        d_encoder: usize,
        /// Feature width of the head.
        d_head: usize,
    },
    /// A model or a batch without any modality.
    #[error("{what} has no modality")]
    NoModalities {
        /// What is empty.
        what: &'static str,
    },
    /// A count of modalities that differs from the model's.
    #[error("{what} has {got} modalities, expected {expected}")]
    ModalityCount {
        /// What was counted.
        what: &'static str,
        /// The count expected.
        expected: usize,
        /// The count found.
        got: usize,
    },
    /// A modality index that does not exist.
    #[error("modality {modality} does not exist: there are {n_modalities}, counted from 0")]
    ModalityOutOfRange {
        /// The index given.
        modality: usize,
        /// How many modalities there are.
        n_modalities: usize,
    },
    /// A class label outside of `0..n_classes`.
    #[error(
        "label {label} of sample {sample} is out of range: the head has {n_classes} classes, \
         counted from 0"
    )]
    LabelOutOfRange {
        /// The label.
        label: i64,
        /// Position of the sample in its batch.
        sample: usize,
        /// Number of classes of the head.
        n_classes: usize,
    },
    /// A number of rows, samples or columns that does not fit.
    #[error("{what}: expected {expected}, got {got}")]
    Size {
        /// What was measured.
        what: &'static str,
        /// The size expected.
        expected: usize,
        /// The size found.
        got: usize,
    },
    /// A batch, a split or a set of logits without any sample.
    #[error("{what} is empty")]
    Empty {
        /// What is empty.
        what: &'static str,
    },
    /// A row of a modality that names a sample twice, or one that is not in the batch.
    #[error(
        "row {row} of modality {modality} names sample {sample}, which {}",
        if *.sample < *.n_samples { "an earlier row names already" } else { "is not in the batch" }
    )]
    BadRow {
        /// The modality.
        modality: usize,
        /// Position in the modality's input.
        row: usize,
        /// The sample named.
        sample: usize,
        /// Number of samples of the batch.
        n_samples: usize,
    },
    /// An input with another number of rows than there are samples that have the modality.
    #[error("the input of modality {modality} has {got} rows, expected {expected}: one a sample")]
    InputRows {
        /// The modality.
        modality: usize,
        /// Number of samples that have it.
        expected: usize,
        /// Number of rows found.
        got: usize,
    },
    /// A row that does not exist.
    #[error("row {row} does not exist: there are {n_rows}, counted from 0")]
    RowOutOfRange {
        /// The row.
        row: usize,
        /// How many there are.
        n_rows: usize,
    },
    /// A sample without any modality.
    #[error("sample {sample} has no modality present")]
    NothingPresent {
        /// Position of the sample in its batch.
        sample: usize,
    },
    /// A modality is in no batch of a whole pass over the data.
    #[error("modality {modality} is absent in the whole data set")]
    AbsentModality {
        /// The modality.
        modality: usize,
    },
    /// A modality that is absent in a whole batch was to be fed as zeros, of a shape not known.
    #[error(
        "modality {modality} is absent in the whole batch, so that the shape of its zeros is \
         unknown: take them like another batch"
    )]
    UnknownShape {
        /// The modality.
        modality: usize,
    },
    /// More modalities than something that grows exponentially with them bears.
    #[error("{n_modalities} modalities are too many for all their subsets: at most {limit}")]
    TooManyModalities {
        /// How many there are.
        n_modalities: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A manifest of missing modalities that cannot be saved, read or used.
    #[cfg(feature = "train")]
    #[error("{message}")]
    Manifest {
        /// Message of the [`ManifestError`](crate::modality::ManifestError).
        message: String,
    },
    /// A batch that does not tell which samples of the data set it has, for a method that remembers
    /// samples.
    #[error(
        "the batch does not say which samples it has: the method remembers samples and needs \
         MultimodalBatch::with_samples"
    )]
    UnknownSamples,
    /// A loss that is not a number, or infinite, of a step of all modalities at once. The model is
    /// as it was before the step.
    #[error("non-finite loss at step {step}")]
    NonFiniteLoss {
        /// The step, from 0.
        step: u64,
    },
    /// Gradients that do not come from the model's own training step.
    #[error("the gradients are not those of a training step of this model")]
    NoStepGradients,
    /// Not a number, or infinite. The model is as it was before the step.
    #[error("non-finite {what} of modality {modality} at step {step}")]
    NonFinite {
        /// What is not finite.
        what: NonFinite,
        /// The modality whose turn it was.
        modality: usize,
        /// The step, from 0.
        step: u64,
    },
    /// Non-finite logits of a fused prediction, or handed to a function that works on a whole split.
    #[error("non-finite logit of sample {sample}")]
    NonFiniteLogits {
        /// Position of the sample.
        sample: usize,
    },
    /// Not a number, or infinite, among features handed to an analysis.
    #[error(
        "non-finite feature of sample {sample}{}",
        modality.map_or(String::new(), |modality| format!(" of modality {modality}"))
    )]
    NonFiniteFeatures {
        /// The modality, where there are several.
        modality: Option<usize>,
        /// Position of the sample.
        sample: usize,
    },
    /// A feature so large that the projector's recursion would lose positive definiteness in f32.
    /// The model is as it was before the step.
    #[error(
        "kappa = |r|^2 / alpha = {kappa:.1e} of modality {modality} at step {step} reaches the \
         limit {limit:.1e}: the projector of protected layer {layer} may become indefinite in f32; \
         take a larger alpha, smaller features or the square-root form"
    )]
    IllConditioned {
        /// Position in [`SharedHead::protected`](crate::head::SharedHead::protected).
        layer: usize,
        /// The modality whose turn it was.
        modality: usize,
        /// The step, from 0.
        step: u64,
        /// How much rounding would be amplified.
        kappa: f64,
        /// The limit set.
        limit: f64,
    },
    /// A matrix that must be positive definite is not.
    #[error("{what} is not positive definite")]
    NotPositive {
        /// The matrix.
        what: &'static str,
    },
    /// Two places of the model hold the same parameter, so that a step on one modality would move
    /// another. Cloning a module keeps the ids of its parameters.
    #[error(
        "`{first}` and `{second}` are the same parameter: initialize each encoder and the head on \
         its own instead of cloning one"
    )]
    SharedParameter {
        /// Path of the parameter.
        first: String,
        /// Another path of the same parameter.
        second: String,
    },
    /// The head names a protected parameter that it does not hold, or holds with another shape.
    #[error("protected layer {layer}: {problem}")]
    ProtectedLayer {
        /// Position in [`SharedHead::protected`](crate::head::SharedHead::protected).
        layer: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The head's protected weight got no gradient although it is trainable, so the projector
    /// would act on nothing.
    #[error(
        "protected layer {layer} of the shared head got no gradient from modality {modality} at \
         step {step}: the projector would act on nothing"
    )]
    MissingHeadGradient {
        /// Position in [`SharedHead::protected`](crate::head::SharedHead::protected).
        layer: usize,
        /// The modality whose turn it was.
        modality: usize,
        /// The step, from 0.
        step: u64,
    },
    /// Gradients that do not come from a step of this model.
    #[error(
        "the gradients carry no mean feature (Eq. 4): they must come from a step of this model, \
         whose feature carriers must not be frozen"
    )]
    NoMeanFeature,
    /// Gradients of several modalities were added up.
    #[error(
        "gradients of modalities {first} and {second} were accumulated together: an update must \
         come from one modality"
    )]
    MixedModalities {
        /// A modality.
        first: usize,
        /// Another one.
        second: usize,
    },
    /// A model file that could not be written or read, or does not fit.
    #[error("{path}: {message}")]
    ModelFile {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// An error of a data loader.
    #[error("data: {message}")]
    Data {
        /// Message of the loader.
        message: String,
    },
    /// Values could not be read back from the device.
    #[error("reading {what} from the device failed: {message}")]
    DeviceRead {
        /// What was read.
        what: &'static str,
        /// The backend's message.
        message: String,
    },
}

impl MlaError {
    #[cfg(feature = "train")]
    pub(crate) fn data(error: impl std::fmt::Display) -> Self {
        Self::Data {
            message: error.to_string(),
        }
    }

    pub(crate) fn read(what: &'static str) -> impl FnOnce(burn::tensor::TensorReadError) -> Self {
        move |error| Self::DeviceRead {
            what,
            message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_row_says_why_it_is_bad() {
        let twice = MlaError::BadRow {
            modality: 1,
            row: 3,
            sample: 2,
            n_samples: 4,
        };
        assert!(twice.to_string().ends_with("an earlier row names already"));
        let outside = MlaError::BadRow {
            modality: 1,
            row: 3,
            sample: 9,
            n_samples: 4,
        };
        assert!(outside.to_string().ends_with("is not in the batch"));
    }
}
