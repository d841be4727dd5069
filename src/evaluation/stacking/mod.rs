//! Learnt fusion: a small model on the outputs of a trained one, fitted to held-out data.

mod design;
mod fit;
mod samples;
mod stored;

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{DType, Tensor};
use burn::train::InferenceStep;
use serde::{Deserialize, Serialize};

use crate::error::{MlaError, Result, check_order, positive, same_size};
use crate::evaluation::Evaluation;
use crate::evaluation::evaluate::for_each_output;
use crate::method::{EvaluationOutput, MultimodalMethod};
use crate::numeric::columns_to_tensor;

use design::Residual;
use samples::Samples;

/// The parameters of a [`Stacking`] besides one weight per source.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum StackingWeights {
    /// None: a weighted sum of the sources, which is temperature scaling with a weight per modality.
    PerSource,
    /// A scale and a bias for each class and source: vector scaling (Guo et al., ICML 2017).
    PerClass,
    /// A linear layer on the log-probabilities, the entropies and the presence of all sources:
    /// stacking by multinomial logistic regression (Wolpert, 1992).
    Full,
}

/// Configuration of a [`Stacking`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `weights` | [`PerClass`](StackingWeights::PerClass) | parameters besides one weight per source | |
/// | `fused` | true | whether the fused prediction is a source too | |
/// | `strengths` | 0.001, 0.01, 0.1, 1 | candidates for the weight `c` of the samples against the penalty; 0 is always one | each (0, inf) |
/// | `folds` | 5 | folds of the cross-validation that selects the strength | >= 2 |
#[derive(Config, Debug, PartialEq)]
pub struct StackingConfig {
    /// Parameters besides one weight per source.
    #[config(default = "StackingWeights::PerClass")]
    pub weights: StackingWeights,
    /// True if the fused prediction of the method is a source too.
    #[config(default = true)]
    pub fused: bool,
    /// Candidates for the weight of the samples against the penalty.
    #[config(default = "vec![0.001, 0.01, 0.1, 1.0]")]
    pub strengths: Vec<f64>,
    /// Folds of the cross-validation that selects the strength.
    #[config(default = 5)]
    pub folds: usize,
}

/// A learnt fusion of the outputs of any [`MultimodalMethod`], an ensemble or a baseline included.
///
/// Sources `s` are the predictions of the modalities and, unless switched off, the fused prediction of the
/// method, as log-probabilities `x_s`. A modality that a sample lacks contributes nothing.
///
/// ```text
/// score_c = sum_s w_s x_sc + residual_c(x, presence)
/// ```
///
/// - The weights `w` start at the method's own prediction: 1 for the fused prediction and 0 for the
///   modalities, or `1 / M` for each modality without it. They are fitted first, with a weak penalty on
///   their change.
/// - The residual has the parameters `V` of [`StackingWeights`], with the objective
///   `1/2 |V|^2 + c sum_n CE_n`. Cross-validation within the given samples selects `c`; `c = 0` stands for
///   no residual. Of candidates with equal likelihood the smallest wins. Folds are stratified by class, in the
///   order of the samples.
///
/// A few samples therefore change little. Both problems are convex and solved to the optimum, in f64 on the
/// host. Fit on validation data, never on test data.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::dataset::InMemory;
/// use burn_mla::evaluation::{Stacking, StackingConfig};
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let inputs = (Tensor::<2>::ones([20, 8], &device), Tensor::<2>::ones([20, 9], &device));
/// let valid = InMemory::paired(inputs, (0..20).map(|i| i % 4))?.in_order(8, &device)?;
/// let audio = MlpEncoderConfig::new(8, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(9, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
///
/// let stacking = StackingConfig::new().fit(&model, &*valid)?;
/// println!("weights {:?}, strength {}", stacking.weights(), stacking.strength());
/// let evaluation = stacking.evaluate(&model, &*valid)?;
/// assert_eq!(evaluation.fused.n_samples(), 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "stored::Stored")]
pub struct Stacking {
    n_modalities: usize,
    n_classes: usize,
    fused: bool,
    /// One per source.
    weights: Vec<f64>,
    residual: Residual,
    strength: f64,
}

