use burn::train::metric::{
    AccuracyMetric, AucPrMetric, AurocMetric, ClassReduction, FBetaScoreMetric, LossMetric, Metric,
};
use burn::train::{InferenceStep, LearnerModel, SupervisedTraining, TrainStep};

use crate::method::{EvaluationOutput, StepOutput};
use crate::metric::{
    CalibrationErrorMetric, FusionWeightMetric, ImbalanceMetric, ModalityMetric, ShapleyMetric,
};

/// Registers what one wants to see of every modality in Burn's training loop.
///
/// ```no_run
/// # use burn::train::SupervisedTraining;
/// # use burn_mla::prelude::*;
/// # type Model = Mla<(MlpEncoder, MlpEncoder), LinearHead, DefaultProjector, EntropyFusion>;
/// use burn_mla::metric::ModalityMetrics;
///
/// fn with_metrics(training: SupervisedTraining<Model>) -> SupervisedTraining<Model> {
///     training.modality_metrics(&["image", "text"])
/// }
/// ```
pub trait ModalityMetrics: Sized {
    /// Adds numeric metrics, `names` being those of the modalities in the order of the encoders:
    ///
    /// | Name | Of | In | Unit |
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
    /// Names tell metrics apart: they should differ from each other, and from `fused`. Macro F1,
    /// mAP (mean average precision) and AUROC are means over the classes, each against the others;
    /// Burn leaves classes out where they are not defined, and takes 50 % for an AUROC that is
    /// defined for no class.
    ///
    /// Burn's checkpoints are kept by the metric `Loss` unless told otherwise: register
    /// [`LossMetric`] besides, or give a `MetricCheckpointingStrategy` one of these.
    fn modality_metrics(self, names: &[&str]) -> Self;
}

impl<M> ModalityMetrics for SupervisedTraining<M>
where
    M: LearnerModel + TrainStep<Output = StepOutput> + InferenceStep<Output = EvaluationOutput>,
{
    fn modality_metrics(self, names: &[&str]) -> Self {
        let fused = Registration { of: None };
        let mut training = fused.valid(self);
        for (modality, name) in names.iter().enumerate() {
            let of = Registration {
                of: Some((modality, name)),
            };
            training = of.valid(training);
            training = training
                .metric_train_numeric(of.metric(LossMetric::new(), "Loss"))
                .metric_train_numeric(of.metric(AccuracyMetric::new(), "Accuracy"))
                .metric_valid_numeric(FusionWeightMetric::of_modality(modality, name));
            if names.len() <= ShapleyMetric::MAX_MODALITIES {
                let shapley = ShapleyMetric::of_modality(modality, name);
                training = training.metric_valid_numeric(shapley);
            }
        }
        training.metric_valid_numeric(ImbalanceMetric::new())
    }
}

/// Registers the metrics of a modality, or of the fused prediction.
struct Registration<'a> {
    of: Option<(usize, &'a str)>,
}

impl Registration<'_> {
    fn metric<M: Metric>(&self, metric: M, name: &str) -> ModalityMetric<M> {
        match self.of {
            Some((modality, of)) => {
                ModalityMetric::of_modality(metric, modality, of).with_name(format!("{name} {of}"))
            }
            None => ModalityMetric::fused(metric).with_name(format!("{name} fused")),
        }
    }

    fn valid<M>(&self, training: SupervisedTraining<M>) -> SupervisedTraining<M>
    where
        M: LearnerModel + InferenceStep<Output = EvaluationOutput>,
    {
        let classes = ClassReduction::Macro;
        let f1 = FBetaScoreMetric::multiclass(1.0, 1, classes);
        let calibration = match self.of {
            Some((modality, name)) => CalibrationErrorMetric::of_modality(modality, name),
            None => CalibrationErrorMetric::fused(),
        };
        training
            .metric_valid_numeric(self.metric(LossMetric::new(), "Loss"))
            .metric_valid_numeric(self.metric(AccuracyMetric::new(), "Accuracy"))
            .metric_valid_numeric(self.metric(f1, "Macro F1"))
            .metric_valid_numeric(self.metric(AucPrMetric::multiclass(classes), "mAP"))
            .metric_valid_numeric(self.metric(AurocMetric::multiclass(classes), "AUROC"))
            .metric_valid_numeric(calibration)
    }
}
