//! Features of frozen encoders, computed once.

use std::path::Path;

use burn::tensor::Device;
use burn_mla::encoder::Frozen;
use burn_mla::modality::ModalityInput;
use burn_mla_data::manifest::{FrontEnd, Manifest};
use burn_mla_encoders::cache::{DataManifest, FeatureCacheConfig};

use crate::key::{hex, key};
use crate::{PaperEncoder, PaperFrontEnd, PaperInput, Result};

/// The features of one column of a manifest for all of its samples, in a folder within `directory` that is named
/// after the column, the encoder and the data.
///
/// # Errors
///
/// A cache of other weights, and files that cannot be read.
pub(crate) fn cached(
    (manifest, column): (&Manifest, &str),
    front_end: PaperFrontEnd,
    encoder: PaperEncoder,
    description: &str,
    directory: &Path,
    device: &Device,
) -> Result<Option<ModalityInput<PaperInput>>> {
    let at = manifest.modalities().position(|(name, _)| name == column);
    let at = at.ok_or_else(|| format!("no column {column}"))?;
    let samples: Vec<usize> = (0..manifest.len()).collect();
    let rows = manifest.presence(&samples)?.rows(at);
    let recipe = front_end.recipe().to_string();
    let single = manifest.only(column)?;
    let mut ids: Vec<String> = samples.iter().map(|&s| manifest.id(s).into()).collect();
    for (row, &sample) in rows.iter().enumerate() {
        // Another content of the column is another sample.
        let hash = hex(&single.sha256(row)?);
        ids[sample] = format!("{} {hash}", ids[sample]);
    }
    let key = key(&[description, &recipe, &ids.join("\n")]);
    let directory = directory.join(format!("{column}-{key}"));
    let data = DataManifest::new(ids, recipe).with_rows(rows.iter().copied())?;
    let encoder = Frozen::new(encoder);
    let cache = FeatureCacheConfig::new().open(directory, &encoder, &description, data)?;
    let single = single.dataset(vec![front_end])?;
    let read = |samples: &[usize]| -> Result<PaperInput> {
        let row = |sample| rows.partition_point(|&row| row < sample);
        let items = samples.iter().map(|&sample| single.item(row(sample)));
        let batch = single.collate(items.collect::<Result<_, _>>()?, device)?;
        let input = batch.inputs.into_iter().flatten().next();
        Ok(input.ok_or("a batch without an input")?.input)
    };
    let column = column.to_string();
    let features = cache.compute(
        |samples| read(samples).map_err(|error| error.to_string()),
        move |progress| {
            eprint!(
                "\r{column}: features of {} of {}",
                progress.done, progress.total
            )
        },
    )?;
    eprintln!();
    // Kept on the host: batches are copied to the device.
    let features = PaperInput::Features(features.tensor(&Device::flex()));
    Ok(if rows.len() == manifest.len() {
        Some(ModalityInput::all(features))
    } else {
        ModalityInput::rows(features, rows)
    })
}
