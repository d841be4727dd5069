//! Calibration of a model on validation data.

use burn::data::dataloader::DataLoader;
use burn::tensor::Tensor;
use burn::train::InferenceStep;

use crate::error::Result;
use crate::evaluation::evaluate::for_each_output;
use crate::fusion::fit_temperature;
use crate::method::MultimodalMethod;
use crate::modality::{SelectRows, Targets};

/// Temperatures fitted by [`calibrate`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calibration {
    /// The temperature of each modality's logits; `None` for a method without these temperatures.
    pub modalities: Option<Vec<f64>>,
    /// The temperature of the fused logits; `None` for a method without it.
    pub fused: Option<f64>,
}

/// Fits the temperatures that a model has to the batches of a loader, and returns the model with
/// them. Earlier temperatures are replaced.
///
/// An [`Mla`](crate::Mla) fused by scores and a [`Joint`](crate::baseline::Joint) model with
/// [`LateFusion`](crate::baseline::LateFusion) have one temperature per modality, which changes the
/// fused predictions. Every `Joint` model has a temperature of its fused logits in addition, which
/// changes their confidence but not the predicted classes. Each is fitted by [`fit_temperature`],
/// which also tells how small validation sets are treated.
///
/// Pass [`model.valid()`](burn::module::Module::valid) and validation data.
///
/// ```
/// # use std::sync::Arc;
/// # use burn::data::dataloader::batcher::Batcher;
/// # use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
/// # use burn::data::dataset::InMemDataset;
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::evaluation::calibrate;
/// # use burn_mla::modality::ModalityInput;
/// use burn_mla::prelude::*;
/// # type Inputs = (Option<ModalityInput<Tensor<2>>>, Option<ModalityInput<Tensor<2>>>);
/// # struct Complete;
/// # impl Batcher<usize, MultimodalBatch<Inputs>> for Complete {
/// #     fn batch(&self, labels: Vec<usize>, device: &Device) -> MultimodalBatch<Inputs> {
/// #         let input = |width| Tensor::ones([labels.len(), width], device);
/// #         MultimodalBatch::paired((input(20), input(30)), Targets::new(labels, device))
/// #     }
/// # }
///
/// let device = Device::flex();
/// let audio = MlpEncoderConfig::new(20, 16).init(&device)?;
/// let text = MlpEncoderConfig::new(30, 16).init(&device)?;
/// let head = LinearHeadConfig::new(16, 4).init(&device)?;
/// let model = MlaConfig::new().init_default((audio, text), head)?;
/// # let data = InMemDataset::new((0..20).map(|i| i % 4).collect());
/// # let builder = DataLoaderBuilder::new(Complete).batch_size(8).set_device(device);
/// # let valid: Arc<dyn DataLoader<MultimodalBatch<Inputs>>> = builder.build(data);
/// let (model, calibration) = calibrate(model, &*valid)?;
/// println!("{:?}", calibration.modalities);
/// # let _ = model;
/// # Ok::<(), MlaError>(())
/// ```
///
/// # Errors
///
/// As [`fit_temperatures`].
pub fn calibrate<M: MultimodalMethod>(
    mut model: M,
    loader: &dyn DataLoader<<M as InferenceStep>::Input>,
) -> Result<(M, Calibration)> {
    let mut calibration = Calibration::default();
    if model.set_temperatures(&vec![1.0; model.n_modalities()])? {
        let temperatures = fit_temperatures(&model, loader)?;
        model.set_temperatures(&temperatures)?;
        calibration.modalities = Some(temperatures);
    }
    if model.set_fused_temperature(1.0)? {
        let temperature = fit_fused(&model, loader)?;
        model.set_fused_temperature(temperature)?;
        calibration.fused = Some(temperature);
    }
    Ok((model, calibration))
}

/// The temperature of the fused logits.
fn fit_fused<M: MultimodalMethod>(
    model: &M,
    loader: &dyn DataLoader<<M as InferenceStep>::Input>,
) -> Result<f64> {
    let (mut logits, mut labels) = (vec![], vec![]);
    for_each_output(model, loader, |output| {
        labels.extend_from_slice(output.targets.labels());
        logits.push(output.logits);
        Ok(())
    })?;
    fit_to(logits, labels)
}

/// The temperature for logits, 1 for none.
fn fit_to(logits: Vec<Tensor<2>>, labels: Vec<i64>) -> Result<f64> {
    let Some(first) = logits.first() else {
        return Ok(1.0);
    };
    let targets = Targets::from_labels(labels, &first.device());
    fit_temperature(Tensor::cat(logits, 0), &targets)
}

/// Fits one temperature per modality to the batches of a loader by [`fit_temperature`], over the
/// samples that have the modality. A modality without samples has temperature 1.
///
/// Pass [`model.valid()`](burn::module::Module::valid) and validation data. [`calibrate`] fits and
/// applies the temperatures of any method in one call; this function fits without applying them.
///
/// # Errors
///
/// As [`evaluate`](crate::evaluation::evaluate), and those of [`fit_temperature`].
pub fn fit_temperatures<M: MultimodalMethod>(
    model: &M,
    loader: &dyn DataLoader<<M as InferenceStep>::Input>,
) -> Result<Vec<f64>> {
    let mut seen: Vec<(Vec<Tensor<2>>, Vec<i64>)> = vec![Default::default(); model.n_modalities()];
    for_each_output(model, loader, |output| {
        let Some(each) = output.modalities else {
            return Ok(());
        };
        for (modality, (logits, labels)) in seen.iter_mut().enumerate() {
            let rows = each.presence().rows(modality);
            if !rows.is_empty() {
                logits.push(each.modality(modality).select_rows(&rows)?);
            }
            labels.extend(rows.iter().map(|&row| output.targets.labels()[row]));
        }
        Ok(())
    })?;
    let fit = |(logits, labels)| fit_to(logits, labels);
    seen.into_iter().map(fit).collect()
}
