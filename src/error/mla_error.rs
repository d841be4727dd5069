//! The error type of the crate.

use crate::error::NonFinite;

/// Errors of building, training and querying a model.
///
/// Steps count from 0, as in Eq. 1 of the paper.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MlaError {
    /// A hyper-parameter outside its range.
    #[error("{name} must be {requirement}, got {value}")]
    HyperParameter {
        /// Name of the hyper-parameter, spelled as in its configuration.
        name: &'static str,
        /// The valid range.
        requirement: &'static str,
        /// The value given.
        value: f64,
    },
    /// Two encoders with different feature widths, which cannot share a head.
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
        /// Its feature width.
        d_second: usize,
    },
    /// A head that expects a different feature width than the encoders produce.
    #[error("the encoders have d_feature = {d_encoder} but the shared head expects {d_head}")]
    HeadWidth {
        /// Feature width of the encoders.
        d_encoder: usize,
        /// Feature width of the head.
        d_head: usize,
    },
    /// A joint head that expects another feature width of a modality than its encoder produces.
    #[error(
        "the encoder of modality {modality} has d_feature = {got} but the joint head expects \
         {expected}"
    )]
    JointWidth {
        /// The modality.
        modality: usize,
        /// Feature width that the head expects.
        expected: usize,
        /// Feature width of the encoder.
        got: usize,
    },
    /// A model or a batch without any modality.
    #[error("{what} has no modality")]
    NoModalities {
        /// The empty object.
        what: &'static str,
    },
    /// A name that two modalities or two classes have.
    #[error("two {what} have the name `{name}`")]
    NameTwice {
        /// The named objects.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A number of modalities that differs from the expected one.
    #[error("{what} has {got} modalities, expected {expected}")]
    ModalityCount {
        /// The counted object.
        what: &'static str,
        /// The expected number.
        expected: usize,
        /// The actual number.
        got: usize,
    },
    /// A name of a modality that its metrics cannot have.
    #[error("the modality name `{name}` cannot be used: {problem}")]
    ModalityName {
        /// The name.
        name: String,
        /// The problem.
        problem: &'static str,
    },
    /// A modality index that does not exist.
    #[error("modality {modality} does not exist: there are {n_modalities}, counted from 0")]
    ModalityOutOfRange {
        /// The index.
        modality: usize,
        /// Number of modalities.
        n_modalities: usize,
    },
    /// A class label outside `0..n_classes`.
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
    /// A token id outside the vocabulary of its encoder.
    #[error(
        "token {token} of sample {sample} is out of range: the encoder has {n_tokens} tokens, \
         counted from 0"
    )]
    TokenOutOfRange {
        /// The token id.
        token: i64,
        /// Index of the sample in the batch.
        sample: usize,
        /// Number of tokens in the vocabulary.
        n_tokens: usize,
    },
    /// A sample without a label where one is needed.
    #[error("sample {sample} has no label: it can be predicted, but not trained on or evaluated")]
    NoLabel {
        /// Position of the sample.
        sample: usize,
    },
    /// Targets with several labels per sample where one is needed.
    #[error("{what} takes one label per sample, and the targets have sets of labels")]
    SeveralLabels {
        /// The function that takes one.
        what: &'static str,
    },
    /// A number of rows, samples or columns that differs from the expected one.
    #[error("{what}: expected {expected}, got {got}")]
    Size {
        /// The measured quantity.
        what: &'static str,
        /// The expected size.
        expected: usize,
        /// The actual size.
        got: usize,
    },
    /// A batch, split or set of logits without samples.
    #[error("{what} is empty")]
    Empty {
        /// The empty object.
        what: &'static str,
    },
    /// Data without a sample, on which nothing can be trained or measured.
    #[error("{what} has no samples: check the split, its filters and where it is read from")]
    NoSamples {
        /// The data.
        what: &'static str,
    },
    /// A model or a batch on an autodiff device, given to a function that measures a model.
    #[error(
        "{what} is on an autodiff device, where dropout is active: evaluate `model.valid()` on \
         batches of a loader on the device without autodiff"
    )]
    TrainingMode {
        /// The model, or the batch.
        what: &'static str,
    },
    /// A row of a modality for a sample that already has a row, or that is not in the batch.
    #[error(
        "row {row} of modality {modality} belongs to sample {sample}, which {}",
        if *.sample < *.n_samples { "already has a row" } else { "is not in the batch" }
    )]
    BadRow {
        /// The modality.
        modality: usize,
        /// Position in the modality's input.
        row: usize,
        /// The sample.
        sample: usize,
        /// Number of samples of the batch.
        n_samples: usize,
    },
    /// An input whose number of rows differs from the number of samples that have the modality.
    #[error("the input of modality {modality} has {got} rows, expected {expected}: one per sample")]
    InputRows {
        /// The modality.
        modality: usize,
        /// Number of samples that have it.
        expected: usize,
        /// Actual number of rows.
        got: usize,
    },
    /// An input whose shape its encoder does not accept.
    #[error("the input has the shape {found:?}, expected {expected}")]
    InputShape {
        /// The valid shapes, such as `[batch, 7]`.
        expected: String,
        /// The actual shape.
        found: Vec<usize>,
    },
    /// An input that the encoder of its modality refuses.
    #[error("modality {modality}: {problem}")]
    Input {
        /// The modality.
        modality: usize,
        /// The error of [`Encoder::check`](crate::encoder::Encoder::check).
        problem: Box<MlaError>,
    },
    /// Features of a different shape than an encoder promises.
    #[error(
        "the encoder of modality {modality} returned features of the shape {found:?}, expected \
         {expected:?}: one row per sample, and its d_feature"
    )]
    EncoderOutput {
        /// The modality.
        modality: usize,
        /// Number of samples that have the modality, and the feature width of the encoder.
        expected: [usize; 2],
        /// The actual shape.
        found: [usize; 2],
    },
    /// Logits or weights of a different shape than a head or a fusion promises.
    #[error("{what} have the shape {found:?}, expected {expected:?}")]
    OutputShape {
        /// The output.
        what: &'static str,
        /// The expected shape.
        expected: [usize; 2],
        /// The actual shape.
        found: [usize; 2],
    },
    /// A row index out of range.
    #[error("row {row} does not exist: there are {n_rows}, counted from 0")]
    RowOutOfRange {
        /// The row.
        row: usize,
        /// Number of rows.
        n_rows: usize,
    },
    /// A sample without any modality.
    #[error("sample {sample} has no modality present")]
    NothingPresent {
        /// Position of the sample in its batch.
        sample: usize,
    },
    /// A sample that a data set holds several times, with different modality masks.
    #[error("sample {sample} is there several times, and its modality masks differ")]
    RepeatedSample {
        /// Position of the second occurrence.
        sample: usize,
    },
    /// A modality that no batch of a whole pass over the data contains.
    #[error(
        "modality {modality} is absent in the whole data set: train on data that has it, or build \
         the model without it"
    )]
    AbsentModality {
        /// The modality.
        modality: usize,
    },
    /// A schedule that leaves out a modality that an epoch waits for.
    #[error(
        "the schedule has no turn of modality {modality} in the {n_steps} steps from step {step}, and \
         the epoch would never end: schedule each modality, or end the epoch by EpochLength::Turns"
    )]
    NeverScheduled {
        /// The modality.
        modality: usize,
        /// The step, from 0.
        step: u64,
        /// Number of steps without the modality.
        n_steps: u64,
    },
    /// An epoch of a loader that ranks the modalities, without the losses of the turns before it.
    #[error(
        "the loader ranks the modalities by their losses, and those of the turns so far are unknown: call \
         LoaderHandle::rank after each epoch, or train by fit or ResumableTraining, which do"
    )]
    NotRanked,
    /// A modality that is absent in the whole batch and whose zeros therefore have no known shape.
    #[error(
        "modality {modality} is absent in the whole batch, which leaves the shape of its zeros \
         unknown: use ZeroImputation::like with a batch that has it"
    )]
    UnknownShape {
        /// The modality.
        modality: usize,
    },
    /// A batch that has hidden inputs already.
    #[error(
        "the batch has hidden inputs already: apply one mask by with_hidden, and others by \
         with_presence before it"
    )]
    HiddenTwice,
    /// A batch without hidden inputs for a method that imputes them.
    #[error(
        "the batch lacks modalities and has no hidden inputs, which ImputeTarget::Oracle takes as its \
         targets: mask the training data by with_hidden, or use ImputeTarget::ObservedOnly"
    )]
    NothingHidden,
    /// Too many modalities for a computation over all their subsets.
    #[error(
        "{n_modalities} modalities have too many subsets: at most {limit} modalities are supported"
    )]
    TooManyModalities {
        /// Number of rows.
        n_modalities: usize,
        /// The largest supported number.
        limit: usize,
    },
    /// A manifest of modality masks that cannot be saved, read or used.
    #[cfg(feature = "train")]
    #[error("{message}")]
    Manifest {
        /// The message of the [`ManifestError`](crate::modality::ManifestError).
        message: String,
    },
    /// A batch without the positions of its samples in the data set, given to a method that keeps
    /// state per sample.
    #[error(
        "the batch has no sample positions: the method keeps state per sample and needs \
         MultimodalBatch::with_samples"
    )]
    UnknownSamples,
    /// A sum of gradients without the observations of a head with a memory.
    #[error(
        "gradients were summed over several batches or devices, which drops the observations of the \
         head: set JointConfig::accumulation"
    )]
    ObservationsLost,
    /// A NaN or infinite loss of a step on all modalities at once. The model is unchanged.
    #[error("non-finite loss at step {step}")]
    NonFiniteLoss {
        /// The step, from 0.
        step: u64,
    },
    /// Gradients that do not come from this model's training step.
    #[error("the gradients are not those of a training step of this model")]
    NoStepGradients,
    /// A gradient, or an update of a running statistic, that is not finite although the loss is, such as
    /// that of an encoder that normalises a silent clip. The model is unchanged.
    #[error(
        "the update of {parameter}{} is not finite at step {step}",
        modality.map_or(String::new(), |modality| format!(" for modality {modality}"))
    )]
    NonFiniteGradient {
        /// Path of the parameter or the statistic in the model.
        parameter: String,
        /// The modality whose turn it was; `None` if it is not known, as for all modalities at once.
        modality: Option<usize>,
        /// The step, from 0.
        step: u64,
    },
    /// A NaN or infinite value in a step on one modality. The model is unchanged.
    #[error("non-finite {what} of modality {modality} at step {step}")]
    NonFinite {
        /// The non-finite quantity.
        what: NonFinite,
        /// The modality whose turn it was.
        modality: usize,
        /// The step, from 0.
        step: u64,
    },
    /// An error of one sample.
    #[error(
        "{problem} (sample {sample} of the batch{})",
        position.map_or(String::new(), |position| format!(", {position} of the data set"))
    )]
    Sample {
        /// Position of the sample in its batch.
        sample: usize,
        /// Position in the data set, if the batch [has it](crate::modality::MultimodalBatch::samples).
        position: Option<usize>,
        /// The error.
        problem: Box<MlaError>,
    },
    /// Non-finite logits of one modality in a prediction.
    #[error("non-finite logits of modality {modality} in the prediction of sample {sample}")]
    NonFinitePrediction {
        /// The modality.
        modality: usize,
        /// Position of the sample in its batch.
        sample: usize,
    },
    /// Finite logits of all modalities from which a fusion computes non-finite weights or logits.
    #[error("the fusion returned non-finite weights or logits for sample {sample}")]
    NonFiniteFusion {
        /// Position of the sample in its batch.
        sample: usize,
    },
    /// A prediction from a subset of the modalities that is not finite.
    #[error("the prediction from the modalities {modalities:?} is not finite")]
    NonFiniteSubset {
        /// The modalities of the subset.
        modalities: Vec<usize>,
    },
    /// Non-finite logits in a fused prediction, or in the input of a function of a whole split.
    #[error("non-finite logit of sample {sample}")]
    NonFiniteLogits {
        /// Position of the sample.
        sample: usize,
    },
    /// A NaN or infinite feature in the input of an analysis.
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
    /// A matrix that must be positive definite and is not.
    #[error("{what} is not positive definite")]
    NotPositive {
        /// The matrix.
        what: &'static str,
    },
    /// Fewer samples than a computation needs.
    #[error("{what} has {got} samples, and at least {needed} are needed")]
    TooFewSamples {
        /// The samples.
        what: &'static str,
        /// The smallest number.
        needed: usize,
        /// The actual number.
        got: usize,
    },
    /// Two modalities that too few training samples have both.
    #[error(
        "modalities {first} and {second} have {got} training samples in common, and at least {needed} \
         are needed"
    )]
    TooFewPairs {
        /// A modality.
        first: usize,
        /// Another one.
        second: usize,
        /// The smallest number of samples.
        needed: usize,
        /// The actual number.
        got: usize,
    },
    /// A modality whose features are too narrow for the components of a correlation analysis.
    #[error(
        "modality {modality} has features of width {width}, and {n_components} components are requested"
    )]
    Components {
        /// The modality.
        modality: usize,
        /// The width of its features.
        width: usize,
        /// Number of components.
        n_components: usize,
    },
    /// A head that a balanced method cannot wrap.
    #[error("{method} cannot wrap {head}, which {problem}")]
    WrappedHead {
        /// The method.
        method: &'static str,
        /// The [description](crate::baseline::JointHead::describe) of the head.
        head: String,
        /// What the method cannot support.
        problem: &'static str,
    },
    /// A head that is fitted to a whole training set, in a model that trains on batches.
    #[error("{head} is fitted to the whole training set: train it as a WholeSet")]
    NeedsWholeSet {
        /// The head.
        head: &'static str,
    },
    /// A sum of gradients that contains those of a fit to the whole training set.
    #[error(
        "a fit to the whole training set was summed with other gradients: train without gradient \
         accumulation, on one device"
    )]
    FitAccumulated,
    /// A method whose weights cannot be averaged.
    #[error(
        "the weights of the method cannot be averaged: it fits values to the outputs of its current weights, \
         which do not match averages"
    )]
    NotAverageable,
    /// A training of a method whose steps cannot be divided over several devices.
    #[error(
        "the steps of the method cannot be divided over several devices: its gradients are not the sums of \
         those of parts of a batch"
    )]
    NotDivisible,
    /// A training set that is not the one that a model was fitted to, by the label of a sample.
    #[error(
        "sample {sample} of the data set has the label {label}, but {known} in the training set of the \
         model"
    )]
    OtherTrainingSet {
        /// Position in the data set.
        sample: usize,
        /// The label.
        label: usize,
        /// Its label in the training set of the model.
        known: usize,
    },
    /// One parameter at two places of the model, where a step on one modality would move another.
    /// Cloning a module keeps the ids of its parameters.
    #[error(
        "`{first}` and `{second}` are the same parameter: initialize each encoder and the head \
         separately instead of cloning one"
    )]
    SharedParameter {
        /// Path of the parameter.
        first: String,
        /// Another path of the same parameter.
        second: String,
    },
    /// A protected parameter that the head does not hold, or holds with a different shape.
    #[error("protected layer {layer}: {problem}")]
    ProtectedLayer {
        /// Position in [`SharedHead::protected`](crate::head::SharedHead::protected).
        layer: usize,
        /// The problem.
        problem: &'static str,
    },
    /// A trainable protected weight without a gradient, which leaves the projector nothing to act
    /// on.
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
    /// Gradients without the mean feature of Eq. 4.
    #[error(
        "the gradients carry no mean feature (Eq. 4): they must come from a step of this model, \
         whose feature carriers must not be frozen"
    )]
    NoMeanFeature,
    /// Accumulated gradients of several modalities.
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
    /// Accumulated gradients of fused and of unimodal turns.
    #[error(
        "gradients of a fused turn and of a turn of one modality were accumulated together: an update \
         must come from one kind"
    )]
    MixedTurns,
    /// A pass over the data that was too short for a fused turn.
    #[error(
        "the pass ended after {turns} unimodal turns, before the first fused turn, which comes after {needed}: \
         choose a smaller every or block, or smaller batches"
    )]
    NoFusedTurn {
        /// Number of unimodal turns of the pass.
        turns: usize,
        /// Number of unimodal turns before the first fused turn.
        needed: usize,
    },
    /// Encoders given with a new one that are not those of the model.
    #[error(
        "the encoders before the new one are not those of the model: keep them in their order and add the \
         new one at the end"
    )]
    OtherEncoders,
    /// A model file that could not be written or read, or does not match the model.
    #[error("{path}: {message}")]
    ModelFile {
        /// The file.
        path: String,
        /// The problem.
        message: String,
    },
    /// A loader whose order cannot be repeated, which means that no training can resume with it.
    #[error(
        "{what} cannot be repeated, and a training with it cannot resume: use a `SeededLoader`, or \
         wrap a loader whose passes are all alike in `InOrder`"
    )]
    NotRepeatable {
        /// The order.
        what: &'static str,
    },
    /// A loader that differs from the one whose position was saved.
    #[error("the position is that of a loader with {at} = {saved}, but now {at} = {given}")]
    OtherLoader {
        /// Path of the first value that differs.
        at: String,
        /// Its value in the saved position.
        saved: String,
        /// Its value in this loader.
        given: String,
    },
    /// A data loader failed.
    #[error("data: {message}")]
    Data {
        /// The loader's message.
        message: String,
    },
    /// Devices that no longer answer, such as remote ones whose worker ended. Where one worker dies while
    /// another reads from it, both are lost.
    #[error("lost {}: {reason}", .devices.join(" and "))]
    LostDevices {
        /// The devices, with the address of remote ones.
        devices: Vec<String>,
        /// The backend's message for the first of them.
        reason: String,
    },
    /// A failed read from the device.
    #[error("reading {what} from the device failed: {message}")]
    DeviceRead {
        /// The values read.
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
        assert!(twice.to_string().ends_with("already has a row"));
        let outside = MlaError::BadRow {
            modality: 1,
            row: 3,
            sample: 9,
            n_samples: 4,
        };
        assert!(outside.to_string().ends_with("is not in the batch"));
    }
}
