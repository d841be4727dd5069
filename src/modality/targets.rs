use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{MlaError, Result};

/// Class labels of a batch, on the host and on the device.
///
/// The host copy lets a step check the labels' range without reading from the device.
#[derive(Debug, Clone)]
pub struct Targets {
    labels: Vec<i64>,
    tensor: Tensor<1, Int>,
}

impl Targets {
    /// Class indices, from 0, put on `device`.
    pub fn new(labels: impl IntoIterator<Item = usize>, device: &Device) -> Self {
        Self::from_labels(
            labels.into_iter().map(|label| label as i64).collect(),
            device,
        )
    }

    /// Labels as they stand in a file, negative ones included; their range is checked when they
    /// are used.
    pub fn from_labels(labels: Vec<i64>, device: &Device) -> Self {
        let tensor = Tensor::from_data(TensorData::new(labels.clone(), [labels.len()]), device);
        Self { labels, tensor }
    }

    /// Labels that are on a device already. Reads them back once.
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

    /// Whether there is no sample.
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
    /// [`MlaError::LabelOutOfRange`] names the first one that is not.
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
