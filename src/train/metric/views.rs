use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn::train::ClassificationOutput;
use burn::train::metric::Adaptor;

use crate::modality::Targets;
use crate::model::Prediction;
use crate::train::{EvaluationOutput, TurnOutput};

/// Which predictions a metric looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// Those of one modality on its own, for the samples that have it.
    Modality(usize),
    /// The fused ones, for all samples.
    Fused,
}

/// A batch as metrics of its [`View`]s take it: a [`TurnOutput`] has that of the modality whose
/// turn it was, an [`EvaluationOutput`] those of all modalities and the fused one.
#[derive(Debug, Clone)]
pub struct ClassificationViews {
    /// Of a turn: the modality and its logits.
    turn: Option<(usize, Tensor<2>)>,
    /// Of an evaluation, unless it failed.
    prediction: Option<Prediction>,
    targets: Targets,
}

impl ClassificationViews {
    /// The predictions of a view, for Burn's metrics: probabilities `[n, n_classes]`, in f32, the
    /// cross-entropy of each sample `[n]`, without label smoothing, and the labels `[n]`, where `n`
    /// is how many samples have the view. `None` where no sample of the batch has it.
    pub fn view(&self, view: View) -> Option<ClassificationOutput> {
        let (logits, targets) = self.logits(view)?;
        let targets = targets.tensor().without_autodiff();
        let of_labels = targets.clone().unsqueeze_dim::<2>(1);
        let loss = log_softmax(logits.clone(), 1).gather(1, of_labels).neg();
        Some(ClassificationOutput {
            loss: loss.squeeze_dim(1),
            output: softmax(logits, 1),
            targets,
        })
    }

    /// The modalities of which the batch has a view, in order, each with its logits and labels.
    pub(super) fn modalities(&self) -> Vec<(usize, Tensor<2>, Targets)> {
        let modalities = match (&self.turn, &self.prediction) {
            (Some((modality, _)), _) => *modality..modality + 1,
            (None, Some(prediction)) => 0..prediction.modalities.n_modalities(),
            (None, None) => 0..0,
        };
        modalities
            .filter_map(|modality| {
                let (logits, targets) = self.logits(View::Modality(modality))?;
                Some((modality, logits, targets))
            })
            .collect()
    }

    /// The logits of a view in f32, and the labels of its samples.
    pub(super) fn logits(&self, view: View) -> Option<(Tensor<2>, Targets)> {
        let all = |logits: &Tensor<2>| (logits.clone(), self.targets.clone());
        let (logits, targets) = match (view, &self.turn, &self.prediction) {
            (View::Modality(wanted), Some((modality, logits)), _) if *modality == wanted => {
                all(logits)
            }
            (View::Modality(wanted), None, Some(prediction)) => {
                present(prediction, &self.targets, wanted)?
            }
            (View::Fused, None, Some(prediction)) => all(&prediction.fused),
            _ => return None,
        };
        let logits = logits.without_autodiff().cast(DType::F32);
        (!targets.is_empty()).then_some((logits, targets))
    }
}

/// The logits and labels of the samples that have a modality.
fn present(
    prediction: &Prediction,
    targets: &Targets,
    modality: usize,
) -> Option<(Tensor<2>, Targets)> {
    let of = &prediction.modalities;
    if modality >= of.n_modalities() {
        return None;
    }
    let (logits, presence) = (of.modality(modality), of.presence());
    if presence.is_complete() {
        return Some((logits, targets.clone()));
    }
    let rows = presence.rows(modality);
    if rows.is_empty() {
        return None;
    }
    let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let indices = TensorData::new(indices, [rows.len()]);
    let indices = Tensor::<1, Int>::from_data(indices, &logits.device());
    Some((logits.select(0, indices), targets.select(&rows)))
}

impl Adaptor<ClassificationViews> for TurnOutput {
    fn adapt(&self) -> ClassificationViews {
        ClassificationViews {
            turn: Some((self.modality, self.logits.clone())),
            prediction: None,
            targets: self.targets.clone(),
        }
    }
}

impl Adaptor<ClassificationViews> for EvaluationOutput {
    fn adapt(&self) -> ClassificationViews {
        ClassificationViews {
            turn: None,
            prediction: self.prediction.clone(),
            targets: self.targets.clone(),
        }
    }
}
