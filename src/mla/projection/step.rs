//! A projection during a step: the update by the feature (Eq. 4, 5) and Eq. 3.

use std::ops::Range;

use burn::tensor::{DType, Tensor};

use crate::mla::Projection;
use crate::mla::carried::{Factors, FeatureSum};
use crate::mla::projection::state::LayerProjection;
use crate::numeric::product;
use crate::projector::OrthogonalProjector;

impl<P: OrthogonalProjector> Projection<P> {
    /// Updates the state by the features of a step, one per layer. Returns whether the step is
    /// projected.
    pub(in crate::mla) fn advance(&mut self, modality: usize, sums: &[FeatureSum]) -> bool {
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

    /// Projects the change of a layer and returns it in its own precision. A frozen weight or bias
    /// counts as 0 and is not part of the result.
    ///
    /// If `factors` are given and equivalent to the gradient, they are used instead of it.
    pub(in crate::mla) fn project(
        &self,
        layer: usize,
        modality: usize,
        change: LayerChange,
        factors: Option<Factors>,
    ) -> LayerChange {
        let of = &self.layers[layer];
        let augmented = of.d_input > of.width;
        let LayerChange { weight, bias } = change;
        let (has_weight, has_bias) = (weight.is_some(), bias.is_some());
        let Some(dtype) = weight
            .as_ref()
            .map(Tensor::dtype)
            .or(bias.as_ref().filter(|_| augmented).map(Tensor::dtype))
        else {
            return LayerChange { weight, bias };
        };
        let single = |change: Tensor<2>| change.cast(DType::F32);
        let rule = |change| self.rule.project(change, modality, &of.state);
        let projected = match (factors, weight) {
            (Some(factors), Some(_)) if has_bias || !augmented => {
                let inputs = of.augment(single(factors.inputs));
                let rows = self.rule.project_rows(inputs, modality, &of.state);
                product(rows.transpose(), single(factors.errors))
            }
            (_, Some(weight)) if !augmented => rule(single(weight)),
            (_, weight) => {
                let row = bias.clone().map(|bias| bias.unsqueeze_dim::<2>(0));
                let (weight, row) = match (weight, row) {
                    (Some(weight), Some(row)) => (weight, row),
                    (Some(weight), None) => {
                        let row = weight.clone().slice([0..1]).zeros_like();
                        (weight, row)
                    }
                    (None, row) => {
                        let row = row.expect("a weight or a bias changes");
                        (row.zeros_like().repeat_dim(0, of.width), row)
                    }
                };
                rule(single(Tensor::cat(vec![weight, row], 0)))
            }
        };
        let projected = projected.cast(dtype);
        if !augmented {
            return LayerChange {
                weight: Some(projected),
                bias,
            };
        }
        let row = projected.clone().slice([of.width..of.d_input]);
        LayerChange {
            weight: has_weight.then(|| projected.slice([0..of.width])),
            bias: has_bias.then(|| row.squeeze_dim(0)),
        }
    }

    /// The mean of [`project`](Self::project) over modalities. It is the projection for any of them if
    /// the rule does not depend on the modality.
    pub(in crate::mla) fn project_mean(
        &self,
        layer: usize,
        modalities: Range<usize>,
        change: LayerChange,
    ) -> LayerChange {
        let n = modalities.len() as f32;
        let each = modalities.map(|m| self.project(layer, m, change.clone(), None));
        let sum = each.reduce(|sum, next| LayerChange {
            weight: sum.weight.zip(next.weight).map(|(a, b)| a + b),
            bias: sum.bias.zip(next.bias).map(|(a, b)| a + b),
        });
        match sum {
            Some(LayerChange { weight, bias }) if n > 1.0 => LayerChange {
                weight: weight.map(|weight| weight / n),
                bias: bias.map(|bias| bias / n),
            },
            sum => sum.unwrap_or_default(),
        }
    }
}

/// The gradients or the changes of a layer's weight, `[width, d_output]`, and bias, `[d_output]`.
#[derive(Debug, Clone, Default)]
pub(in crate::mla) struct LayerChange {
    pub(in crate::mla) weight: Option<Tensor<2>>,
    pub(in crate::mla) bias: Option<Tensor<1>>,
}

impl<S> LayerProjection<S> {
    /// Appends a 1 to each row if the bias is protected.
    fn augment(&self, inputs: Tensor<2>) -> Tensor<2> {
        let [n_samples, width] = inputs.dims();
        if self.d_input == width {
            return inputs;
        }
        let shape = [n_samples, self.d_input - width];
        let ones = Tensor::<2>::ones(shape, (&inputs.device(), DType::F32));
        Tensor::cat(vec![inputs, ones], 1)
    }

    /// Eq. 4, over the samples of the step or all samples so far.
    fn mean_feature(&mut self, modality: usize, sum: &FeatureSum) -> Tensor<1> {
        let d = self.d_input;
        let (mean, count) = (sum.mean(), sum.n_samples());
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
