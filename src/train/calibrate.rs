use burn::data::dataloader::DataLoader;
use burn::data::dataset::DatasetError;
use burn::tensor::{Tensor, TensorData};

use crate::encoder::Encoders;
use crate::fusion::{UncertaintyFusion, fit_temperature};
use crate::head::SharedHead;
use crate::modality::{MultimodalBatch, Targets};
use crate::model::Mla;
use crate::projector::OrthogonalProjector;

/// The temperature of each modality that fits the batches of a loader best, each over the samples
/// that have it: see [`fit_temperature`].
///
/// Give it [`model.valid()`](burn::module::Module::valid) and validation data, and the result to
/// [`EntropyFusion::with_calibration`](crate::fusion::EntropyFusion::with_calibration) or
/// [`ConfidenceFusion::with_calibration`](crate::fusion::ConfidenceFusion::with_calibration).
///
/// # Errors
///
/// What the loader reports; the errors of [`Mla::predict`] and [`fit_temperature`], wrapped: among
/// them [`MlaError::Empty`](crate::MlaError::Empty) for a modality that no sample has.
pub fn fit_temperatures<E, H, P, F>(
    model: &Mla<E, H, P, F>,
    loader: &dyn DataLoader<MultimodalBatch<E::Inputs>>,
) -> Result<Vec<f64>, DatasetError>
where
    E: Encoders,
    H: SharedHead,
    P: OrthogonalProjector,
    F: UncertaintyFusion,
{
    let none = || (vec![], vec![]);
    let mut seen: Vec<(Vec<Tensor<2>>, Vec<i64>)> =
        (0..model.n_modalities()).map(|_| none()).collect();
    for batch in loader.iter() {
        let batch = batch?;
        let targets = batch.targets.clone();
        let prediction = model.predict(batch).map_err(DatasetError::new)?;
        for (modality, (logits, labels)) in seen.iter_mut().enumerate() {
            let rows = prediction.modalities.presence().rows(modality);
            let all = prediction.modalities.modality(modality);
            let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
            let indices = TensorData::new(indices, [rows.len()]);
            let device = all.device();
            if !rows.is_empty() {
                logits.push(all.select(0, Tensor::from_data(indices, &device)));
            }
            labels.extend(rows.iter().map(|&row| targets.labels()[row]));
        }
    }
    let fit = |(logits, labels): (Vec<Tensor<2>>, Vec<i64>)| {
        let Some(first) = logits.first() else {
            return Err(DatasetError::new(crate::MlaError::Empty {
                what: "the calibration data of a modality",
            }));
        };
        let targets = Targets::from_labels(labels, &first.device());
        fit_temperature(Tensor::cat(logits, 0), &targets).map_err(DatasetError::new)
    };
    seen.into_iter().map(fit).collect()
}
