//! Stochastic depth.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::Tensor;
use burn_mla::layer::dropout;

/// Drops the branch of a residual block for whole samples during training, and scales the kept ones
/// by `1 / (1 - rate)` ([Huang et al., 2016](https://arxiv.org/abs/1603.09382)).
#[derive(Module, Debug)]
pub(crate) struct DropPath {
    dropout: Dropout,
}

impl DropPath {
    /// # Panics
    ///
    /// If `rate` is not in `[0, 1)`.
    pub(super) fn new(rate: f64) -> Self {
        Self {
            dropout: DropoutConfig::new(rate).init(),
        }
    }

    /// # Shapes
    ///
    /// - input: `[batch, length, width]`
    /// - output: `[batch, length, width]`
    pub(super) fn forward(&self, branch: Tensor<3>) -> Tensor<3> {
        let device = branch.device();
        if self.dropout.prob == 0.0 || !device.is_autodiff() || !self.dropout.training.is_enabled()
        {
            return branch;
        }
        let ones = Tensor::<3>::ones([branch.dims()[0], 1, 1], (&device, branch.dtype()));
        branch * dropout(&self.dropout, ones)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;

    #[test]
    fn whole_samples_are_dropped_in_training_only() {
        for device in test_devices() {
            let path = DropPath::new(0.25);
            let branch = Tensor::<3>::ones([400, 2, 3], &device);
            let kept = path.forward(branch.clone());
            assert_eq!(kept.into_data(), branch.clone().into_data());

            let device = device.autodiff();
            device.seed(1);
            let branch = Tensor::<3>::ones([400, 2, 3], &device);
            let dropped: Vec<f32> = path.forward(branch).into_data().iter().collect();
            let samples: Vec<&[f32]> = dropped.chunks(6).collect();
            for sample in &samples {
                assert!(sample.iter().all(|value| *value == sample[0]));
                assert!(sample[0] == 0.0 || (sample[0] - 4.0 / 3.0).abs() < 1e-6);
            }
            let n_dropped = samples.iter().filter(|sample| sample[0] == 0.0).count();
            assert!((60..140).contains(&n_dropped), "{n_dropped}");
        }
    }
}
