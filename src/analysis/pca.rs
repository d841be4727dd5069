//! Principal component analysis, for plots of features in a plane.

use burn::tensor::Tensor;

use crate::analysis::features;
use crate::error::{MlaError, Result, at_least_one, same_size};
use crate::numeric::{Eigen, Symmetric};

/// Principal component analysis: the orthogonal directions along which features vary most
/// (Pearson, "On Lines and Planes of Closest Fit to Systems of Points in Space", 1901).
///
/// Components are unit vectors in descending order of variance. The largest loading of each is
/// positive, which makes the result reproducible. They are eigenvectors of the covariance,
/// computed on the host in f64 at a cost that grows with the cube of the feature width.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_mla::analysis::Pca;
///
/// // On the line (1, 1) * t.
/// let features = Tensor::from_floats([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], &Device::flex());
/// let pca = Pca::fit(&features, 2)?;
/// assert!((pca.explained_variance_ratio()[0] - 1.0).abs() < 1e-12);
/// let projected = pca.transform(&features)?;
/// assert!((projected[2][0] - 2.0f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    components: Vec<Vec<f64>>,
    variances: Vec<f64>,
    total_variance: f64,
}

/// Deviations from the mean below this share of the features are rounding errors.
const ROUNDING: f64 = 1e-14;

/// Eigenvalues of a Gram matrix below this share of the largest leave their eigenvectors too
/// inaccurate.
const SMALLEST_RATIO: f64 = 1e-4;

impl Pca {
    /// Finds the leading components of features, `[n_samples, d_feature]`. Features that vary in
    /// fewer than `n_components` directions, such as those of a single sample, leave components
    /// with variance 0 and an arbitrary direction.
    ///
    /// # Errors
    ///
    /// [`MlaError::Empty`] without samples or features, [`MlaError::HyperParameter`] for no
    /// component, [`MlaError::Size`] for more components than features,
    /// [`MlaError::NonFiniteFeatures`], or [`MlaError::DeviceRead`].
    pub fn fit(features: &Tensor<2>, n_components: usize) -> Result<Self> {
        let [n_samples, d_feature] = features.dims();
        if n_samples * d_feature == 0 {
            return Err(MlaError::Empty {
                what: "the set of features",
            });
        }
        at_least_one("n_components", n_components)?;
        if n_components > d_feature {
            return Err(MlaError::Size {
                what: "features, at least one per component",
                expected: n_components,
                got: d_feature,
            });
        }
        let mut rows = features::read(features, None)?;
        let mean = centre(&mut rows);

        let (total, eigen) = eigen(&rows, n_components);
        let scale = 1.0 / (n_samples as f64 - 1.0).max(1.0);
        let leading = eigen.values.iter().take(n_components);
        let variances = leading.map(|x| scale * x.max(0.0)).collect();
        let mut components = eigen.vectors;
        components.truncate(n_components);
        components
            .iter_mut()
            .for_each(|component| orient(component));
        Ok(Self {
            mean,
            components,
            variances,
            total_variance: scale * total,
        })
    }

    /// The components, each `[d_feature]`: the loadings of all features.
    pub fn components(&self) -> &[Vec<f64>] {
        &self.components
    }

    /// Variance along each component, with `n_samples - 1` in the denominator; 0 for one sample.
    pub fn explained_variance(&self) -> &[f64] {
        &self.variances
    }

    /// Share of the total variance along each component, in `[0, 1]`; 0 for constant features.
    pub fn explained_variance_ratio(&self) -> Vec<f64> {
        let ratio = |variance: &f64| {
            if self.total_variance > 0.0 {
                (variance / self.total_variance).min(1.0)
            } else {
                0.0
            }
        };
        self.variances.iter().map(ratio).collect()
    }

    /// Projects features, `[n_samples, d_feature]`, onto the components: `n_samples` rows of
    /// `n_components` coordinates, relative to the mean of the fitted features.
    ///
    /// # Errors
    ///
    /// [`MlaError::Size`] for another `d_feature`, [`MlaError::NonFiniteFeatures`], or
    /// [`MlaError::DeviceRead`].
    pub fn transform(&self, features: &Tensor<2>) -> Result<Vec<Vec<f64>>> {
        let [_, d_feature] = features.dims();
        same_size("feature width", self.mean.len(), d_feature)?;
        let rows = features::read(features, None)?;
        let along = |row: &[f64], component: &[f64]| {
            let terms = row.iter().zip(&self.mean).zip(component);
            terms.map(|((x, mean), loading)| (x - mean) * loading).sum()
        };
        Ok(rows
            .iter()
            .map(|row| self.components.iter().map(|c| along(row, c)).collect())
            .collect())
    }
}

