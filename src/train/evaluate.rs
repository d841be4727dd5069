use burn::data::dataloader::DataLoader;
use burn::data::dataset::DatasetError;
use burn::tensor::Tensor;

use crate::analysis::Confusion;
use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::modality::{MultimodalBatch, Targets};
use crate::model::{Mla, Prediction};
use crate::projector::OrthogonalProjector;
use crate::train::EvaluationOutput;

/// How well a model does on a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Each modality on its own, over the samples that have it.
    pub modalities: Vec<Confusion>,
    /// The fused prediction, over all samples.
    pub fused: Confusion,
    /// Mean negative log-likelihood of the fused prediction, in nats.
    pub loss: f64,
}

/// Evaluates a model on all batches of a loader: each modality, and their fusion.
///
/// Give it [`model.valid()`](burn::module::Module::valid).
///
/// # Errors
///
/// What the loader reports, and the errors of [`Mla::try_evaluate`], wrapped.
pub fn evaluate<E, H, P, F>(
    model: &Mla<E, H, P, F>,
    loader: &dyn DataLoader<MultimodalBatch<E::Inputs>>,
) -> Result<Evaluation, DatasetError>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    let mut evaluation = Evaluation::new(model.n_modalities(), model.n_classes());
    for batch in loader.iter() {
        let output = model.try_evaluate(batch?).map_err(DatasetError::new)?;
        evaluation.add_output(&output).map_err(DatasetError::new)?;
    }
    Ok(evaluation.finish())
}

impl Evaluation {
    pub(crate) fn new(n_modalities: usize, n_classes: usize) -> Self {
        Self {
            modalities: vec![Confusion::new(n_classes); n_modalities],
            fused: Confusion::new(n_classes),
            loss: 0.0,
        }
    }

    /// Adds a batch; [`finish`](Self::finish) follows the last one.
    pub(crate) fn add_output(&mut self, output: &EvaluationOutput) -> Result<()> {
        let loss: f32 = output
            .loss
            .clone()
            .try_into_scalar()
            .map_err(MlaError::read("the loss"))?;
        let prediction = output.prediction.as_ref().ok_or(MlaError::Empty {
            what: "the prediction",
        })?;
        self.add(prediction, &output.targets, loss)
    }

    /// Turns the sum of losses into their mean.
    pub(crate) fn finish(mut self) -> Self {
        self.loss /= self.fused.n_samples().max(1) as f64;
        self
    }

    fn add(&mut self, prediction: &Prediction, targets: &Targets, loss: f32) -> Result<()> {
        self.loss += f64::from(loss) * targets.len() as f64;
        let labels = targets.labels();
        let all: Vec<usize> = (0..labels.len()).collect();
        self.fused
            .add_logits(prediction.fused.clone(), labels, &all)?;
        for (modality, confusion) in self.modalities.iter_mut().enumerate() {
            let logits: Tensor<2> = prediction.modalities.modality(modality);
            let rows = prediction.modalities.presence().rows(modality);
            confusion.add_logits(logits, labels, &rows)?;
        }
        Ok(())
    }
}