impl StackingConfig {
    /// Fits the fusion to the outputs of a model on the batches of a loader.
    ///
    /// Pass [`model.valid()`](burn::module::Module::valid) and validation data.
    ///
    /// # Errors
    ///
    /// - [`MlaError::HyperParameter`] for a value outside of the ranges above;
    /// - as [`evaluate`](crate::evaluation::evaluate);
    /// - [`MlaError::SeveralLabels`] for samples with several labels, [`MlaError::LabelOutOfRange`] for a
    ///   label that is not a class;
    /// - [`MlaError::NonFinitePrediction`] and [`MlaError::NonFiniteFusion`] for logits that are not
    ///   finite.
    pub fn fit<M: MultimodalMethod>(
        &self,
        model: &M,
        loader: &dyn DataLoader<<M as InferenceStep>::Input>,
    ) -> Result<Stacking> {
        self.check()?;
        let mut samples = Samples::new(model.n_modalities(), model.n_classes(), self.fused);
        for_each_output(model, loader, |output| samples.add(&output))?;
        Ok(fit::fit(self, &samples))
    }

    /// Fits the fusion to outputs of a model, which [`fit`](Self::fit) computes.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit), [`MlaError::NoSamples`] without outputs, and [`MlaError::Size`] for outputs
    /// that differ in the number of modalities or classes.
    pub fn fit_outputs(&self, outputs: &[EvaluationOutput]) -> Result<Stacking> {
        self.check()?;
        let first = outputs.first().ok_or(MlaError::NoSamples {
            what: "the outputs to stack",
        })?;
        let each = first.modalities.as_ref().ok_or_else(no_prediction)?;
        let mut samples = Samples::new(each.n_modalities(), each.n_classes(), self.fused);
        for output in outputs {
            samples.add(output)?;
        }
        Ok(fit::fit(self, &samples))
    }

    fn check(&self) -> Result<()> {
        for &strength in &self.strengths {
            positive("strength", strength)?;
        }
        check_order("folds", self.folds, "at least 2", 2)?;
        Ok(())
    }
}

impl Stacking {
    /// The weight of each source: the modalities in their order, then the fused prediction.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The weight `c` that cross-validation selected; 0 for no residual.
    pub fn strength(&self) -> f64 {
        self.strength
    }

    /// The logits of the learnt fusion for an output of the model, `[n_samples, n_classes]` in f32.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] for an output of another number of modalities or classes, [`MlaError::Empty`]
    /// for one of a step that failed, and those for non-finite logits as [`StackingConfig::fit`].
    pub fn predict(&self, output: &EvaluationOutput) -> Result<Tensor<2>> {
        let mut samples = Samples::new(self.n_modalities, self.n_classes, self.fused);
        samples.add_unlabelled(output)?;
        let scores = self.scores(&samples);
        Ok(columns_to_tensor(&scores, &output.logits.device()))
    }

    /// Evaluates a model as [`evaluate`](crate::evaluation::evaluate) does, with the learnt fusion in the
    /// place of the method's own.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](crate::evaluation::evaluate) and [`predict`](Self::predict), and [`MlaError::Size`] for a
    /// model of another number of modalities or classes.
    pub fn evaluate<M: MultimodalMethod>(
        &self,
        model: &M,
        loader: &dyn DataLoader<<M as InferenceStep>::Input>,
    ) -> Result<Evaluation> {
        let expected = [self.n_modalities, self.n_classes];
        check_sizes(expected, [model.n_modalities(), model.n_classes()])?;
        let mut evaluation = Evaluation::new(self.n_modalities, self.n_classes);
        for_each_output(model, loader, |output| {
            evaluation.add_output(&self.output(output)?)
        })?;
        evaluation.finish()
    }

    /// The output with the fused logits and their loss replaced.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    pub fn output(&self, output: EvaluationOutput) -> Result<EvaluationOutput> {
        let logits = self.predict(&output)?;
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        let loss = loss.forward(logits.clone().cast(DType::F32), output.targets.tensor());
        Ok(EvaluationOutput {
            logits,
            loss,
            weights: None,
            evaluated: None,
            ..output
        })
    }

    fn scores(&self, samples: &Samples) -> crate::numeric::Matrix {
        let mut scores = samples.weighted(&self.weights);
        self.residual.add_to(&mut scores, samples);
        scores
    }
}

fn check_sizes(expected: [usize; 2], found: [usize; 2]) -> Result<()> {
    same_size("modalities of an output to stack", expected[0], found[0])?;
    same_size("classes of an output to stack", expected[1], found[1])
}

fn no_prediction() -> MlaError {
    MlaError::Empty {
        what: "the prediction of an evaluation",
    }
}

#[cfg(test)]
mod tests;
