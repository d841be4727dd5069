//! Training on a data set in memory, of which a part is held out.

use crate::dataset::{InMemory, TakeSamples};
use crate::fit::{FitConfig, FitError, Fitted, fit};
use crate::method::MultimodalMethod;

/// Number of samples that are evaluated at once.
const EVALUATED: usize = 128;

/// Holds out a part of a data set in memory, trains a model on the rest, and selects the best epoch and
/// fits the temperatures on the held-out part, by [`fit`].
///
/// `held_out` is the share of the samples of each class that is held out, in (0, 1). The split, the
/// order of the batches of `batch_size` samples, and dropout follow from the seed of `config`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::dataset::InMemory;
/// use burn_mla::fit::fit_held_out;
/// use burn_mla::prelude::*;
///
/// let device = Device::flex();
/// let (audio, text) = (Tensor::<2>::ones([70, 20], &device), Tensor::<2>::ones([70, 30], &device));
/// let data = InMemory::paired((audio, text), (0..70).map(|i| i % 4))?;
///
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
/// let fitted = fit_held_out(model, &data, 1.0 / 7.0, 16, &FitConfig::new(2))?;
/// println!("{:?}", fitted.calibration);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`fit`] and [`InMemory::stratified_split`], and [`FitError::Model`] for a batch size of 0.
pub fn fit_held_out<M>(
    model: M,
    data: &InMemory<M::Inputs>,
    held_out: f64,
    batch_size: usize,
    config: &FitConfig,
) -> Result<Fitted<M>, FitError>
where
    M: MultimodalMethod,
    M::Inputs: TakeSamples,
{
    let (train, valid) = data.stratified_split(held_out, config.seed)?;
    let device = model.devices().into_iter().next().unwrap_or_default();
    let train = train.shuffled(batch_size, config.seed, &device)?;
    let valid = valid.in_order(EVALUATED, &device)?;
    fit(model, train, valid, config)
}
