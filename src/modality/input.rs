//! Inputs of the modalities of a batch, with the samples that their rows belong to.

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{MlaError, Result, same_size};
use crate::modality::one_of::*;
use crate::modality::{Indexed, Presence};

/// The samples of a batch that the rows of a modality's input belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// Row `i` belongs to sample `i`, for every sample.
    All,
    /// Row `i` belongs to the sample at position `i` of the list; other samples lack the modality.
    Some(Vec<usize>),
}

/// The input of one modality, for the samples of a batch that have it.
///
/// A sample without the modality has no row in `input`. It is therefore excluded from the
/// modality's forward pass, loss, batch-norm statistics and mean feature.
#[derive(Debug, Clone)]
pub struct ModalityInput<I> {
    /// The encoder's input, one row per sample that has the modality.
    pub input: I,
    /// The samples that the rows belong to.
    pub rows: Rows,
}

impl<const D: usize> ModalityInput<Tensor<D>> {
    /// An input from the values of all samples in row-major order, of shape `shape`, whose first
    /// dimension is the number of samples.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] when the number of values is not that of the shape.
    pub fn from_array(values: Vec<f32>, shape: [usize; D], device: &Device) -> Result<Self> {
        same_size("values of an array", shape.iter().product(), values.len())?;
        let data = TensorData::new(values, shape);
        Ok(Self::all(Tensor::from_data(data, device)))
    }
}

impl ModalityInput<Tensor<2>> {
    /// An input from one row of values per sample, `None` for a sample without the modality; `None`
    /// when no sample has it.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] for rows of different lengths.
    pub fn from_rows<R: AsRef<[f32]>>(rows: &[Option<R>], device: &Device) -> Result<Option<Self>> {
        let (mut samples, mut values, mut width) = (vec![], vec![], None);
        for (sample, row) in rows.iter().enumerate() {
            let Some(row) = row.as_ref().map(R::as_ref) else {
                continue;
            };
            let width = *width.get_or_insert(row.len());
            same_size("values of a row", width, row.len())?;
            samples.push(sample);
            values.extend_from_slice(row);
        }
        let data = TensorData::new(values, [samples.len(), width.unwrap_or(0)]);
        Ok(if samples.len() == rows.len() && !rows.is_empty() {
            Some(Self::all(Tensor::from_data(data, device)))
        } else if samples.is_empty() {
            None
        } else {
            Self::rows(Tensor::from_data(data, device), samples)
        })
    }
}

impl<I> ModalityInput<I> {
    /// An input whose row `i` belongs to sample `i`, for every sample of the batch.
    pub fn all(input: I) -> Self {
        Self {
            input,
            rows: Rows::All,
        }
    }

    /// An input whose row `i` belongs to sample `rows[i]`; `None` when no sample has the modality.
    pub fn rows(input: I, rows: Vec<usize>) -> Option<Self> {
        (!rows.is_empty()).then_some(Self {
            input,
            rows: Rows::Some(rows),
        })
    }

    pub(crate) fn map<J>(self, f: impl FnOnce(I) -> J) -> ModalityInput<J> {
        ModalityInput {
            input: f(self.input),
            rows: self.rows,
        }
    }
}

/// The inputs of all modalities of a batch: a tuple of 2 to 8
/// `Option<`[`ModalityInput`]`<I>>`, each with its own `I`, or a `Vec` of them with one `I`.
///
/// `None` marks a modality that no sample of the batch has.
pub trait ModalityInputs: Send + 'static {
    /// The input of one modality, tagged with the modality.
    type One: Send + 'static;

    /// Number of modalities.
    fn n_modalities(&self) -> usize;

    /// The rows of a modality; `None` when it is absent in the whole batch.
    fn rows(&self, modality: usize) -> Option<&Rows>;

    /// Splits the inputs by modality, in order.
    fn split(self) -> Vec<Option<ModalityInput<Self::One>>>;

    /// The modality of an input.
    fn modality(one: &Self::One) -> usize;

    /// The modality mask of a batch with `n_samples` samples.
    ///
    /// # Errors
    ///
    /// [`MlaError::BadRow`] for a row of a sample that has one already or is not in the batch,
    /// [`MlaError::NothingPresent`] for a sample without any modality.
    fn presence(&self, n_samples: usize) -> Result<Presence> {
        let n_modalities = self.n_modalities();
        let all = (0..n_modalities).all(|m| matches!(self.rows(m), Some(Rows::All)));
        if all && n_modalities > 0 {
            return Ok(Presence::all(n_samples, n_modalities));
        }
        let mut mask = vec![false; n_samples * n_modalities];
        for modality in 0..n_modalities {
            match self.rows(modality) {
                None => {}
                Some(Rows::All) => {
                    (0..n_samples).for_each(|sample| mask[sample * n_modalities + modality] = true)
                }
                Some(Rows::Some(rows)) => {
                    for (row, &sample) in rows.iter().enumerate() {
                        if sample >= n_samples || mask[sample * n_modalities + modality] {
                            return Err(MlaError::BadRow {
                                modality,
                                row,
                                sample,
                                n_samples,
                            });
                        }
                        mask[sample * n_modalities + modality] = true;
                    }
                }
            }
        }
        Presence::from_mask(mask, n_modalities)
    }
}

