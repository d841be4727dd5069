//! Taking modalities away from a batch by a modality mask.

use crate::error::{MlaError, Result, same_size};
use crate::modality::one_of::for_each_arity;
use crate::modality::{ModalityInput, ModalityInputs, MultimodalBatch, Presence, Rows, SelectRows};

/// The inputs of all modalities, of which rows can be taken away: where each modality's input is
/// [`SelectRows`], the tuples and the `Vec` of [`ModalityInputs`] are.
pub trait KeepPresent: ModalityInputs + Sized {
    /// Keeps of each modality the rows of samples that have it in `presence`, in their order. A
    /// modality of which nothing is left becomes `None`.
    ///
    /// # Errors
    ///
    /// - as [`ModalityInputs::presence`] for inputs that are not well formed;
    /// - [`MlaError::ModalityCount`] for a presence of another number of modalities;
    /// - [`MlaError::NothingPresent`] for a sample that would lose everything it has;
    /// - [`MlaError::InputRows`] for an input with another number of rows than it says.
    fn keep_present(self, presence: &Presence) -> Result<Self>;
}

impl<In: ModalityInputs> MultimodalBatch<In> {
    /// Takes away what is not in `presence`, which has this batch's samples in this order: of each
    /// modality only the rows of samples that have it there are kept. A batch that lacks something
    /// already keeps what is in both.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::modality::{MissingRate, MultimodalBatch, Targets};
    ///
    /// let device = Device::flex();
    /// let split = MissingRate::new(0.5, 0)?.presence("train", 100, 2)?;
    /// let samples = [4, 90, 17]; // the batch's, by their position in the split
    /// let inputs = (Tensor::<2>::zeros([3, 5], &device), Tensor::<2>::zeros([3, 7], &device));
    /// let batch = MultimodalBatch::paired(inputs, Targets::new([0, 1, 0], &device));
    /// let batch = batch.with_presence(&split.select(&samples)?)?;
    /// assert_eq!(batch.presence()?, split.select(&samples)?);
    /// # Ok::<(), burn_mla::MlaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`MlaError::Size`] for a presence of another number of samples;
    /// - as [`MultimodalBatch::presence`] and [`KeepPresent::keep_present`]; above all
    ///   [`MlaError::NothingPresent`] for a sample that would lose everything it has.
    pub fn with_presence(self, presence: &Presence) -> Result<Self>
    where
        In: KeepPresent,
    {
        self.presence()?;
        same_size(
            "samples of the presence",
            self.targets.len(),
            presence.n_samples(),
        )?;
        Ok(Self {
            inputs: self.inputs.keep_present(presence)?,
            targets: self.targets,
            samples: self.samples,
        })
    }
}

pub(super) fn check_input_rows(
    input: &impl SelectRows,
    modality: usize,
    expected: usize,
) -> Result<()> {
    match input.n_rows()? {
        got if got == expected => Ok(()),
        got => Err(MlaError::InputRows {
            modality,
            expected,
            got,
        }),
    }
}

fn keep<I: SelectRows>(
    part: Option<ModalityInput<I>>,
    modality: usize,
    presence: &Presence,
) -> Result<Option<ModalityInput<I>>> {
    let Some(part) = part else {
        return Ok(None);
    };
    let samples = match &part.rows {
        Rows::All => (0..presence.n_samples()).collect(),
        Rows::Some(rows) => rows.clone(),
    };
    check_input_rows(&part.input, modality, samples.len())?;
    let kept: Vec<usize> = (0..samples.len())
        .filter(|&row| presence.is_present(samples[row], modality))
        .collect();
    if kept.is_empty() {
        return Ok(None);
    }
    if kept.len() == samples.len() {
        return Ok(Some(part));
    }
    let samples = kept.iter().map(|&row| samples[row]).collect();
    Ok(ModalityInput::rows(part.input.select_rows(&kept)?, samples))
}

/// What is in both the inputs and `presence`.
fn common(inputs: &impl ModalityInputs, presence: &Presence) -> Result<Presence> {
    inputs
        .presence(presence.n_samples())?
        .intersection(presence)
}

impl<I: SelectRows + Send + 'static> KeepPresent for Vec<Option<ModalityInput<I>>> {
    fn keep_present(self, presence: &Presence) -> Result<Self> {
        let presence = common(&self, presence)?;
        let parts = self.into_iter().enumerate();
        parts
            .map(|(modality, part)| keep(part, modality, &presence))
            .collect()
    }
}

macro_rules! tuple_keep {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        impl<$($t: SelectRows + Send + 'static),+> KeepPresent
            for ($(Option<ModalityInput<$t>>,)+)
        {
            fn keep_present(self, presence: &Presence) -> Result<Self> {
                let presence = common(&self, presence)?;
                Ok(($(keep(self.$i, $i, &presence)?,)+))
            }
        }
    };
}

for_each_arity!(tuple_keep);
