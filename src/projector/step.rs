//! What a projection does at a step: take the feature in (Eq. 4, 5) and project (Eq. 3).

use burn::module::Param;
use burn::tensor::{DType, Tensor};

use crate::projector::state::LayerProjection;
use crate::projector::{OrthogonalProjector, Projection};

impl<P: OrthogonalProjector> Projection<P> {
    pub(crate) fn layers(&self) -> &[LayerProjection<P::State>] {
        &self.layers
    }

    /// Takes in the features of a step, one a layer, and tells whether this step is projected.
    pub(crate) fn advance(&mut self, modality: usize, sums: Vec<Tensor<1>>) -> bool {
        let started = self.n_steps.get() > 0;
        let last_modality = self.last_modality.get() as usize;
        let layers = std::mem::take(&mut self.layers);
        self.layers = layers
            .into_iter()
            .zip(sums)
            .map(|(mut layer, sum)| {
                let feature = layer.mean_feature(modality, sum);
                let (seen, whose) = match &mut layer.previous {
                    None => (feature, modality),
                    Some(previous) => {
                        let seen = previous.get();
                        previous.set(feature);
                        (seen, last_modality)
                    }
                };
                if started {
                    layer.state = self.rule.update(seen, whose, layer.state);
                }
                layer
            })
            .collect();
        self.last_modality.set(modality as u64);
        self.n_steps.set(self.n_steps.get() + 1);
        started
    }

    /// Projects the change of a layer, in its own precision. What does not change, a frozen
    /// weight or bias, counts as 0 and stays out of the result.
    pub(crate) fn project(
        &self,
        layer: usize,
        modality: usize,
        change: LayerChange,
    ) -> LayerChange {
        let of = &self.layers[layer];
        let project = |change: Tensor<2>| {
            let dtype = change.dtype();
            let projected = self
                .rule
                .project(change.cast(DType::F32), modality, &of.state);
            projected.cast(dtype)
        };
        let LayerChange { weight, bias } = change;
        if of.d_input == of.width {
            return LayerChange {
                weight: weight.map(project),
                bias,
            };
        }
        let (has_weight, has_bias) = (weight.is_some(), bias.is_some());
        let row = bias.map(|bias| bias.unsqueeze_dim::<2>(0));
        let (weight, row) = match (weight, row) {
            (None, None) => return LayerChange::default(),
            (Some(weight), Some(row)) => (weight, row),
            (Some(weight), None) => {
                let row = weight.clone().slice([0..1]).zeros_like();
                (weight, row)
            }
            (None, Some(row)) => (row.zeros_like().repeat_dim(0, of.width), row),
        };
        let projected = project(Tensor::cat(vec![weight, row], 0));
        let row = projected.clone().slice([of.width..of.d_input]);
        LayerChange {
            weight: has_weight.then(|| projected.slice([0..of.width])),
            bias: has_bias.then(|| row.squeeze_dim(0)),
        }
    }
}

/// The gradients or the changes of a layer's weight, `[width, d_output]`, and bias, `[d_output]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerChange {
    pub(crate) weight: Option<Tensor<2>>,
    pub(crate) bias: Option<Tensor<1>>,
}

impl<S> LayerProjection<S> {
    /// The sum of `input`'s rows, augmented by a 1 a row where the bias is protected, and the
    /// number of rows: `[d_input + 1]`, off the tape, in f32.
    pub(crate) fn feature_sum(&self, input: Tensor<2>) -> Tensor<1> {
        let input = input.without_autodiff().cast(DType::F32);
        let [n_samples, width] = input.dims();
        let counts = Tensor::full(
            [self.d_input + 1 - width],
            n_samples as f32,
            &input.device(),
        );
        let sum = input.sum_dim(0).squeeze_dim(0);
        Tensor::cat(vec![sum, counts], 0)
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn carriers(&self) -> &[Param<Tensor<1>>] {
        &self.carriers
    }

    /// Eq. 4, from a sum of features and the number of samples in its last entry.
    fn mean_feature(&mut self, modality: usize, sum: Tensor<1>) -> Tensor<1> {
        let d = self.d_input;
        let count = sum.clone().slice([d..d + 1]);
        let mean = sum.slice([0..d]) / count.clone();
        let Some(running) = &mut self.running else {
            return mean;
        };
        let all = running.get();
        let row = all
            .clone()
            .slice([modality..modality + 1])
            .squeeze_dim::<1>(0);
        let total = row.clone().slice([d..d + 1]) + count.clone();
        let old = row.slice([0..d]);
        let mean = old.clone() + (mean - old) * (count / total.clone());
        let row = Tensor::cat(vec![mean.clone(), total], 0).unsqueeze_dim::<2>(0);
        running.set(all.slice_assign([modality..modality + 1, 0..d + 1], row));
        mean
    }
}
