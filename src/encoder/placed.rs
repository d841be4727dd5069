//! One pass through the encoders of a batch in which modalities may be missing. Every model predicts
//! and trains from it.

use burn::tensor::Tensor;

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::modality::{ModalityInputs, MultimodalBatch, Presence, Rows, ZeroRows};

/// Outputs of each modality with one row per sample of the batch, 0 where a sample lacks the modality;
/// `None` for a modality that the whole batch lacks.
pub(crate) type PlacedOutputs = Vec<Option<Tensor<2>>>;

/// Applies `run` to the input of each modality and places the rows of its output at their samples.
///
/// `run` takes the input of a modality and the number of its samples, and returns one row per
/// sample. It is not called for a modality that the batch lacks.
///
/// # Errors
///
/// - as [`MultimodalBatch::presence`] for a batch that is not well formed;
/// - [`MlaError::ModalityCount`] for a batch without exactly `n_modalities` modalities;
/// - those of `run`.
pub(crate) fn run_placed<In: ModalityInputs>(
    batch: MultimodalBatch<In>,
    n_modalities: usize,
    mut run: impl FnMut(In::One, usize) -> Result<Tensor<2>>,
) -> Result<(PlacedOutputs, Presence)> {
    let presence = batch.presence()?;
    if presence.n_modalities() != n_modalities {
        return Err(MlaError::ModalityCount {
            what: "the batch",
            expected: n_modalities,
            got: presence.n_modalities(),
        });
    }
    let n_samples = presence.n_samples();
    let mut outputs = Vec::with_capacity(n_modalities);
    for turn in batch.into_checked_turns() {
        let Some(turn) = turn else {
            outputs.push(None);
            continue;
        };
        let output = run(turn.input, turn.targets.len())?;
        outputs.push(Some(match turn.rows {
            Rows::All => output,
            Rows::Some(rows) => output.place_rows(&rows, n_samples)?,
        }));
    }
    Ok((outputs, presence))
}

/// The output of a modality's hidden input with one row per sample of the batch, and the samples that
/// have it; `None` for a modality of which nothing is hidden.
#[cfg(feature = "train")]
pub(crate) type HiddenOutput = Option<(Tensor<2>, Vec<usize>)>;

/// Applies `run` to the hidden input of each modality, as [`run_placed`].
///
/// # Errors
///
/// [`MlaError::ModalityCount`] for hidden inputs without exactly `n_modalities` modalities, those of
/// [`ZeroRows::place_rows`] and of `run`.
#[cfg(feature = "train")]
pub(crate) fn run_hidden<In: ModalityInputs>(
    hidden: In,
    n_modalities: usize,
    n_samples: usize,
    mut run: impl FnMut(In::One, usize) -> Result<Tensor<2>>,
) -> Result<Vec<HiddenOutput>> {
    if hidden.n_modalities() != n_modalities {
        return Err(MlaError::ModalityCount {
            what: "the hidden inputs",
            expected: n_modalities,
            got: hidden.n_modalities(),
        });
    }
    let parts = hidden.split().into_iter().map(|part| {
        let Some(part) = part else {
            return Ok(None);
        };
        let rows = match part.rows {
            Rows::All => (0..n_samples).collect(),
            Rows::Some(rows) if rows.is_empty() => return Ok(None),
            Rows::Some(rows) => rows,
        };
        let output = run(part.input, rows.len())?.place_rows(&rows, n_samples)?;
        Ok(Some((output, rows)))
    });
    parts.collect()
}

/// Checks one modality's input and computes its features, `[n_samples, d_feature]`.
///
/// # Errors
///
/// - as [`Encoders::check`];
/// - [`MlaError::EncoderOutput`] for features of another shape.
pub(crate) fn encode<E: Encoders>(
    encoders: &E,
    input: <E::Inputs as ModalityInputs>::One,
    n_samples: usize,
) -> Result<Tensor<2>> {
    encoders.check(&input)?;
    let modality = E::Inputs::modality(&input);
    let features = encoders.encode(input);
    let expected = [n_samples, encoders.d_features()[modality]];
    let found = features.dims();
    if found == expected {
        return Ok(features);
    }
    Err(MlaError::EncoderOutput {
        modality,
        expected,
        found,
    })
}
