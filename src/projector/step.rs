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

    /// Projects a weight's and, where it is protected, its bias' change, in their own precision.
    pub(crate) fn project(
        &self,
        layer: usize,
        modality: usize,
        weight: Tensor<2>,
        bias: Option<Tensor<1>>,
    ) -> (Tensor<2>, Option<Tensor<1>>) {
        let LayerProjection { state, d_input, .. } = &self.layers[layer];
        let (dtype, [rows, _]) = (weight.dtype(), weight.dims());
        let project = |change: Tensor<2>| {
            let projected = self.rule.project(change.cast(DType::F32), modality, state);
            projected.cast(dtype)
        };
        match bias {
            Some(bias) if *d_input > rows => {
                let change = Tensor::cat(vec![weight, bias.unsqueeze_dim(0)], 0);
                let projected = project(change);
                let bias = projected.clone().slice([rows..rows + 1]).squeeze_dim(0);
                (projected.slice([0..rows]), Some(bias))
            }
            bias => (project(weight), bias),
        }
    }
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
