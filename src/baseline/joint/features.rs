//! Features of all modalities for the same samples, the input of every joint head.

#[cfg(feature = "train")]
use burn::tensor::{Bool, TensorData};
use burn::tensor::{Device, Tensor};

#[cfg(feature = "train")]
use crate::encoder::HiddenOutput;
use crate::error::{MlaError, Result, same_size};
use crate::modality::{Presence, SelectRows, are_all};

/// The features of each modality for the same samples, 0 where a sample lacks the modality.
#[derive(Debug, Clone)]
pub struct ModalityFeatures {
    features: Vec<Tensor<2>>,
    presence: Presence,
}

impl ModalityFeatures {
    /// Takes one `[n_samples, d_feature]` tensor per modality, of any width. Rows of missing modalities
    /// may hold anything and become 0.
    ///
    /// # Errors
    ///
    /// [`MlaError`] for no modality, or when the number of samples or modalities differs from that of
    /// `presence`.
    pub fn new(features: Vec<Tensor<2>>, presence: Presence) -> Result<Self> {
        if features.is_empty() {
            return Err(MlaError::NoModalities {
                what: "the features",
            });
        }
        same_size(
            "modalities of the features",
            presence.n_modalities(),
            features.len(),
        )?;
        for features in &features {
            let [n_samples, _] = features.dims();
            let what = "samples of a modality's features";
            same_size(what, presence.n_samples(), n_samples)?;
        }
        let missing = presence.missing(&features[0].device());
        let features = match missing {
            None => features,
            Some(missing) => {
                let mask = |(m, features): (usize, Tensor<2>)| {
                    let shape = features.dims();
                    let missing = missing.clone().slice([0..shape[0], m..m + 1]);
                    features.mask_fill(missing.expand(shape), 0.0)
                };
                features.into_iter().enumerate().map(mask).collect()
            }
        };
        Ok(Self { features, presence })
    }

    /// Features of samples that have every modality.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn complete(features: Vec<Tensor<2>>) -> Result<Self> {
        let n_samples = features.first().map_or(0, |features| features.dims()[0]);
        let presence = Presence::all(n_samples, features.len());
        Self::new(features, presence)
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.presence.n_samples()
    }

    /// Number of modalities.
    pub fn n_modalities(&self) -> usize {
        self.features.len()
    }

    /// Which sample has which modality.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The features of a modality, `[n_samples, d_feature]`.
    ///
    /// # Panics
    ///
    /// If there is no such modality.
    pub fn modality(&self, modality: usize) -> Tensor<2> {
        self.features[modality].clone()
    }

    /// The features of all modalities, in order.
    pub fn all(&self) -> &[Tensor<2>] {
        &self.features
    }

    /// The device of the features.
    pub fn device(&self) -> Device {
        self.features[0].device()
    }

    /// 1 where a sample has the modality and 0 elsewhere, `[n_samples, 1]`; `None` when all samples
    /// have it.
    ///
    /// # Panics
    ///
    /// If there is no such modality.
    pub fn present(&self, modality: usize) -> Option<Tensor<2>> {
        let like = &self.features[modality];
        let missing = self.presence.missing(&like.device())?;
        let missing = missing.slice([0..self.n_samples(), modality..modality + 1]);
        Some(missing.bool_not().float().cast(like.dtype()))
    }

    /// The samples `rows` with all modalities except `modalities` missing.
    ///
    /// # Errors
    ///
    /// As [`Presence::restricted`].
    pub fn restricted(&self, rows: &[usize], modalities: &[usize]) -> Result<Self> {
        let presence = self.presence.restricted(rows, modalities)?;
        let all = are_all(rows, self.n_samples());
        let restrict = |(m, features): (usize, &Tensor<2>)| {
            if !modalities.contains(&m) {
                let options = (&features.device(), features.dtype());
                Ok(Tensor::zeros([rows.len(), features.dims()[1]], options))
            } else if all {
                Ok(features.clone())
            } else {
                features.clone().select_rows(rows)
            }
        };
        let features = self.features.iter().enumerate();
        let features = features.map(restrict).collect::<Result<_>>()?;
        Ok(Self { features, presence })
    }

    /// The same features, with more of them missing: a sample keeps the modalities that it has both
    /// here and in `presence`.
    ///
    /// # Errors
    ///
    /// As [`Presence::intersection`].
    pub fn with_presence(&self, presence: &Presence) -> Result<Self> {
        Self::new(self.features.clone(), self.presence.intersection(presence)?)
    }

    /// The same features, and constant ones of hidden inputs where a modality is missing.
    #[cfg(feature = "train")]
    pub(super) fn with_hidden(&self, hidden: Vec<HiddenOutput>) -> Result<Self> {
        let (n_samples, n_modalities) = (self.n_samples(), self.n_modalities());
        let at = |sample: usize, modality: usize| sample * n_modalities + modality;
        let mut mask = vec![false; n_samples * n_modalities];
        for modality in 0..n_modalities {
            for sample in self.presence.rows(modality) {
                mask[at(sample, modality)] = true;
            }
        }
        let mut features = self.features.clone();
        for (modality, hidden) in hidden.into_iter().enumerate() {
            let Some((values, rows)) = hidden else {
                continue;
            };
            let mut added = vec![false; n_samples];
            for sample in rows {
                added[sample] = !self.presence.is_present(sample, modality);
                mask[at(sample, modality)] = true;
            }
            let shape = values.dims();
            let added = TensorData::new(added, [n_samples, 1]);
            let added = Tensor::<2, Bool>::from_data(added, &values.device()).expand(shape);
            let known = &mut features[modality];
            *known = known.clone().mask_where(added, values);
        }
        Ok(Self {
            features,
            presence: Presence::from_mask(mask, n_modalities)?,
        })
    }

    /// The same features without autodiff.
    pub fn without_autodiff(&self) -> Self {
        let features = self.features.iter();
        Self {
            features: features
                .map(|features| features.clone().without_autodiff())
                .collect(),
            presence: self.presence.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().iter().collect()
    }

    #[test]
    fn what_is_missing_is_zero() {
        for device in test_devices() {
            let a = Tensor::from_floats([[1.0], [f32::NAN]], &device);
            let b = Tensor::from_floats([[2.0, 3.0], [4.0, 5.0]], &device);
            let presence = Presence::from_mask(vec![true, true, false, true], 2).unwrap();
            let features = ModalityFeatures::new(vec![a, b], presence).unwrap();
            assert_eq!(values(features.modality(0)), [1.0, 0.0]);
            assert_eq!(values(features.present(0).unwrap()), [1.0, 0.0]);
            let second = features.restricted(&[1, 0], &[1]).unwrap();
            assert_eq!(values(second.modality(0)), [0.0, 0.0]);
            assert_eq!(values(second.modality(1)), [4.0, 5.0, 2.0, 3.0]);
            assert_eq!(
                features.restricted(&[1], &[0]).unwrap_err(),
                MlaError::NothingPresent { sample: 1 }
            );
        }
    }

    #[test]
    fn shapes_must_agree() {
        let device = Device::flex();
        assert!(ModalityFeatures::complete(vec![]).is_err());
        let (one, two) = (
            Tensor::zeros([2, 3], &device),
            Tensor::zeros([1, 3], &device),
        );
        let error = ModalityFeatures::complete(vec![one.clone(), two]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "samples of a modality's features: expected 2, got 1"
        );
        assert!(ModalityFeatures::new(vec![one], Presence::all(2, 2)).is_err());
    }
}
