use burn::tensor::Device;

use crate::error::{MlaError, Result, same_size};
use crate::modality::one_of::for_each_arity;
use crate::modality::{
    ModalityInput, ModalityInputs, MultimodalBatch, Presence, Rows, SelectRows, ZeroRows,
};

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

/// The inputs of all modalities, which can be filled up with zeros: where each modality's input is
/// [`ZeroRows`], the tuples and the `Vec` of [`ModalityInputs`] are.
pub trait FillMissing: ModalityInputs + Sized {
    /// Gives each of `n_samples` samples every modality: rows of zeros where it is missing. A
    /// modality that is absent in all of them gets zeros on `device`, shaped as `template`'s.
    ///
    /// # Errors
    ///
    /// - as [`ModalityInputs::presence`] for inputs that are not well formed;
    /// - [`MlaError::UnknownShape`] for a modality that is absent here and in the template, or
    ///   when there is no template;
    /// - [`MlaError::InputRows`] for an input with another number of rows than it says.
    fn fill_missing(
        self,
        template: Option<&Self>,
        n_samples: usize,
        device: &Device,
    ) -> Result<Self>;

    /// One row of zeros of each modality, to be a template.
    ///
    /// # Errors
    ///
    /// [`MlaError::UnknownShape`] for a modality that is absent.
    fn zero_row(&self, device: &Device) -> Result<Self>;
}

/// Feeds a missing modality as zeros, and trains on them. **Not what the paper says**, but what the
/// authors' code does; only for comparison with it.
///
/// Every sample then has every modality: the encoder of a missing one runs on zeros, its loss and
/// its mean feature count, and it has a share in the fusion. The method itself leaves such a sample
/// out of the modality's turns and of the fusion, which is what this crate does unless told to do
/// this.
///
/// Of a modality that is absent in a whole batch, the shape is taken from another batch:
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::modality::{ModalityInput, MultimodalBatch, Targets, ZeroInput};
///
/// let device = Device::flex();
/// let targets = Targets::new([0, 1], &device);
/// let inputs = (Tensor::<2>::ones([2, 3], &device), Tensor::<3>::ones([2, 4, 5], &device));
/// let complete = MultimodalBatch::paired(inputs, targets.clone());
/// let zero_input = ZeroInput::like(&complete)?;
///
/// let first = ModalityInput::rows(Tensor::<2>::ones([2, 3], &device), vec![0, 1]);
/// let second_is_absent = MultimodalBatch::new((first, None), targets);
/// let filled = zero_input.fill(second_is_absent)?;
/// assert!(filled.presence()?.is_complete());
/// assert_eq!(filled.inputs.1.unwrap().input.dims(), [2, 4, 5]);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ZeroInput<In> {
    template: In,
}

impl<In: FillMissing> ZeroInput<In> {
    /// Zeros shaped as the inputs of a batch, in which each modality must occur.
    ///
    /// # Errors
    ///
    /// [`MlaError::UnknownShape`] names a modality that does not.
    pub fn like(batch: &MultimodalBatch<In>) -> Result<Self> {
        let device = batch.targets.tensor().device();
        let template = batch.inputs.zero_row(&device)?;
        Ok(Self { template })
    }

    /// The batch with zeros wherever a modality is missing, so that nothing is. A modality that is
    /// absent in the whole batch goes where the labels are.
    ///
    /// # Errors
    ///
    /// - as [`MultimodalBatch::presence`] for a batch that is not well formed, samples without any
    ///   modality included;
    /// - [`MlaError::ModalityCount`] when it has another number of modalities;
    /// - [`MlaError::InputRows`] for an input with another number of rows than it says.
    pub fn fill(&self, batch: MultimodalBatch<In>) -> Result<MultimodalBatch<In>> {
        batch.filled(Some(&self.template))
    }
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

    /// Feeds what is missing as zeros: the policy [`ZeroInput`], which is not the paper's, for
    /// batches in which each modality occurs.
    ///
    /// # Errors
    ///
    /// As [`ZeroInput::fill`], and [`MlaError::UnknownShape`] for a modality that is absent in the
    /// whole batch: take [`ZeroInput::like`] a batch that has it.
    pub fn with_zero_inputs(self) -> Result<Self>
    where
        In: FillMissing,
    {
        self.filled(None)
    }

