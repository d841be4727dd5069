//! Parts of a training input, each on the device that computes it.

use std::ops::Range;

use burn::tensor::Device;

use crate::dataset::{TakeRows, TakeSamples, Taken};
use crate::error::Result;
use crate::modality::{ModalityInputs, MultimodalBatch, Rows, Turn};

/// A training input whose samples can be divided over several devices. Implemented by [`Turn`] and
/// [`MultimodalBatch`] where each input is [`TakeRows`].
pub trait Divide: Sized + Send + 'static {
    /// Number of samples.
    fn n_samples(&self) -> usize;

    /// Copies the samples in `range` to `device`.
    ///
    /// # Errors
    ///
    /// As [`TakeRows::take_rows`].
    fn part(&self, range: Range<usize>, device: &Device) -> Result<Self>;
}

/// The shares of `n_samples` samples for `n_devices` devices: as equal as possible, in order, the larger
/// ones first. Devices beyond the number of samples have none.
pub(crate) fn shares(n_samples: usize, n_devices: usize) -> impl Iterator<Item = Range<usize>> {
    let at = move |device: usize| {
        let (each, more) = (n_samples / n_devices, n_samples % n_devices);
        device * each + device.min(more)
    };
    (0..n_devices.min(n_samples)).map(move |device| at(device)..at(device + 1))
}

impl<T: TakeRows> Divide for Turn<T> {
    fn n_samples(&self) -> usize {
        self.targets.len()
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Result<Self> {
        let wanted: Vec<usize> = range.clone().collect();
        let rows = match &self.rows {
            Rows::All => wanted.clone(),
            Rows::Some(rows) => rows[range.clone()].to_vec(),
        };
        Ok(Self {
            input: self.input.take_rows(&wanted, device)?,
            targets: self.targets.select_to(&wanted, device),
            rows: Rows::Some(rows),
            samples: self.samples.as_ref().map(|all| all[range].to_vec()),
        })
    }
}

/// The rows of each modality for the samples in `range`, in the order of the samples.
fn taken<In: ModalityInputs>(inputs: &In, range: &Range<usize>) -> Vec<Taken> {
    let places = |modality| -> Vec<(usize, usize)> {
        match inputs.rows(modality) {
            None => vec![],
            Some(Rows::All) => range.clone().map(|sample| (sample, sample)).collect(),
            Some(Rows::Some(rows)) => {
                let rows = rows.iter().enumerate();
                let rows = rows.filter(|(_, sample)| range.contains(sample));
                let mut places: Vec<_> = rows.map(|(row, &sample)| (sample, row)).collect();
                places.sort_unstable();
                places
            }
        }
    };
    let taken = |modality| {
        let places = places(modality);
        Taken {
            rows: places.iter().map(|&(_, row)| row).collect(),
            samples: places.iter().map(|&(at, _)| at - range.start).collect(),
            n_samples: range.len(),
        }
    };
    (0..inputs.n_modalities()).map(taken).collect()
}

impl<In: TakeSamples> Divide for MultimodalBatch<In> {
    fn n_samples(&self) -> usize {
        self.targets.len()
    }

    fn part(&self, range: Range<usize>, device: &Device) -> Result<Self> {
        self.presence()?;
        let take = |inputs: &In| inputs.take_samples(&taken(inputs, &range), device);
        let wanted: Vec<usize> = range.clone().collect();
        Ok(Self {
            inputs: take(&self.inputs)?,
            hidden: self.hidden.as_ref().map(take).transpose()?,
            targets: self.targets.select_to(&wanted, device),
            samples: self.samples.as_ref().map(|all| all[range].to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tensor;

    use crate::modality::{ModalityInput, OneOf2, Targets};

    #[test]
    fn shares_are_equal_within_one_and_cover_all() {
        let of = |n_samples, n_devices| shares(n_samples, n_devices).collect::<Vec<_>>();
        assert_eq!(of(10, 4), [0..3, 3..6, 6..8, 8..10]);
        assert_eq!(of(2, 4), [0..1, 1..2]);
        assert_eq!(of(3, 1), [0..3]);
        assert!(of(0, 4).is_empty());
    }

    #[test]
    fn a_part_of_a_turn_keeps_the_names_of_its_samples() {
        for device in crate::test_devices() {
            let input = Tensor::<2>::from_floats([[1.0], [2.0], [3.0]], &device);
            let turn: Turn<OneOf2<Tensor<2>, Tensor<2>>> = Turn {
                rows: Rows::Some(vec![0, 4, 7]),
                samples: Some(vec![90, 12, 31]),
                ..Turn::new(OneOf2::B(input), Targets::new([2, 0, 1], &device))
            };
            let part = turn.part(1..3, &device).unwrap();
            let OneOf2::B(input) = part.input else {
                panic!("a turn of modality 1")
            };
            assert_eq!(input.into_data().try_to_vec::<f32>().unwrap(), [2.0, 3.0]);
            assert_eq!(part.targets.labels(), [0, 1]);
            assert_eq!(part.rows, Rows::Some(vec![4, 7]));
            assert_eq!(part.samples, Some(vec![12, 31]));
        }
    }

    #[test]
    fn a_part_of_a_batch_keeps_what_its_samples_have() {
        for device in crate::test_devices() {
            let rows =
                |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).unsqueeze_dim(1);
            let first: Tensor<2> = rows([1.0, 2.0, 3.0]);
            let second: Tensor<2> = rows([4.0, 5.0, 6.0]);
            // In another order than the samples.
            let second = ModalityInput::rows(second, vec![3, 0, 2]);
            let inputs = (ModalityInput::rows(first, vec![0, 1, 3]), second);
            let batch = MultimodalBatch::new(inputs, Targets::new([0, 1, 2, 3], &device));
            let part = batch.part(2..4, &device).unwrap();
            assert_eq!(part.targets.labels(), [2, 3]);
            let (first, second) = part.inputs;
            let values = |input: &ModalityInput<Tensor<2>>| -> Vec<f32> {
                input.input.clone().into_data().try_to_vec().unwrap()
            };
            let (first, second) = (first.unwrap(), second.unwrap());
            assert_eq!(
                (values(&first), first.rows),
                (vec![3.0], Rows::Some(vec![1]))
            );
            assert_eq!((values(&second), second.rows), (vec![6.0, 4.0], Rows::All));
            let nothing_missing = batch.part(0..1, &device).unwrap().inputs;
            assert_eq!(nothing_missing.0.unwrap().rows, Rows::All);
            assert!(batch.part(1..2, &device).unwrap().inputs.1.is_none());
        }
    }
}