/// Complete inputs, in which every sample has every modality: a tuple `(A, B, ..)` or a `Vec<I>`.
pub trait PairedInputs {
    /// The inputs with their rows.
    type Inputs: ModalityInputs;

    /// Marks every modality as present in every sample.
    fn into_inputs(self) -> Self::Inputs;
}

impl<I: Send + 'static> ModalityInputs for Vec<Option<ModalityInput<I>>> {
    type One = Indexed<I>;

    fn n_modalities(&self) -> usize {
        self.len()
    }

    fn rows(&self, modality: usize) -> Option<&Rows> {
        self[modality].as_ref().map(|input| &input.rows)
    }

    fn split(self) -> Vec<Option<ModalityInput<Indexed<I>>>> {
        self.into_iter()
            .enumerate()
            .map(|(modality, input)| input.map(|i| i.map(|input| Indexed { modality, input })))
            .collect()
    }

    fn modality(one: &Indexed<I>) -> usize {
        one.modality
    }
}

impl<I: Send + 'static> PairedInputs for Vec<I> {
    type Inputs = Vec<Option<ModalityInput<I>>>;

    fn into_inputs(self) -> Self::Inputs {
        self.into_iter()
            .map(|input| Some(ModalityInput::all(input)))
            .collect()
    }
}

macro_rules! tuple_inputs {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        impl<$($t: Send + 'static),+> ModalityInputs for ($(Option<ModalityInput<$t>>,)+) {
            type One = $one<$($t),+>;

            fn n_modalities(&self) -> usize {
                $n
            }

            fn rows(&self, modality: usize) -> Option<&Rows> {
                match modality {
                    $($i => self.$i.as_ref().map(|input| &input.rows),)+
                    _ => None,
                }
            }

            fn split(self) -> Vec<Option<ModalityInput<Self::One>>> {
                vec![$(self.$i.map(|input| input.map($one::$t)),)+]
            }

            fn modality(one: &Self::One) -> usize {
                match one {
                    $($one::$t(_) => $i,)+
                }
            }
        }

        impl<$($t: Send + 'static),+> PairedInputs for ($($t,)+) {
            type Inputs = ($(Option<ModalityInput<$t>>,)+);

            fn into_inputs(self) -> Self::Inputs {
                ($(Some(ModalityInput::all(self.$i)),)+)
            }
        }
    };
}

for_each_arity!(tuple_inputs);

#[cfg(test)]
mod tests {
    use super::*;

    type Pair = (
        Option<ModalityInput<u8>>,
        Option<ModalityInput<&'static str>>,
    );

    #[test]
    fn presence_follows_the_rows() {
        let inputs: Pair = (
            Some(ModalityInput::all(0)),
            ModalityInput::rows("two of three", vec![2, 0]),
        );
        let presence = inputs.presence(3).unwrap();
        assert_eq!(presence.rows(0), [0, 1, 2]);
        assert_eq!(presence.rows(1), [0, 2]);
    }

    #[test]
    fn bad_rows_are_named() {
        let twice: Pair = (
            Some(ModalityInput::all(0)),
            ModalityInput::rows("", vec![1, 1]),
        );
        assert_eq!(
            twice.presence(3),
            Err(MlaError::BadRow {
                modality: 1,
                row: 1,
                sample: 1,
                n_samples: 3
            })
        );
        let outside: Pair = (
            Some(ModalityInput::all(0)),
            ModalityInput::rows("", vec![3]),
        );
        assert_eq!(
            outside.presence(3),
            Err(MlaError::BadRow {
                modality: 1,
                row: 0,
                sample: 3,
                n_samples: 3
            })
        );
        let far: Pair = (None, ModalityInput::rows("", vec![usize::MAX]));
        assert!(matches!(far.presence(3), Err(MlaError::BadRow { .. })));
        let nothing: Pair = (None, ModalityInput::rows("", vec![0, 2]));
        assert_eq!(
            nothing.presence(3),
            Err(MlaError::NothingPresent { sample: 1 })
        );
    }

    #[test]
    fn no_rows_is_an_absent_modality() {
        assert!(ModalityInput::rows(7, vec![]).is_none());
        let inputs: Vec<Option<ModalityInput<u8>>> = vec![];
        assert!(matches!(
            inputs.presence(2),
            Err(MlaError::NoModalities { .. })
        ));
    }

    #[test]
    fn splitting_keeps_the_order_of_modalities() {
        let parts = (1u8, "one").into_inputs().split();
        let modalities: Vec<usize> = parts
            .iter()
            .map(|part| Pair::modality(&part.as_ref().unwrap().input))
            .collect();
        assert_eq!(modalities, [0, 1]);
    }
}
