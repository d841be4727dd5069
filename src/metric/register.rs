//! The registration of all usual metrics of a multimodal model at once.

use burn::train::metric::{
    AccuracyMetric, AucPrMetric, AurocMetric, ClassReduction, FBetaScoreMetric, LossMetric, Metric,
};
use burn::train::{InferenceStep, LearnerModel, SupervisedTraining, TrainStep};

use crate::error::Result;
use crate::method::{Branch, EvaluationOutput, StepOutput};
use crate::metric::name::check_names;
use crate::metric::{
    CalibrationErrorMetric, FusionWeightMetric, ImbalanceMetric, ModalityMetric, ShapleyMetric,
};

/// Registration of the usual metrics of every modality in Burn's training loop.
///
/// ```no_run
/// # use burn::train::SupervisedTraining;
/// # use burn_mla::prelude::*;
/// # type Model = Mla<(MlpEncoder, MlpEncoder), LinearHead, DefaultProjector, EntropyFusion>;
/// use burn_mla::metric::ModalityMetrics;
///
/// fn with_metrics(
///     training: SupervisedTraining<Model>,
///     model: &Model,
/// ) -> Result<SupervisedTraining<Model>> {
///     training.modality_metrics(model.n_modalities(), &["image", "text"])
/// }
/// ```
pub trait ModalityMetrics: Sized {
    /// Adds numeric metrics for the `n_modalities` modalities of the model, called `names`, in the
    /// order of the encoders:
    ///
    /// | Name | Prediction | Phase | Unit |
    /// |---|---|---|---|
    /// | `Loss image` | each modality; fused | validation; modalities in training too | nats |
    /// | `Accuracy image` | each modality; fused | validation; modalities in training too | % |
    /// | `Macro F1 image` | each modality; fused | validation | % |
    /// | `mAP image` | each modality; fused | validation | % |
    /// | `AUROC image` | each modality; fused | validation | % |
    /// | `ECE image` | each modality; fused | validation | % |
    /// | `Imbalance` | all modalities | validation | percentage points |
    /// | `Fusion weight image` | each modality | validation | |
    /// | `Shapley image` | each modality, if at most [`ShapleyMetric::MAX_MODALITIES`] | validation | percentage points |
    ///
    /// Metrics are distinguished by name. Characters that file names cannot have, such as `/`, become
    /// `-` in it, because Burn makes a file name of it. Macro F1, mAP (mean average precision) and AUROC are means over the classes, each
    /// class against the others. Burn leaves out classes for which they are not defined, and reports
    /// 50 % for an AUROC that is not defined for any class.
    ///
    /// By default, Burn selects checkpoints by the metric `Loss`. Register [`LossMetric`] too, or pass
    /// one of these metrics to a `MetricCheckpointingStrategy`.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`](crate::MlaError::Size) for another number of names than modalities,
    /// [`MlaError::ModalityName`](crate::MlaError::ModalityName) for a name that is empty, longer than
    /// 100 bytes, or whose metrics would have the names of those of another modality or of the fused
    /// prediction.
    fn modality_metrics(self, n_modalities: usize, names: &[&str]) -> Result<Self>;
}

impl<M> ModalityMetrics for SupervisedTraining<M>
where
    M: LearnerModel + TrainStep<Output = StepOutput> + InferenceStep<Output = EvaluationOutput>,
{
    fn modality_metrics(self, n_modalities: usize, names: &[&str]) -> Result<Self> {
        check_names(names, n_modalities)?;
        let fused = Registration {
            branch: Branch::Fused,
            name: "fused",
        };
        let mut training = fused.valid(self);
        for (modality, name) in names.iter().enumerate() {
            let registration = Registration {
                branch: Branch::Modality(modality),
                name,
            };
            training = registration.valid(training);
            training = training
                .metric_train_numeric(registration.metric(LossMetric::new(), "Loss"))
                .metric_train_numeric(registration.metric(AccuracyMetric::new(), "Accuracy"))
                .metric_valid_numeric(FusionWeightMetric::of_modality(modality, name));
            if names.len() <= ShapleyMetric::MAX_MODALITIES {
                let shapley = ShapleyMetric::of_modality(modality, name);
                training = training.metric_valid_numeric(shapley);
            }
        }
        Ok(training.metric_valid_numeric(ImbalanceMetric::new()))
    }
}

/// Registers the metrics of a branch, with its name at the end of theirs.
struct Registration<'a> {
    branch: Branch,
    name: &'a str,
}

impl Registration<'_> {
    fn metric<M: Metric>(&self, metric: M, name: &str) -> ModalityMetric<M> {
        ModalityMetric::new(metric, self.branch, self.name)
            .with_name(format!("{name} {}", self.name))
    }

    fn valid<M>(&self, training: SupervisedTraining<M>) -> SupervisedTraining<M>
    where
        M: LearnerModel + InferenceStep<Output = EvaluationOutput>,
    {
        let classes = ClassReduction::Macro;
        let f1 = FBetaScoreMetric::multiclass(1.0, 1, classes);
        let calibration = CalibrationErrorMetric::new(self.branch, self.name);
        training
            .metric_valid_numeric(self.metric(LossMetric::new(), "Loss"))
            .metric_valid_numeric(self.metric(AccuracyMetric::new(), "Accuracy"))
            .metric_valid_numeric(self.metric(f1, "Macro F1"))
            .metric_valid_numeric(self.metric(AucPrMetric::multiclass(classes), "mAP"))
            .metric_valid_numeric(self.metric(AurocMetric::multiclass(classes), "AUROC"))
            .metric_valid_numeric(calibration)
    }
}
