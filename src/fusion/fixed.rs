//! Fusion by fixed weights.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::error::{MlaError, Result, positive};
use crate::fusion::{ModalityLogits, UncertaintyFusion};
use crate::module::Buffer;

/// Fusion by weights that you choose, the same for every sample. The weights of a sample's modalities
/// are rescaled to sum to 1.
#[derive(Module, Debug)]
pub struct FixedFusion {
    weights: Buffer<1>,
}

impl FixedFusion {
    /// Creates the rule from one weight per modality, in any scale: `[3.0, 1.0]` gives three quarters
    /// to the first.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] for no weight, [`MlaError::HyperParameter`] for a weight that is not
    /// positive and finite, or whose share of the sum is not a normal f32, below about 1.2e-38. Zero is
    /// an error because a sample may have only that modality.
    pub fn new(weights: &[f64], device: &Device) -> Result<Self> {
        if weights.is_empty() {
            return Err(MlaError::NoModalities {
                what: "a fixed fusion",
            });
        }
        let total: f64 = weights.iter().sum();
        for &weight in weights {
            positive("fusion weight", weight)?;
            positive("share of a fusion weight", weight / total)?;
        }
        let shares: Vec<f32> = weights
            .iter()
            .map(|weight| (weight / total) as f32)
            .collect();
        let data = TensorData::new(shares, [weights.len()]);
        Ok(Self {
            weights: Buffer::new(Tensor::from_data(data, (device, DType::F32))),
        })
    }
}

impl UncertaintyFusion for FixedFusion {
    fn weights(&self, logits: &ModalityLogits) -> Tensor<2> {
        let shape = [logits.n_samples(), logits.n_modalities()];
        let dtype = logits.modality(0).dtype();
        // Half precision rounds small shares to 0, which leave 0 / 0 where they are alone.
        let weights = self.weights.get().unsqueeze_dim::<2>(0).expand(shape);
        let present = logits.mask(weights, 0.0);
        (present.clone() / present.sum_dim(1)).cast(dtype)
    }

    fn check(&self, n_modalities: usize) -> Result<()> {
        let expected = self.weights.get().dims()[0];
        if n_modalities == expected {
            return Ok(());
        }
        Err(MlaError::ModalityCount {
            what: "a model fused by fixed weights",
            expected,
            got: n_modalities,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion::laws::assert_fusion_laws;

    #[test]
    fn obeys_the_laws_of_fusion() {
        assert_fusion_laws(|m, device| FixedFusion::new(&vec![0.7; m], device).unwrap());
    }

    #[test]
    fn weights_are_shares_among_the_modalities_present() {
        let device = Device::flex();
        let logits = Tensor::zeros([2, 3], &device);
        let presence =
            crate::modality::Presence::from_mask(vec![true, true, true, false], 2).unwrap();
        let logits = ModalityLogits::new(vec![logits.clone(), logits], presence).unwrap();
        let fusion = FixedFusion::new(&[3.0, 1.0], &device).unwrap();
        let weights: Vec<f32> = fusion.weights(&logits).into_data().iter().collect();
        assert_eq!(weights, [0.75, 0.25, 1.0, 0.0]);
    }

    /// Also in f16, which rounds a share below 3e-8 to 0.
    #[test]
    fn a_tiny_share_is_the_whole_where_it_is_alone() {
        let device = Device::flex();
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let logits = Tensor::<2>::ones([2, 3], (&device, dtype));
            let mask = vec![true, true, true, false];
            let presence = crate::modality::Presence::from_mask(mask, 2).unwrap();
            let logits = ModalityLogits::new(vec![logits.clone(), logits], presence).unwrap();
            for share in [1e-9, f64::from(f32::MIN_POSITIVE) * 1.001] {
                let fusion = FixedFusion::new(&[share, 1.0], &device).unwrap();
                let fused = fusion.fuse(&logits);
                assert_eq!(fused.weights.dtype(), dtype);
                let weights: Vec<f32> = fused.weights.into_data().iter().collect();
                assert_eq!(weights[1..], [1.0, 1.0, 0.0], "{dtype:?}");
                assert!((0.0..1e-8).contains(&weights[0]));
                let fused: Vec<f32> = fused.logits.into_data().iter().collect();
                assert_eq!(fused, [1.0; 6], "{dtype:?}");
            }
        }
    }

    #[test]
    fn weights_must_be_positive() {
        let device = Device::flex();
        assert!(FixedFusion::new(&[], &device).is_err());
        assert!(FixedFusion::new(&[1.0, 0.0], &device).is_err());
        assert!(FixedFusion::new(&[1.0, f64::NAN], &device).is_err());
    }
}
