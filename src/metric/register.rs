//! The registration of all usual metrics of a multimodal model at once.

use burn::train::metric::{AccuracyMetric, AurocMetric, ClassReduction, LossMetric, Metric};
use burn::train::{InferenceStep, LearnerModel, SupervisedTraining, TrainStep};

use crate::error::Result;
use crate::method::{Branch, EvaluationOutput, StepOutput};
use crate::metric::name::check_names;
use crate::metric::{
    AveragePrecisionMetric, CalibrationErrorMetric, FusionWeightMetric, ImbalanceMetric,
    MacroF1Metric, ModalityMetric, ShapleyMetric,
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
    /// Those of a modality score its logits before calibration, those of the fusion the prediction,
    /// which is of calibrated logits where the model calibrates.
    /// [`calibration_metrics`](Self::calibration_metrics) adds the others.
    ///
    /// Metrics are distinguished by name. Characters that file names cannot have, such as `/`, become
    /// `-` in it, because Burn makes a file name of it. Macro F1, mAP (mean average precision) and AUROC
    /// are means over the classes, each class against the others, without the classes for which they are
    /// not defined. Burn reports
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

    /// Adds validation metrics of the predictions that [`modality_metrics`](Self::modality_metrics)
    /// leaves out, for the `n_modalities` modalities called `names`: of each modality after calibration, and of the
    /// fusion without it. They are NaN for a model that cannot calibrate.
    ///
    /// | Name | Prediction | Unit |
    /// |---|---|---|
    /// | `Loss image calibrated` | each modality, after calibration | nats |
    /// | `ECE image calibrated` | each modality, after calibration | % |
    /// | `Loss fused uncalibrated` | fused, without calibration | nats |
    /// | `ECE fused uncalibrated` | fused, without calibration | % |
    ///
    /// # Errors
    ///
    /// As [`modality_metrics`](Self::modality_metrics).
    fn calibration_metrics(self, n_modalities: usize, names: &[&str]) -> Result<Self>;
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

    fn calibration_metrics(self, n_modalities: usize, names: &[&str]) -> Result<Self> {
        check_names(names, n_modalities)?;
        let modalities = names.iter().enumerate();
        let calibrated = modalities.map(|(modality, name)| Registration {
            branch: Branch::Calibrated(modality),
            name,
        });
        let fused = Registration {
            branch: Branch::Uncalibrated,
            name: "fused",
        };
        let all = calibrated.chain([fused]);
        Ok(all.fold(self, |training, added| {
            let error = CalibrationErrorMetric::of_branch(added.branch, added.name);
            training
                .metric_valid_numeric(added.metric(LossMetric::new(), "Loss"))
                .metric_valid_numeric(error)
        }))
    }
}

/// Registers the metrics of a branch, with its name at the end of theirs.
struct Registration<'a> {
    branch: Branch,
    name: &'a str,
}

impl Registration<'_> {
    fn metric<M: Metric>(&self, metric: M, name: &str) -> ModalityMetric<M> {
        ModalityMetric::of_branch(metric, self.branch, self.name)
            .with_name(self.branch.metric_name(name, self.name))
    }

    fn valid<M>(&self, training: SupervisedTraining<M>) -> SupervisedTraining<M>
    where
        M: LearnerModel + InferenceStep<Output = EvaluationOutput>,
    {
        let classes = ClassReduction::Macro;
        let calibration = CalibrationErrorMetric::of_branch(self.branch, self.name);
        training
            .metric_valid_numeric(self.metric(LossMetric::new(), "Loss"))
            .metric_valid_numeric(self.metric(AccuracyMetric::new(), "Accuracy"))
            .metric_valid_numeric(MacroF1Metric::of_branch(self.branch, self.name))
            .metric_valid_numeric(AveragePrecisionMetric::of_branch(self.branch, self.name))
            .metric_valid_numeric(self.metric(AurocMetric::multiclass(classes), "AUROC"))
            .metric_valid_numeric(calibration)
    }
}