/// Trace, and leading eigenvalues and eigenvectors, of the scatter matrix of centred rows.
///
/// With fewer rows than columns the eigenvectors follow from those of the smaller Gram matrix, unless
/// the features vary in too few directions.
fn eigen(rows: &[Vec<f64>], n_components: usize) -> (f64, Eigen) {
    let n_columns = rows.first().map_or(0, Vec::len);
    if n_components <= rows.len() && rows.len() < n_columns {
        let gram = Symmetric::gram(rows);
        let total = gram.trace();
        let eigen = gram.eigen();
        if eigen.values[n_components - 1] > SMALLEST_RATIO * eigen.values[0] {
            let pairs = eigen.values.iter().zip(&eigen.vectors).take(n_components);
            let vectors = pairs.map(|(value, weights)| combined(rows, weights, value.sqrt()));
            let vectors = vectors.collect();
            return (
                total,
                Eigen {
                    values: eigen.values,
                    vectors,
                },
            );
        }
    }
    let scatter = Symmetric::scatter(rows);
    (scatter.trace(), scatter.eigen())
}

/// Sum of rows, each times its weight, divided by `length`.
fn combined(rows: &[Vec<f64>], weights: &[f64], length: f64) -> Vec<f64> {
    let mut sum = vec![0.0; rows.first().map_or(0, Vec::len)];
    for (row, weight) in rows.iter().zip(weights) {
        let entries = sum.iter_mut().zip(row);
        entries.for_each(|(sum, x)| *sum += weight / length * x);
    }
    sum
}

/// Subtracts the mean of rows and returns it. Constant columns become exactly 0.
fn centre(rows: &mut [Vec<f64>]) -> Vec<f64> {
    let n = rows.len() as f64;
    let mut mean = vec![0.0; rows.first().map_or(0, Vec::len)];
    let mut largest = mean.clone();
    for row in rows.iter() {
        mean.iter_mut()
            .zip(row)
            .for_each(|(mean, x)| *mean += x / n);
        let entries = largest.iter_mut().zip(row);
        entries.for_each(|(most, x)| *most = x.abs().max(*most));
    }
    for row in rows {
        for ((x, mean), largest) in row.iter_mut().zip(&mean).zip(&largest) {
            *x -= mean;
            if x.abs() <= ROUNDING * largest {
                *x = 0.0;
            }
        }
    }
    mean
}

