//! The distance between the features of modalities.

use burn::tensor::Tensor;

use crate::analysis::features;
use crate::error::{MlaError, Result, check_order, same_size};

/// Modality gap: the distance between the features of modalities (Liang, Zhang, Kwon, Yeung, Zou,
/// "Mind the Gap: Understanding the Modality Gap in Multi-modal Contrastive Representation
/// Learning", NeurIPS 2022).
///
/// With the feature `h_m(x)` of modality `m` and sample `x`, of the `n_m` samples that have it:
///
/// ```text
/// centre_m = 1 / n_m * sum over x of h_m(x) / |h_m(x)|
/// gap(a, b) = |centre_a - centre_b|
/// ```
///
/// In `[0, 2]`, without a unit. Modalities may have different samples. A zero feature has no
/// direction and pulls the centre towards 0. Samples are added in batches, of which only a sum is
/// stored.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::analysis::ModalityGap;
///
/// let device = Device::flex();
/// let image = Tensor::from_floats([[2.0, 0.0], [0.5, 0.0]], &device);
/// let text = Tensor::from_floats([[0.0, 3.0]], &device);
/// let gap = ModalityGap::of(&[image, text])?;
/// assert_eq!(gap.distance(0, 1)?, 2.0f64.sqrt());
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ModalityGap {
    modalities: Vec<Directions>,
}

/// The directions of the features of a modality.
#[derive(Debug, Clone, Default, PartialEq)]
struct Directions {
    n_samples: usize,
    /// `[d_feature]`; empty before the first batch.
    sum: Vec<f64>,
}

impl ModalityGap {
    /// Creates a gap without samples.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for fewer than 2 modalities.
    pub fn new(n_modalities: usize) -> Result<Self> {
        check_order("n_modalities", n_modalities, "at least 2", 2)?;
        Ok(Self {
            modalities: vec![Directions::default(); n_modalities],
        })
    }

    /// Computes the gap of all features at once, `[n_samples, d_feature]` per modality.
    ///
    /// # Errors
    ///
    /// [`MlaError::Empty`] for a modality without a sample; else those of [`new`](Self::new) and
    /// [`add`](Self::add).
    pub fn of(features: &[Tensor<2>]) -> Result<Self> {
        let mut gap = Self::new(features.len())?;
        for (modality, features) in features.iter().enumerate() {
            gap.add(modality, features)?;
            gap.centre(modality)?;
        }
        Ok(gap)
    }

    /// Adds a batch of features of a modality, `[n_samples, d_feature]`. After an error nothing is
    /// added.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModalityOutOfRange`], [`MlaError::Size`] for another `d_feature` than before,
    /// of this or another modality, [`MlaError::NonFiniteFeatures`], or [`MlaError::DeviceRead`].
    pub fn add(&mut self, modality: usize, features: &Tensor<2>) -> Result<()> {
        self.check(modality)?;
        let [n_samples, d_feature] = features.dims();
        let mut known = self.modalities.iter().filter(|known| known.n_samples > 0);
        if let Some(known) = known.next() {
            same_size(
                "feature width of the modalities",
                known.sum.len(),
                d_feature,
            )?;
        }
        let rows = features::read(features, Some(modality))?;
        if n_samples == 0 {
            return Ok(());
        }
        let directions = &mut self.modalities[modality];
        directions.n_samples += n_samples;
        directions.sum.resize(d_feature, 0.0);
        for row in rows {
            // Dividing by the largest entry first keeps the squares from over- and underflowing.
            let largest = row.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            if largest == 0.0 {
                continue;
            }
            let scaled: Vec<f64> = row.iter().map(|x| x / largest).collect();
            let length = norm(scaled.iter().copied());
            let sum = directions.sum.iter_mut();
            sum.zip(scaled).for_each(|(sum, x)| *sum += x / length);
        }
        Ok(())
    }

    /// The gap between two modalities, in `[0, 2]`.
    ///
    /// # Errors
    ///
    /// [`MlaError::ModalityOutOfRange`], or [`MlaError::Empty`] for a modality without a sample.
    pub fn distance(&self, a: usize, b: usize) -> Result<f64> {
        let (a, b) = (self.centre(a)?, self.centre(b)?);
        Ok(norm(a.into_iter().zip(b).map(|(a, b)| a - b)))
    }

    /// The mean gap over all pairs of modalities.
    ///
    /// # Errors
    ///
    /// [`MlaError::Empty`] for a modality without a sample.
    pub fn mean(&self) -> Result<f64> {
        let n = self.modalities.len();
        let pairs = (0..n).flat_map(|a| (0..a).map(move |b| (a, b)));
        let distances: Result<Vec<f64>> = pairs.map(|(a, b)| self.distance(a, b)).collect();
        Ok(distances?.into_iter().sum::<f64>() / (n * (n - 1) / 2) as f64)
    }

    /// Number of samples of a modality.
    ///
    /// # Panics
    ///
    /// If the modality does not exist.
    pub fn n_samples(&self, modality: usize) -> usize {
        self.modalities[modality].n_samples
    }

    fn centre(&self, modality: usize) -> Result<Vec<f64>> {
        self.check(modality)?;
        let Directions { n_samples, sum } = &self.modalities[modality];
        match n_samples {
            0 => Err(MlaError::Empty {
                what: "a modality of the gap",
            }),
            n => Ok(sum.iter().map(|x| x / *n as f64).collect()),
        }
    }

    fn check(&self, modality: usize) -> Result<()> {
        match modality < self.modalities.len() {
            true => Ok(()),
            false => Err(MlaError::ModalityOutOfRange {
                modality,
                n_modalities: self.modalities.len(),
            }),
        }
    }
}

