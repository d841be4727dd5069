//! Scores of fused predictions, and the fusions that are fitted to held-out data.

use std::error::Error;

use burn::data::dataloader::DataLoader;
use burn::tensor::activation::softmax;
use burn::train::InferenceStep;
use burn_mla::evaluation::{
    CalibrationError, Confusion, StackingConfig, StackingWeights, calibrate,
};
use burn_mla::method::{EvaluationOutput, MultimodalMethod};
use serde::{Deserialize, Serialize};

/// What is fitted to the held-out part of a trained model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scoring {
    /// Nothing.
    AsTrained,
    /// Temperatures, where the method has them.
    Calibrated,
    /// A weight of each modality and of the fused prediction.
    Weighted,
    /// Vector scaling in addition.
    PerClass,
    /// Multinomial logistic regression in addition.
    Stacked,
}

/// The weights and the fusion with which a trained model predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reading {
    /// Predict with the averages of the weights over the updates.
    pub averaged: bool,
    pub scoring: Scoring,
}

/// Scores of the fused prediction, in 0..1, and its mean negative log-likelihood in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub accuracy: f64,
    pub loss: f64,
    pub calibration_error: f64,
}

type Loader<M> = dyn DataLoader<<M as InferenceStep>::Input>;

const N_BINS: usize = 15;

impl Scoring {
    pub const ALL: [Self; 5] = [
        Self::AsTrained,
        Self::Calibrated,
        Self::Weighted,
        Self::PerClass,
        Self::Stacked,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::AsTrained => "as trained",
            Self::Calibrated => "calibrated",
            Self::Weighted => "weighted",
            Self::PerClass => "vector scaling",
            Self::Stacked => "stacked",
        }
    }

    fn stacking(self) -> Option<StackingConfig> {
        let weights = match self {
            Self::AsTrained | Self::Calibrated => return None,
            Self::Weighted => StackingWeights::PerSource,
            Self::PerClass => StackingWeights::PerClass,
            Self::Stacked => StackingWeights::Full,
        };
        Some(StackingConfig::new().with_weights(weights))
    }

    /// The scores on `on` of what is fitted to `held_out`.
    pub fn score<M: MultimodalMethod>(
        self,
        model: &M,
        held_out: &Loader<M>,
        on: &Loader<M>,
    ) -> Result<Score, Box<dyn Error>> {
        let model = match self {
            Self::Calibrated => calibrate(model.clone(), held_out)?.0,
            _ => model.clone(),
        };
        let stacking = self.stacking().map(|config| config.fit(&model, held_out));
        let stacking = stacking.transpose()?;
        let mut sum = Sum::new(model.n_classes())?;
        for batch in on.iter() {
            let output = model.try_inference_step(batch?)?;
            sum.add(match &stacking {
                Some(stacking) => stacking.output(output)?,
                None => output,
            })?;
        }
        sum.score()
    }
}

impl Reading {
    /// The simplest first.
    pub const ALL: [Self; 10] = {
        let mut all = [Self {
            averaged: false,
            scoring: Scoring::AsTrained,
        }; 10];
        let mut at = 0;
        while at < 10 {
            all[at].averaged = at >= 5;
            all[at].scoring = Scoring::ALL[at % 5];
            at += 1;
        }
        all
    };

    pub fn name(self) -> String {
        let weights = if self.averaged { ", averaged" } else { "" };
        format!("{}{weights}", self.scoring.name())
    }
}

/// Counts over batches.
struct Sum {
    confusion: Confusion,
    calibration: CalibrationError,
    loss: f64,
}

impl Sum {
    fn new(n_classes: usize) -> burn_mla::Result<Self> {
        Ok(Self {
            confusion: Confusion::new(n_classes),
            calibration: CalibrationError::new(N_BINS)?,
            loss: 0.0,
        })
    }

    fn add(&mut self, output: EvaluationOutput) -> burn_mla::Result<()> {
        let labels = output.targets.labels();
        let all: Vec<usize> = (0..labels.len()).collect();
        self.confusion
            .add_logits(output.logits.clone(), labels, &all)?;
        let n_classes = output.logits.dims()[1];
        let probabilities: Vec<f64> = softmax(output.logits, 1).into_data().iter().collect();
        for (row, &label) in probabilities.chunks(n_classes).zip(labels) {
            self.calibration.add_prediction(row, label as usize);
        }
        let loss: f64 = output.loss.into_data().iter::<f64>().sum();
        self.loss += loss * labels.len() as f64;
        Ok(())
    }

    fn score(self) -> Result<Score, Box<dyn Error>> {
        let n_samples = self.confusion.n_samples();
        if n_samples == 0 {
            return Err("no samples to score".into());
        }
        Ok(Score {
            accuracy: self.confusion.accuracy(),
            loss: self.loss / n_samples as f64,
            calibration_error: self.calibration.value(),
        })
    }
}

impl Score {
    /// The mean of two halves.
    pub fn mean(a: Self, b: Self) -> Self {
        let mean = |a: f64, b: f64| 0.5 * (a + b);
        Self {
            accuracy: mean(a.accuracy, b.accuracy),
            loss: mean(a.loss, b.loss),
            calibration_error: mean(a.calibration_error, b.calibration_error),
        }
    }
}
