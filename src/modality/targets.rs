//! Class labels of a batch.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{MlaError, Result};

/// Class labels of a batch, on the host and on the device.
///
/// The range of the labels is checked on the host copy, without a read from the device.
#[derive(Debug, Clone)]
pub struct Targets {
    labels: Vec<i64>,
    tensor: Tensor<1, Int>,
    sets: Option<Vec<Vec<usize>>>,
}

impl Targets {
    /// The label of a sample without a label: -1.
    pub const NO_LABEL: i64 = -1;

    /// Targets of samples without labels, for prediction.
    pub fn unlabelled(n_samples: usize, device: &Device) -> Self {
        Self::from_labels(vec![Self::NO_LABEL; n_samples], device)
    }

    /// Targets from class indices, counted from 0, on `device`.
    pub fn new(labels: impl IntoIterator<Item = usize>, device: &Device) -> Self {
        Self::from_labels(
            labels.into_iter().map(|label| label as i64).collect(),
            device,
        )
    }

    /// Targets from raw labels, possibly negative. Their range is checked on use.
    pub fn from_labels(labels: Vec<i64>, device: &Device) -> Self {
        let tensor = Tensor::from_data(TensorData::new(labels.clone(), [labels.len()]), device);
        Self {
            labels,
            tensor,
            sets: None,
        }
    }

    /// Targets with several labels per sample: the set of classes of each, which may be empty. Train
    /// on them with a [loss](crate::loss::TrainingLoss) for sets, such as
    /// [`BinaryCrossEntropy`](crate::loss::BinaryCrossEntropy).
    ///
    /// [`labels`](Self::labels) and [`tensor`](Self::tensor) hold [`NO_LABEL`](Self::NO_LABEL), because
    /// no class of a set is the one.
    pub fn several(sets: Vec<Vec<usize>>, device: &Device) -> Self {
        Self {
            sets: Some(sets.clone()),
            ..Self::unlabelled(sets.len(), device)
        }
    }

    /// Targets from labels on a device, of any integer type. Reads them back once.
    ///
    /// # Errors
    ///
    /// [`MlaError::DeviceRead`] when the backend cannot read them.
    pub fn from_tensor(tensor: Tensor<1, Int>) -> Result<Self> {
        let device = tensor.device();
        let labels = tensor
            .try_into_vec_as::<i64>()
            .map_err(MlaError::read("labels"))?;
        // Burn compares integers of one type only: labels need that of predictions, which is the
        // integer type of the device.
        Ok(Self::from_labels(labels, &device))
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The labels on the host.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The labels on the device, `[n_samples]`.
    pub fn tensor(&self) -> Tensor<1, Int> {
        self.tensor.clone()
    }

    /// The set of classes of each sample; `None` for one label per sample.
    pub fn sets(&self) -> Option<&[Vec<usize>]> {
        self.sets.as_deref()
    }

    /// 1 for each class of a sample and 0 elsewhere, `[n_samples, n_classes]`.
    ///
    /// # Panics
    ///
    /// For a class that is not below `n_classes`, which [`check`](Self::check) refuses.
    pub(crate) fn multi_hot(&self, n_classes: usize, device: &Device) -> Tensor<2> {
        let mut values = vec![0.0_f32; self.len() * n_classes];
        match &self.sets {
            Some(sets) => {
                for (sample, set) in sets.iter().enumerate() {
                    for class in set {
                        values[sample * n_classes + class] = 1.0;
                    }
                }
            }
            None => {
                for (sample, &label) in self.labels.iter().enumerate() {
                    values[sample * n_classes + label as usize] = 1.0;
                }
            }
        }
        Tensor::from_data(TensorData::new(values, [self.len(), n_classes]), device)
    }

    /// Checks that the targets have one label per sample.
    pub(crate) fn check_single(&self, what: &'static str) -> Result<()> {
        match self.sets {
            Some(_) => Err(MlaError::SeveralLabels { what }),
            None => Ok(()),
        }
    }

    /// The labels of the samples at `rows`, in that order.
    ///
    /// # Panics
    ///
    /// If a row is out of range.
    pub fn select(&self, rows: &[usize]) -> Self {
        self.select_to(rows, &self.tensor.device())
    }

    /// [`select`](Self::select) with the labels on `device`.
    pub(crate) fn select_to(&self, rows: &[usize], device: &Device) -> Self {
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        let sets = self.sets.as_ref();
        Self {
            sets: sets.map(|sets| rows.iter().map(|&row| sets[row].clone()).collect()),
            ..Self::from_labels(labels, device)
        }
    }

    /// The labels of several parts, one after the other, on `device`. Either all have sets or none.
    #[cfg(feature = "train")]
    pub(crate) fn concatenated(parts: &[Self], device: &Device) -> Self {
        let labels = parts.iter().flat_map(|part| part.labels.iter().copied());
        let sets = parts.iter().map(|part| part.sets.clone());
        let sets: Option<Vec<_>> = sets.collect();
        Self {
            sets: sets.map(|sets| sets.concat()),
            ..Self::from_labels(labels.collect(), device)
        }
    }

    /// Checks that every label, or every class of a set, is a class of a head with `n_classes` classes.
    ///
    /// # Errors
    ///
    /// [`MlaError::LabelOutOfRange`] for the first label that is not, [`MlaError::NoLabel`] if it is
    /// [`NO_LABEL`](Self::NO_LABEL).
    pub fn check(&self, n_classes: usize) -> Result<()> {
        if let Some(sets) = &self.sets {
            return check_sets(sets, n_classes);
        }
        let outside = |label: &i64| *label < 0 || *label as u64 >= n_classes as u64;
        match self.labels.iter().position(outside) {
            None => Ok(()),
            Some(sample) if self.labels[sample] == Self::NO_LABEL => {
                Err(MlaError::NoLabel { sample })
            }
            Some(sample) => Err(MlaError::LabelOutOfRange {
                label: self.labels[sample],
                sample,
                n_classes,
            }),
        }
    }
}

fn check_sets(sets: &[Vec<usize>], n_classes: usize) -> Result<()> {
    for (sample, set) in sets.iter().enumerate() {
        if let Some(&class) = set.iter().find(|&&class| class >= n_classes) {
            return Err(MlaError::LabelOutOfRange {
                label: class as i64,
                sample,
                n_classes,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use burn::tensor::DType;

    use super::*;

    #[test]
    fn labels_of_any_integer_type_compare_with_predictions() {
        for device in crate::test_devices() {
            let logits = Tensor::<2>::from_floats([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0]], &device);
            let predicted = logits.argmax(1).squeeze_dim::<1>(1);
            for dtype in [
                DType::I64,
                DType::I32,
                DType::I16,
                DType::I8,
                DType::U64,
                DType::U32,
                DType::U16,
                DType::U8,
            ] {
                let labels = TensorData::new(vec![1_i64, 1, 1], [3]);
                let labels = Tensor::<1, Int>::from_data(labels, (&device, dtype));
                let targets = Targets::from_tensor(labels).unwrap();
                assert_eq!(targets.labels(), [1, 1, 1]);
                let correct = predicted.clone().equal(targets.tensor()).int().sum();
                assert_eq!(correct.into_scalar::<i64>(), 2, "{dtype:?}");
            }
        }
    }
}
