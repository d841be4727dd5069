//! Scores of a model on all batches of a loader.

use burn::data::dataloader::DataLoader;
use burn::train::InferenceStep;

use crate::error::{MlaError, Result};
use crate::evaluation::Confusion;
use crate::method::{EvaluationOutput, MultimodalMethod};
use crate::module::is_on_tape;

/// Scores of a model on a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Counts for each modality alone, over the samples that have it.
    pub modalities: Vec<Confusion>,
    /// Counts for the fused prediction, over all samples.
    pub fused: Confusion,
    /// Mean negative log-likelihood of the fused prediction, in nats.
    pub loss: f64,
}

/// Evaluates a model on all batches of a loader: each modality alone, and the fused prediction.
///
/// Pass [`model.valid()`](burn::module::Module::valid).
///
/// # Errors
///
/// - [`MlaError::TrainingMode`] for a model or a batch on an autodiff device;
/// - [`MlaError::NoSamples`] for a loader without samples;
/// - [`MlaError::Data`] for an error of the loader;
/// - those of the model's [`try_inference_step`](MultimodalMethod::try_inference_step).
pub fn evaluate<M: MultimodalMethod>(
    model: &M,
    loader: &dyn DataLoader<<M as InferenceStep>::Input>,
) -> Result<Evaluation> {
    let (n_modalities, n_classes) = (model.n_modalities(), model.n_classes());
    let mut evaluation = Evaluation::new(n_modalities, n_classes);
    for_each_output(model, loader, |output| evaluation.add_output(&output))?;
    evaluation.finish()
}

/// Evaluates each batch of a loader and passes the output to `add`.
///
/// # Errors
///
/// As [`evaluate`].
pub(super) fn for_each_output<M: MultimodalMethod>(
    model: &M,
    loader: &dyn DataLoader<<M as InferenceStep>::Input>,
    mut add: impl FnMut(EvaluationOutput) -> Result<()>,
) -> Result<()> {
    if is_on_tape(model) {
        return Err(MlaError::TrainingMode { what: "the model" });
    }
    let mut n_samples = 0;
    for batch in loader.iter() {
        let batch = batch.map_err(MlaError::data)?;
        if batch.targets.tensor().device().is_autodiff() {
            return Err(MlaError::TrainingMode { what: "the batch" });
        }
        n_samples += batch.targets.len();
        add(model.try_inference_step(batch)?)?;
    }
    if n_samples == 0 {
        return Err(NO_SAMPLES);
    }
    Ok(())
}

const NO_SAMPLES: MlaError = MlaError::NoSamples {
    what: "the data to evaluate on",
};

impl Evaluation {
    pub(crate) fn new(n_modalities: usize, n_classes: usize) -> Self {
        Self {
            modalities: vec![Confusion::new(n_classes); n_modalities],
            fused: Confusion::new(n_classes),
            loss: 0.0,
        }
    }

    /// Adds a batch. Call [`finish`](Self::finish) after the last one.
    pub(crate) fn add_output(&mut self, output: &EvaluationOutput) -> Result<()> {
        let loss: f32 = output
            .loss
            .clone()
            .try_into_scalar()
            .map_err(MlaError::read("the loss"))?;
        let each = output.modalities.as_ref().ok_or(MlaError::Empty {
            what: "the prediction of an evaluation",
        })?;
        let labels = output.targets.labels();
        self.loss += f64::from(loss) * labels.len() as f64;
        let all: Vec<usize> = (0..labels.len()).collect();
        self.fused.add_logits(output.logits.clone(), labels, &all)?;
        for (modality, confusion) in self.modalities.iter_mut().enumerate() {
            let rows = each.presence().rows(modality);
            confusion.add_logits(each.modality(modality), labels, &rows)?;
        }
        Ok(())
    }

    /// Turns the sum of losses into their mean.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoSamples`].
    pub(crate) fn finish(mut self) -> Result<Self> {
        match self.fused.n_samples() {
            0 => Err(NO_SAMPLES),
            n_samples => {
                self.loss /= n_samples as f64;
                Ok(self)
            }
        }
    }
}
