//! Calibration of a model on validation data.

use burn::data::dataloader::DataLoader;
use burn::tensor::Tensor;
use burn::train::InferenceStep;

use crate::error::{MlaError, Result};
use crate::evaluation::evaluate::for_each_output;
use crate::fusion::fit_temperature;
use crate::method::MultimodalMethod;
use crate::modality::{SelectRows, Targets};

/// Fits one temperature per modality to the batches of a loader by [`fit_temperature`], over the
/// samples that have the modality.
///
/// Pass [`model.valid()`](burn::module::Module::valid) and validation data, and the result to
/// [`ScoreFusion::with_calibration`](crate::fusion::ScoreFusion::with_calibration).
///
/// # Errors
///
/// - as [`evaluate`](crate::evaluation::evaluate), and those of [`fit_temperature`];
/// - [`MlaError::Empty`] for a modality without samples.
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
    let fit = |(logits, labels): (Vec<Tensor<2>>, Vec<i64>)| {
        let Some(first) = logits.first() else {
            return Err(MlaError::Empty {
                what: "the calibration data of a modality",
            });
        };
        let targets = Targets::from_labels(labels, &first.device());
        fit_temperature(Tensor::cat(logits, 0), &targets)
    };
    seen.into_iter().map(fit).collect()
}