fn norm(vector: impl Iterator<Item = f64>) -> f64 {
    vector.map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;

    fn tensor(rows: &[Vec<f32>], device: &Device) -> Tensor<2> {
        let shape = [rows.len(), rows.first().map_or(3, Vec::len)];
        Tensor::from_data(TensorData::new(rows.concat(), shape), device)
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-7, "{found}, not {expected}");
    }

    #[test]
    fn gaps_worked_by_hand() {
        for device in test_devices() {
            // Centres (0.8, 0.3), (-1, 0) and (0, 0.5): of the last, one feature is zero.
            let a = Tensor::from_floats([[3.0, 4.0], [10.0, 0.0]], &device);
            let b = Tensor::from_floats([[-0.1, 0.0]], &device);
            let c = Tensor::from_floats([[0.0, 7.0], [0.0, 0.0]], &device);
            let gap = ModalityGap::of(&[a, b, c]).unwrap();
            let pairs = [
                (0, 1, (1.8f64 * 1.8 + 0.4 * 0.4).sqrt()),
                (0, 2, (0.8f64 * 0.8 + 0.1 * 0.1).sqrt()),
                (1, 2, (1.0f64 + 0.25).sqrt()),
            ];
            for (a, b, expected) in pairs {
                close(gap.distance(a, b).unwrap(), expected);
            }
            let sum: f64 = pairs.iter().map(|pair| pair.2).sum();
            close(gap.mean().unwrap(), sum / 3.0);
            assert_eq!(gap.n_samples(2), 2);
        }
    }

    #[test]
    fn opposite_features_are_2_apart() {
        let at = |x: f32| tensor(&vec![vec![x, 0.0, -x]; 5], &Device::flex());
        let gap = ModalityGap::of(&[at(1e-30), at(-1e30)]).unwrap();
        close(gap.mean().unwrap(), 2.0);
    }

    #[test]
    fn features_may_have_a_gradient() {
        let device = Device::flex().autodiff();
        let features = tensor(&[vec![1.0, 2.0]], &device).require_grad();
        let gap = ModalityGap::of(&[features.clone(), features]).unwrap();
        assert_eq!(gap.mean().unwrap(), 0.0);
    }

    fn features() -> impl Strategy<Value = Vec<Vec<f32>>> {
        prop::collection::vec(prop::collection::vec(-9.0..9.0f32, 3), 1..8)
    }

    proptest! {
        #[test]
        fn it_is_a_distance_of_directions_only(
            a in features(),
            b in features(),
            scale in prop::collection::vec(1e-3..1e3f32, 8),
        ) {
            let device = Device::flex();
            let [first, second] = [&a, &b].map(|rows| tensor(rows, &device));
            let gap = ModalityGap::of(&[first.clone(), second.clone(), first.clone()]).unwrap();
            prop_assert_eq!(gap.distance(0, 2).unwrap(), 0.0);
            let found = gap.distance(0, 1).unwrap();
            prop_assert_eq!(found, gap.distance(1, 0).unwrap());
            prop_assert!((0.0..=2.0 + 1e-12).contains(&found));

            let scaled: Vec<Vec<f32>> = a
                .iter()
                .zip(&scale)
                .map(|(row, scale)| row.iter().map(|x| x * scale).collect())
                .collect();
            let scaled = ModalityGap::of(&[tensor(&scaled, &device), second]).unwrap();
            close(scaled.distance(0, 1).unwrap(), found);
        }

        #[test]
        fn batches_make_what_all_at_once_makes(a in features(), b in features(), cut in 0..8usize) {
            let device = Device::flex();
            let all = ModalityGap::of(&[tensor(&a, &device), tensor(&b, &device)]).unwrap();
            let mut batches = ModalityGap::new(2).unwrap();
            let (first, second) = a.split_at(cut.min(a.len()));
            batches.add(0, &tensor(first, &device)).unwrap();
            batches.add(1, &tensor(&b, &device)).unwrap();
            batches.add(0, &tensor(second, &device)).unwrap();
            prop_assert_eq!(all, batches);
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_not_counted() {
        for device in test_devices() {
            let good = tensor(&[vec![1.0, 2.0, 3.0]], &device);
            let mut gap = ModalityGap::of(&[good.clone(), good.clone()]).unwrap();
            let before = gap.clone();
            let nan = tensor(&[vec![1.0; 3], vec![0.0, f32::NAN, 0.0]], &device);
            let error = gap.add(1, &nan).unwrap_err();
            assert_eq!(
                error.to_string(),
                "non-finite feature of sample 1 of modality 1"
            );
            let narrow = tensor(&[vec![1.0, 2.0]], &device);
            assert!(matches!(
                gap.add(0, &narrow),
                Err(MlaError::Size {
                    expected: 3,
                    got: 2,
                    ..
                })
            ));
            assert!(matches!(
                gap.add(2, &good),
                Err(MlaError::ModalityOutOfRange { modality: 2, .. })
            ));
            assert_eq!(gap, before);
            assert!(gap.distance(0, 2).is_err());
            let of = ModalityGap::of(&[good.clone(), narrow]);
            assert!(matches!(of, Err(MlaError::Size { .. })));
            let of = ModalityGap::of(&[good.clone(), tensor(&[], &device)]);
            assert!(matches!(of, Err(MlaError::Empty { .. })));
            assert!(ModalityGap::of(&[good]).is_err());
        }
        let empty = ModalityGap::new(2).unwrap();
        assert!(matches!(empty.mean(), Err(MlaError::Empty { .. })));
    }
}
