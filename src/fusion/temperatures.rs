//! Calibration temperatures in a buffer that is saved with its module: one per modality of a fusion or
//! a joint head, and one of the fused logits of a joint model.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::error::{Result, at_least_one, positive};
use crate::module::Buffer;
use crate::numeric::{Numbers, is_host, widened};

/// A temperature of 1 for each modality, which leaves logits unchanged.
pub(crate) fn uncalibrated(n_modalities: usize, device: &Device) -> Result<Buffer<1>> {
    at_least_one("n_modalities", n_modalities)?;
    Ok(Buffer::new(Tensor::ones(
        [n_modalities],
        (device, DType::F32),
    )))
}

/// Replaces the temperatures; each must be positive and finite.
pub(crate) fn replace(calibration: &mut Buffer<1>, temperatures: &[f64]) -> Result<()> {
    let values = temperatures
        .iter()
        .map(|&value| positive("calibration temperature", value).map(|value| value as f32))
        .collect::<Result<Vec<f32>>>()?;
    let data = TensorData::new(values, [temperatures.len()]);
    let device = calibration.get().device();
    calibration.set(Tensor::from_data(data, (&device, DType::F32)));
    Ok(())
}

/// The logits of a modality divided by its temperature, `[n_samples, n_classes]`.
pub(crate) fn divide(calibration: &Buffer<1>, modality: usize, logits: Tensor<2>) -> Tensor<2> {
    let temperature = calibration.get().slice([modality..modality + 1]);
    // A read is free on the host: logits divided by 1 are not copied.
    if is_host(&temperature.device())
        && temperature.dtype() == DType::F32
        && Numbers::of(temperature.clone()).get() == [1.0]
    {
        return logits;
    }
    // Half precision rounds small temperatures to 0 and large ones to infinity.
    let dtype = logits.dtype();
    let logits = widened(logits);
    let temperature = temperature.unsqueeze_dim::<2>(0).cast(logits.dtype());
    (logits / temperature).cast(dtype)
}