    fn filled(self, template: Option<&In>) -> Result<Self>
    where
        In: FillMissing,
    {
        self.presence()?;
        let device = self.targets.tensor().device();
        let n_samples = self.targets.len();
        Ok(Self {
            inputs: self.inputs.fill_missing(template, n_samples, &device)?,
            targets: self.targets,
            samples: self.samples,
        })
    }
}

fn check_input_rows(input: &impl SelectRows, modality: usize, expected: usize) -> Result<()> {
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

fn fill<I: ZeroRows>(
    part: Option<ModalityInput<I>>,
    template: Option<&ModalityInput<I>>,
    modality: usize,
    n_samples: usize,
    device: &Device,
) -> Result<Option<ModalityInput<I>>> {
    let input = match part {
        Some(ModalityInput { input, rows }) => match rows {
            Rows::All => {
                check_input_rows(&input, modality, n_samples)?;
                input
            }
            Rows::Some(rows) => {
                check_input_rows(&input, modality, rows.len())?;
                input.place_rows(&rows, n_samples)?
            }
        },
        None => template
            .ok_or(MlaError::UnknownShape { modality })?
            .input
            .zeros(n_samples, device),
    };
    Ok(Some(ModalityInput::all(input)))
}

fn row_of<I: ZeroRows>(
    part: &Option<ModalityInput<I>>,
    modality: usize,
    device: &Device,
) -> Result<Option<ModalityInput<I>>> {
    let part = part.as_ref().ok_or(MlaError::UnknownShape { modality })?;
    Ok(Some(ModalityInput::all(part.input.zeros(1, device))))
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

impl<I: ZeroRows + Send + 'static> FillMissing for Vec<Option<ModalityInput<I>>> {
    fn fill_missing(
        self,
        template: Option<&Self>,
        n_samples: usize,
        device: &Device,
    ) -> Result<Self> {
        self.presence(n_samples)?;
        if let Some(template) = template
            && template.len() != self.len()
        {
            return Err(MlaError::ModalityCount {
                what: "the batch to fill",
                expected: template.len(),
                got: self.len(),
            });
        }
        let parts = self.into_iter().enumerate();
        parts
            .map(|(m, part)| {
                let like = template.and_then(|template| template[m].as_ref());
                fill(part, like, m, n_samples, device)
            })
            .collect()
    }

    fn zero_row(&self, device: &Device) -> Result<Self> {
        let parts = self.iter().enumerate();
        parts
            .map(|(modality, part)| row_of(part, modality, device))
            .collect()
    }
}

macro_rules! tuple_partial {
    ($one:ident, $n:literal, [$($t:ident $i:tt),+]) => {
        impl<$($t: SelectRows + Send + 'static),+> KeepPresent
            for ($(Option<ModalityInput<$t>>,)+)
        {
            fn keep_present(self, presence: &Presence) -> Result<Self> {
                let presence = common(&self, presence)?;
                Ok(($(keep(self.$i, $i, &presence)?,)+))
            }
        }

        impl<$($t: ZeroRows + Send + 'static),+> FillMissing
            for ($(Option<ModalityInput<$t>>,)+)
        {
            fn fill_missing(
                self,
                template: Option<&Self>,
                n_samples: usize,
                device: &Device,
            ) -> Result<Self> {
                self.presence(n_samples)?;
                Ok(($({
                    let like = template.and_then(|template| template.$i.as_ref());
                    fill(self.$i, like, $i, n_samples, device)?
                },)+))
            }

            fn zero_row(&self, device: &Device) -> Result<Self> {
                Ok(($(row_of(&self.$i, $i, device)?,)+))
            }
        }
    };
}

for_each_arity!(tuple_partial);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modality::Targets;

    type Pair = (
        Option<ModalityInput<Vec<u32>>>,
        Option<ModalityInput<Vec<char>>>,
    );

    /// Samples 0, 1, 2; the second modality's rows are samples 2 and 0.
    fn partial() -> MultimodalBatch<Pair> {
        let inputs = (
            Some(ModalityInput::all(vec![10, 11, 12])),
            ModalityInput::rows(vec!['c', 'a'], vec![2, 0]),
        );
        MultimodalBatch::new(inputs, Targets::new([0, 1, 0], &Device::flex()))
    }

    fn presence(rows: [[bool; 2]; 3]) -> Presence {
        Presence::from_mask(rows.concat(), 2).unwrap()
    }

    fn part<I: Clone>(part: &Option<ModalityInput<I>>) -> (I, Rows) {
        let part = part.clone().unwrap();
        (part.input, part.rows)
    }

    #[test]
    fn a_partial_batch_keeps_what_is_in_both() {
        let mask = presence([[false, true], [true, true], [true, false]]);
        let batch = partial().with_presence(&mask).unwrap();
        assert_eq!(
            part(&batch.inputs.0),
            (vec![11, 12], Rows::Some(vec![1, 2]))
        );
        assert_eq!(part(&batch.inputs.1), (vec!['a'], Rows::Some(vec![0])));

        let without_second = presence([[true, false], [true, false], [true, false]]);
        let batch = partial().with_presence(&without_second).unwrap();
        assert!(batch.inputs.1.is_none());
        assert_eq!(
            part(&batch.inputs.0),
            (vec![10, 11, 12], Rows::All),
            "nothing is copied"
        );
    }

    #[test]
    fn a_sample_that_loses_everything_is_named() {
        let mask = presence([[true, true], [false, true], [true, true]]);
        assert_eq!(
            partial().with_presence(&mask).unwrap_err(),
            MlaError::NothingPresent { sample: 1 }
        );
    }

    #[test]
    fn a_presence_of_another_size_is_refused() {
        assert!(matches!(
            partial().with_presence(&Presence::all(4, 2)),
            Err(MlaError::Size {
                expected: 3,
                got: 4,
                ..
            })
        ));
        assert!(matches!(
            partial().with_presence(&Presence::all(3, 3)),
            Err(MlaError::ModalityCount {
                expected: 2,
                got: 3,
                ..
            })
        ));
    }

    #[test]
    fn missing_rows_are_filled_with_zeros() {
        let batch = partial().with_zero_inputs().unwrap();
        assert_eq!(part(&batch.inputs.0), (vec![10, 11, 12], Rows::All));
        assert_eq!(part(&batch.inputs.1), (vec!['a', '\0', 'c'], Rows::All));
    }

    #[test]
    fn the_shape_of_an_absent_modality_is_asked_for() {
        let mut batch = partial();
        batch.inputs.1 = None;
        let error = MlaError::UnknownShape { modality: 1 };
        assert_eq!(batch.clone().with_zero_inputs().unwrap_err(), error);
        assert_eq!(ZeroInput::like(&batch).map(|_| ()).unwrap_err(), error);
        let filled = ZeroInput::like(&partial()).unwrap().fill(batch).unwrap();
        assert_eq!(part(&filled.inputs.1), (vec!['\0'; 3], Rows::All));
    }

    #[test]
    fn inputs_with_other_rows_than_they_say_are_named() {
        let mut batch = partial();
        batch.inputs.0 = Some(ModalityInput::all(vec![10, 11]));
        let error = MlaError::InputRows {
            modality: 0,
            expected: 3,
            got: 2,
        };
        assert_eq!(batch.clone().with_zero_inputs().unwrap_err(), error);
        let mask = presence([[true, false], [true, true], [true, true]]);
        assert_eq!(batch.with_presence(&mask).unwrap_err(), error);
    }

    #[test]
    fn equal_modalities_in_a_vec_work_alike() {
        let inputs = vec![Some(ModalityInput::all(vec![1, 2])), None];
        let targets = Targets::new([0, 1], &Device::flex());
        let batch = MultimodalBatch::new(inputs, targets.clone());
        let like =
            MultimodalBatch::paired(vec![vec![5], vec![6]], Targets::new([0], &Device::flex()));
        let filled = ZeroInput::like(&like).unwrap().fill(batch).unwrap();
        assert_eq!(part(&filled.inputs[1]), (vec![0, 0], Rows::All));

        let mask = Presence::from_mask(vec![true, false, false, true], 2).unwrap();
        let kept = filled.with_presence(&mask).unwrap();
        assert_eq!(part(&kept.inputs[0]), (vec![1], Rows::Some(vec![0])));
        assert_eq!(part(&kept.inputs[1]), (vec![0], Rows::Some(vec![1])));

        let three = MultimodalBatch::paired(vec![vec![1, 2]; 3], targets);
        let error = ZeroInput::like(&like).unwrap().fill(three);
        assert!(matches!(error, Err(MlaError::ModalityCount { .. })));
    }
}
