//! A calibration temperature for each modality, in the buffer of the fusion that divides by them.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::error::{MlaError, Result, at_least_one, positive};
use crate::module::Buffer;
use crate::numeric::{Numbers, is_host};

/// Temperatures of 1, one a modality: logits stay as they are.
pub(super) fn uncalibrated(n_modalities: usize, device: &Device) -> Result<Buffer<1>> {
    at_least_one("n_modalities", n_modalities)?;
    Ok(Buffer::new(Tensor::ones([n_modalities], device)))
}

/// Replaces the temperatures; each must be positive and finite.
pub(super) fn replace(calibration: &mut Buffer<1>, temperatures: &[f64]) -> Result<()> {
    let values = temperatures
        .iter()
        .map(|&value| positive("calibration temperature", value).map(|value| value as f32))
        .collect::<Result<Vec<f32>>>()?;
    let data = TensorData::new(values, [temperatures.len()]);
    let device = calibration.get().device();
    calibration.set(Tensor::from_data(data, &device));
    Ok(())
}

/// The logits of a modality divided by its temperature, `[n_samples, n_classes]`.
pub(super) fn divide(calibration: &Buffer<1>, modality: usize, logits: Tensor<2>) -> Tensor<2> {
    let temperature = calibration.get().slice([modality..modality + 1]);
    // Where looking costs nothing, logits that stay as they are are not copied.
    if is_host(&temperature.device())
        && temperature.dtype() == DType::F32
        && Numbers::of(temperature.clone()).get() == [1.0]
    {
        return logits;
    }
    let temperature = temperature.unsqueeze_dim::<2>(0).cast(logits.dtype());
    logits / temperature
}

/// There must be a temperature for each of `n_modalities`; `what` names the model that has them.
pub(super) fn check_count(
    calibration: &Buffer<1>,
    n_modalities: usize,
    what: &'static str,
) -> Result<()> {
    let [expected] = calibration.dims();
    if n_modalities == expected {
        return Ok(());
    }
    Err(MlaError::ModalityCount {
        what,
        expected,
        got: n_modalities,
    })
}
