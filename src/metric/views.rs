use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Int, Tensor, TensorData};
use burn::train::ClassificationOutput;
use burn::train::metric::Adaptor;

use crate::fusion::ModalityLogits;
use crate::method::{EvaluationOutput, StepOutput};
use crate::modality::Targets;

/// Which predictions a metric looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// Those of one modality on its own, for the samples that have it.
    Modality(usize),
    /// The fused ones, for all samples.
    Fused,
}

/// A batch as metrics of its [`View`]s take it: a [`StepOutput`] has that of the modality whose
/// turn it was, or the fused one where all are trained at once, an [`EvaluationOutput`] those of all
/// modalities and the fused one.
#[derive(Debug, Clone)]
pub struct ClassificationViews {
    /// The logits of a turn, or the fused ones; `None` when the step failed.
    one: Option<(View, Tensor<2>)>,
    /// Of an evaluation, unless it failed.
    each: Option<ModalityLogits>,
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
        let modalities = match (&self.one, &self.each) {
            (_, Some(each)) => 0..each.n_modalities(),
            (Some((View::Modality(modality), _)), None) => *modality..modality + 1,
            _ => 0..0,
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
        let (logits, targets) = match (view, &self.one, &self.each) {
            (_, Some((seen, logits)), _) if *seen == view => (logits.clone(), self.targets.clone()),
            (View::Modality(wanted), _, Some(each)) => present(each, &self.targets, wanted)?,
            _ => return None,
        };
        let logits = logits.without_autodiff().cast(DType::F32);
        (!targets.is_empty()).then_some((logits, targets))
    }
}

/// The logits and labels of the samples that have a modality.
fn present(
    of: &ModalityLogits,
    targets: &Targets,
    modality: usize,
) -> Option<(Tensor<2>, Targets)> {
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

impl Adaptor<ClassificationViews> for StepOutput {
    fn adapt(&self) -> ClassificationViews {
        let view = self.modality.map_or(View::Fused, View::Modality);
        ClassificationViews {
            one: Some((view, self.logits.clone())),
            each: None,
            targets: self.targets.clone(),
        }
    }
}

impl Adaptor<ClassificationViews> for EvaluationOutput {
    fn adapt(&self) -> ClassificationViews {
        let fused = || (View::Fused, self.logits.clone());
        ClassificationViews {
            one: self.modalities.is_some().then(fused),
            each: self.modalities.clone(),
            targets: self.targets.clone(),
        }
    }
}
