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
        Self { labels, tensor }
    }

    /// Targets from labels on a device. Reads them back once.
    ///
    /// # Errors
    ///
    /// [`MlaError::DeviceRead`] when the backend cannot read them.
    pub fn from_tensor(tensor: Tensor<1, Int>) -> Result<Self> {
        let labels = tensor
            .clone()
            .try_into_vec_as::<i64>()
            .map_err(MlaError::read("labels"))?;
        Ok(Self { labels, tensor })
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
    /// [`MlaError::LabelOutOfRange`] for the first label that is not, [`MlaError::NoLabel`] if it is
    /// [`NO_LABEL`](Self::NO_LABEL).
    pub fn check(&self, n_classes: usize) -> Result<()> {
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
