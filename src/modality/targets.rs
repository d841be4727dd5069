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
}

impl Targets {
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
        Self { labels, tensor }
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

    /// The labels of the samples at `rows`, in that order.
    ///
    /// # Panics
    ///
    /// If a row is out of range.
    pub fn select(&self, rows: &[usize]) -> Self {
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        Self::from_labels(labels, &self.tensor.device())
    }

    /// Checks that every label is a class of a head with `n_classes` classes.
    ///
    /// # Errors
    ///
    /// [`MlaError::LabelOutOfRange`] for the first label that is not.
    pub fn check(&self, n_classes: usize) -> Result<()> {
        let outside = |label: &i64| *label < 0 || *label as u64 >= n_classes as u64;
        match self.labels.iter().position(outside) {
            None => Ok(()),
            Some(sample) => Err(MlaError::LabelOutOfRange {
                label: self.labels[sample],
                sample,
                n_classes,
            }),
        }
    }
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
