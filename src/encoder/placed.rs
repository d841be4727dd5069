//! One pass through the encoders of a batch in which modalities may be missing. Every model predicts
//! and trains from it.

use burn::tensor::Tensor;

use crate::error::{MlaError, Result, same_size};
use crate::modality::{ModalityInputs, MultimodalBatch, Presence, Rows, ZeroRows};

/// Outputs of each modality with one row per sample of the batch, 0 where a sample lacks the modality;
/// `None` for a modality that the whole batch lacks.
pub(crate) type PlacedOutputs = Vec<Option<Tensor<2>>>;

/// Applies `run` to the input of each modality and places the rows of its output at their samples.
///
/// `run` takes the index and the input of a modality, and returns `[n_rows, width]`, one row per
/// sample of the input. It is not called for a modality that the batch lacks.
///
/// # Errors
///
/// - as [`MultimodalBatch::presence`] for a batch that is not well formed;
/// - [`MlaError::ModalityCount`] for a batch without exactly `n_modalities` modalities;
/// - [`MlaError::Size`] when `run` returns another number of rows than its input has.
pub(crate) fn run_placed<In: ModalityInputs>(
    batch: MultimodalBatch<In>,
    n_modalities: usize,
    mut run: impl FnMut(usize, In::One) -> Tensor<2>,
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
    let rows: Vec<Option<Rows>> = (0..n_modalities)
        .map(|modality| batch.inputs.rows(modality).cloned())
        .collect();
    let mut outputs = Vec::with_capacity(n_modalities);
    let turns = batch.into_checked_turns().into_iter().zip(rows);
    for (modality, (turn, rows)) in turns.enumerate() {
        let (Some(turn), Some(rows)) = (turn, rows) else {
            outputs.push(None);
            continue;
        };
        let output = run(modality, turn.input);
        check_rows(&output, turn.targets.len())?;
        outputs.push(Some(match rows {
            Rows::All => output,
            Rows::Some(rows) => output.place_rows(&rows, n_samples)?,
        }));
    }
    Ok((outputs, presence))
}

/// Checks that an encoder returned one row per sample.
pub(crate) fn check_rows(features: &Tensor<2>, n_samples: usize) -> Result<()> {
    same_size(
        "rows of the encoder's features (one per label)",
        n_samples,
        features.dims()[0],
    )
}