/// Makes the largest loading positive, the first one of those equal up to rounding.
fn orient(component: &mut [f64]) {
    let largest = component.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let deciding = component.iter().find(|x| x.abs() >= (1.0 - 1e-9) * largest);
    if deciding.is_some_and(|x| *x < 0.0) {
        component.iter_mut().for_each(|x| *x = -*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_devices;
    use burn::tensor::{Device, TensorData};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use rstest::rstest;

    fn tensor(rows: &[Vec<f32>], device: &Device) -> Tensor<2> {
        let shape = [rows.len(), rows.first().map_or(3, Vec::len)];
        Tensor::from_data(TensorData::new(rows.concat(), shape), device)
    }

    #[track_caller]
    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found - expected).abs() <= tolerance,
            "{found}, not {expected}"
        );
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// Samples on the plane that two directions span, with noise off it.
    fn planted(n_samples: usize, d_feature: usize, noise: f32) -> (Vec<Vec<f32>>, [Vec<f64>; 2]) {
        let mut rng = StdRng::seed_from_u64(7);
        let mut random = || rng.random_range(-1.0..1.0f32);
        let directions = [0, 1].map(|at| {
            let mut axis = vec![0.0; d_feature];
            for k in (at..d_feature).step_by(2) {
                axis[k] = (2.0 / d_feature as f64).sqrt();
            }
            axis
        });
        let sample = |_| {
            let (a, b) = (20.0 * random(), 7.0 * random());
            (0..d_feature)
                .map(|k| {
                    let on_plane = a * directions[0][k] as f32 + b * directions[1][k] as f32;
                    3.0 + on_plane + noise * random()
                })
                .collect()
        };
        ((0..n_samples).map(sample).collect(), directions)
    }

    fn assert_laws(pca: &Pca) {
        for (i, a) in pca.components().iter().enumerate() {
            for (k, b) in pca.components().iter().enumerate() {
                close(dot(a, b), f64::from(u8::from(i == k)), 1e-10);
            }
            let largest = a.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            assert!(a.contains(&largest), "the largest loading is negative");
        }
        let ratios = pca.explained_variance_ratio();
        assert!(ratios.iter().sum::<f64>() <= 1.0 + 1e-12, "{ratios:?}");
        assert!(ratios.is_sorted_by(|a, b| a >= b), "{ratios:?}");
        assert!(ratios.iter().all(|ratio| *ratio >= 0.0), "{ratios:?}");
    }

    #[test]
    fn components_worked_by_hand() {
        for device in test_devices() {
            // Deviations (2, 1), (1, 2), (-1, -2), (-2, -1): covariance [[10, 8], [8, 10]] / 3.
            let rows = [[4.0, 2.0], [3.0, 3.0], [1.0, -1.0], [0.0, 0.0]];
            let features = Tensor::from_floats(rows, &device);
            let pca = Pca::fit(&features, 2).unwrap();
            close(pca.explained_variance()[0], 6.0, 1e-12);
            close(pca.explained_variance()[1], 2.0 / 3.0, 1e-12);
            close(pca.explained_variance_ratio()[0], 0.9, 1e-12);
            let half = 0.5f64.sqrt();
            for (component, expected) in pca.components().iter().zip([[half, half], [half, -half]])
            {
                close(component[0], expected[0], 1e-12);
                close(component[1], expected[1], 1e-12);
            }
            let projected = pca.transform(&features).unwrap();
            close(projected[0][0], 3.0 * half, 1e-12);
            close(projected[0][1], half, 1e-12);
            assert_laws(&pca);
        }
    }

    #[rstest]
    #[case::few_features(300, 4)]
    #[case::more_samples(300, 120)]
    #[case::more_features(40, 120)]
    #[case::many_of_both(260, 250)]
    fn a_planted_plane_is_recovered(#[case] n_samples: usize, #[case] d_feature: usize) {
        let (rows, directions) = planted(n_samples, d_feature, 1e-3);
        for device in test_devices() {
            let features = tensor(&rows, &device);
            let pca = Pca::fit(&features, 3).unwrap();
            assert_laws(&pca);
            assert!(pca.explained_variance_ratio()[..2].iter().sum::<f64>() > 0.999);
            for component in &pca.components()[..2] {
                let within: f64 = directions
                    .iter()
                    .map(|axis| dot(axis, component).powi(2))
                    .sum();
                close(within, 1.0, 1e-5);
            }
            // The variance along a component is that of the coordinates.
            let projected = pca.transform(&features).unwrap();
            for k in 0..3 {
                let squares: f64 = projected.iter().map(|at| at[k] * at[k]).sum();
                let variance = squares / (n_samples as f64 - 1.0);
                let expected = pca.explained_variance()[k];
                close(variance, expected, 1e-9 * pca.explained_variance()[0]);
            }
        }
    }

    #[test]
    fn all_components_hold_all_variance() {
        let (rows, _) = planted(30, 5, 2.0);
        let features = tensor(&rows, &Device::flex());
        let pca = Pca::fit(&features, 5).unwrap();
        assert_laws(&pca);
        close(pca.explained_variance_ratio().iter().sum(), 1.0, 1e-12);
        let projected = pca.transform(&features).unwrap();
        for (row, at) in rows.iter().zip(&projected) {
            let length = dot(at, at);
            let deviations = row.iter().zip(&pca.mean);
            let expected: f64 = deviations.map(|(x, m)| (f64::from(*x) - m).powi(2)).sum();
            close(length, expected, 1e-9 * expected);
        }
    }

    #[test]
    fn the_order_of_samples_does_not_flip_the_components() {
        let (mut rows, _) = planted(50, 60, 0.5);
        let device = Device::flex();
        let one = Pca::fit(&tensor(&rows, &device), 2).unwrap();
        rows.reverse();
        let other = Pca::fit(&tensor(&rows, &device), 2).unwrap();
        for (a, b) in one.components().iter().zip(other.components()) {
            close(dot(a, b), 1.0, 1e-9);
        }
    }

    #[rstest]
    #[case::one_sample(vec![vec![0.1, -7.0, 3.0]])]
    #[case::constant(vec![vec![0.1, 0.7, 0.3]; 7])]
    #[case::zeros(vec![vec![0.0; 3]; 4])]
    fn features_that_do_not_vary_have_no_variance(#[case] rows: Vec<Vec<f32>>) {
        for device in test_devices() {
            let features = tensor(&rows, &device);
            let pca = Pca::fit(&features, 3).unwrap();
            assert_laws(&pca);
            assert_eq!(pca.explained_variance_ratio(), [0.0; 3]);
            for at in pca.transform(&features).unwrap().concat() {
                close(at, 0.0, 1e-12);
            }
        }
    }

    #[test]
    fn more_components_than_samples_vary_in_have_no_variance() {
        let (rows, _) = planted(3, 20, 0.0);
        let pca = Pca::fit(&tensor(&rows, &Device::flex()), 6).unwrap();
        assert_laws(&pca);
        let ratios = pca.explained_variance_ratio();
        close(ratios[..2].iter().sum(), 1.0, 1e-12);
        assert!(ratios[2..].iter().all(|ratio| *ratio < 1e-12), "{ratios:?}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for device in test_devices() {
            let good = tensor(&[vec![1.0, 2.0, 4.0], vec![0.0; 3]], &device);
            assert!(Pca::fit(&good, 0).is_err());
            assert!(matches!(
                Pca::fit(&good, 4),
                Err(MlaError::Size {
                    expected: 4,
                    got: 3,
                    ..
                })
            ));
            let empty = Pca::fit(&tensor(&[], &device), 1);
            assert!(matches!(empty, Err(MlaError::Empty { .. })));
            let broken = tensor(&[vec![1.0; 3], vec![f32::INFINITY; 3]], &device);
            let error = Pca::fit(&broken, 1).unwrap_err();
            assert_eq!(error.to_string(), "non-finite feature of sample 1");
            let pca = Pca::fit(&good, 1).unwrap();
            assert!(pca.transform(&broken).is_err());
            assert!(matches!(
                pca.transform(&tensor(&[vec![1.0; 2]], &device)),
                Err(MlaError::Size {
                    expected: 3,
                    got: 2,
                    ..
                })
            ));
            assert!(pca.transform(&tensor(&[], &device)).unwrap().is_empty());
        }
    }
}
