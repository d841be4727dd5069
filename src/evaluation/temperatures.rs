use burn::data::dataloader::DataLoader;
use burn::data::dataset::DatasetError;
use burn::tensor::Tensor;
use burn::train::InferenceStep;

use crate::error::MlaError;
use crate::fusion::fit_temperature;
use crate::method::MultimodalMethod;
use crate::modality::{SelectRows, Targets};

/// The temperature of each modality that fits the batches of a loader best, each over the samples
/// that have it: see [`fit_temperature`].
///
/// Give it [`model.valid()`](burn::module::Module::valid) and validation data, and the result to
/// [`EntropyFusion::with_calibration`](crate::fusion::EntropyFusion::with_calibration) or
/// [`ConfidenceFusion::with_calibration`](crate::fusion::ConfidenceFusion::with_calibration).
///
/// # Errors
///
/// What the loader reports; the errors of the model's
/// [`try_inference_step`](MultimodalMethod::try_inference_step) and of [`fit_temperature`], wrapped:
/// among them [`MlaError::Empty`] for a modality that no sample has.
pub fn fit_temperatures<M: MultimodalMethod>(
    model: &M,
    loader: &dyn DataLoader<<M as InferenceStep>::Input>,
) -> Result<Vec<f64>, DatasetError> {
    let none = || (vec![], vec![]);
    let n_modalities = MultimodalMethod::n_modalities(model);
    let mut seen: Vec<(Vec<Tensor<2>>, Vec<i64>)> = (0..n_modalities).map(|_| none()).collect();
    for batch in loader.iter() {
        let output = model
            .try_inference_step(batch?)
            .map_err(DatasetError::new)?;
        let Some(each) = output.modalities else {
            continue;
        };
        for (modality, (logits, labels)) in seen.iter_mut().enumerate() {
            let rows = each.presence().rows(modality);
            if !rows.is_empty() {
                let of_rows = each.modality(modality).select_rows(&rows);
                logits.push(of_rows.map_err(DatasetError::new)?);
            }
            labels.extend(rows.iter().map(|&row| output.targets.labels()[row]));
        }
    }
    let fit = |(logits, labels): (Vec<Tensor<2>>, Vec<i64>)| {
        let Some(first) = logits.first() else {
            return Err(DatasetError::new(MlaError::Empty {
                what: "the calibration data of a modality",
            }));
        };
        let targets = Targets::from_labels(labels, &first.device());
        fit_temperature(Tensor::cat(logits, 0), &targets).map_err(DatasetError::new)
    };
    seen.into_iter().map(fit).collect()
}
