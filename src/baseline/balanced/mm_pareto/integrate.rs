//! The combination of two gradients of each encoder: the shortest vector between them where they conflict,
//! their sum elsewhere.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

use crate::encoder::Encoders;
use crate::module::{FloatParam, ParamVisitor, visit};

/// Squared length of the combination, relative to those of both gradients, below which it is rounding error.
const OPPOSITE: f64 = 1e-6;

/// The squared lengths of two gradients and their product, each `[1]` in f32.
#[derive(Debug, Clone)]
struct Products {
    fused: Tensor<1>,
    unimodal: Tensor<1>,
    both: Tensor<1>,
}

impl Products {
    fn of<const D: usize>(fused: Tensor<D>, unimodal: Tensor<D>) -> Self {
        let (fused, unimodal) = (fused.cast(DType::F32), unimodal.cast(DType::F32));
        Self {
            fused: fused.clone().square().sum(),
            both: (fused * unimodal.clone()).sum(),
            unimodal: unimodal.square().sum(),
        }
    }

    fn add(self, other: Self) -> Self {
        let device = self.fused.device();
        Self {
            fused: self.fused + other.fused.to_device(&device),
            unimodal: self.unimodal + other.unimodal.to_device(&device),
            both: self.both + other.both.to_device(&device),
        }
    }

    /// The factors of the fused and the unimodal gradient, each `[1]`.
    fn factors(self, gamma: f64) -> (Tensor<1>, Tensor<1>) {
        let Self {
            fused,
            unimodal,
            both,
        } = self;
        let distance = fused.clone() + unimodal.clone() - both.clone() * 2.0;
        let shortest = (unimodal.clone() - both.clone()) / distance.clamp_min(f32::MIN_POSITIVE);
        let agree = both.clone().greater_equal_elem(0.0);
        let a_fused = shortest.clamp(0.0, 1.0).mask_fill(agree, 0.5);
        let a_unimodal = a_fused.clone().neg() + 1.0;

        let lengths = fused.clone() + unimodal.clone();
        let combined = fused * a_fused.clone().square()
            + unimodal * a_unimodal.clone().square()
            + both.clone() * a_fused.clone() * a_unimodal.clone() * 2.0;
        let combined = combined * 4.0;
        let sum = lengths.clone() + both * 2.0;
        let opposite = combined.clone().lower_equal(lengths * OPPOSITE);
        let stretch = (sum / combined.clamp_min(f32::MIN_POSITIVE)).sqrt();
        let scale = stretch.clamp_min(1.0).mask_fill(opposite, 1.0) * (2.0 * gamma);
        (a_fused * scale.clone(), a_unimodal * scale)
    }
}

/// Combines the gradients of the fused and the unimodal losses: those of each encoder by its factors, those of
/// the head by their sum. What else the first ones carry stays.
pub(super) fn integrate<E: Encoders, H: Module>(
    encoders: &E,
    head: &H,
    (fused, unimodal): (GradientsParams, GradientsParams),
    gamma: f64,
) -> GradientsParams {
    let mut compare = Compare {
        fused: &fused,
        unimodal: &unimodal,
        products: vec![None; encoders.n_modalities()],
    };
    visit(encoders, &mut compare);
    let factors = compare.products.into_iter();
    let factors: Vec<_> = factors
        .map(|products| Some(products?.factors(gamma)))
        .collect();
    let mut combine = Combine {
        fused,
        unimodal,
        factors,
    };
    visit(encoders, &mut combine);
    combine.factors.clear();
    visit(head, &mut combine);
    combine.fused
}

struct Compare<'a> {
    fused: &'a GradientsParams,
    unimodal: &'a GradientsParams,
    products: Vec<Option<Products>>,
}

impl ParamVisitor for Compare<'_> {
    fn visit<const D: usize>(&mut self, described: FloatParam, param: &Param<Tensor<D>>) {
        let modality = described.part().filter(|_| described.requires_grad);
        let Some(products) = modality.and_then(|modality| self.products.get_mut(modality)) else {
            return;
        };
        let pair = (self.fused.get::<D>(param.id)).zip(self.unimodal.get::<D>(param.id));
        let Some((fused, unimodal)) = pair else {
            return;
        };
        let found = Products::of(fused, unimodal);
        *products = Some(match products.take() {
            None => found,
            Some(products) => products.add(found),
        });
    }
}

/// With factors for encoders, with a sum where there are none.
struct Combine {
    fused: GradientsParams,
    unimodal: GradientsParams,
    factors: Vec<Option<(Tensor<1>, Tensor<1>)>>,
}

impl ParamVisitor for Combine {
    fn visit<const D: usize>(&mut self, described: FloatParam, param: &Param<Tensor<D>>) {
        // The entries of running statistics are no gradients.
        if !described.requires_grad {
            return;
        }
        let Some(unimodal) = self.unimodal.remove::<D>(param.id) else {
            return;
        };
        let gradient = match self.fused.remove::<D>(param.id) {
            None => unimodal,
            Some(fused) => {
                let factors = described.part().and_then(|m| self.factors.get(m)?.clone());
                match factors {
                    None => fused + unimodal,
                    Some((of_fused, of_unimodal)) => {
                        let (device, dtype) = (fused.device(), fused.dtype());
                        let times = |gradient: Tensor<D>, factor: Tensor<1>| {
                            let factor = factor.to_device(&device).reshape([1; D]);
                            gradient.cast(DType::F32) * factor
                        };
                        let sum = times(fused, of_fused) + times(unimodal, of_unimodal);
                        sum.cast(dtype)
                    }
                }
            }
        };
        self.fused.register(param.id, gradient);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::balanced::testing::host;
    use crate::test_devices;

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// The combined gradient, and its factors, on the first device.
    fn combined(fused: &[f64], unimodal: &[f64], gamma: f64) -> (Vec<f64>, [f64; 2]) {
        let device = &test_devices()[0];
        let tensor = |x: &[f64]| {
            let values: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            Tensor::<1>::from_floats(&values[..], device)
        };
        let (a, b) = Products::of(tensor(fused), tensor(unimodal)).factors(gamma);
        let (a, b) = (host(a)[0], host(b)[0]);
        let sum = fused.iter().zip(unimodal).map(|(f, u)| a * f + b * u);
        (sum.collect(), [a, b])
    }

    fn gradient() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-2.0..2.0_f64, 5)
    }

    proptest! {
        /// The laws of the combination, without its factor.
        #[test]
        fn no_loss_suffers(fused in gradient(), unimodal in gradient()) {
            let (found, [a, b]) = combined(&fused, &unimodal, 1.0);
            let sum: Vec<f64> = fused.iter().zip(&unimodal).map(|(f, u)| f + u).collect();
            let conflict = dot(&fused, &unimodal) < 0.0;
            let size = dot(&fused, &fused) + dot(&unimodal, &unimodal);
            prop_assume!(size > 1e-2 && dot(&fused, &unimodal).abs() > 1e-3);
            prop_assume!(dot(&sum, &sum) > 1e-3 * size);
            prop_assert!(a >= 0.0 && b >= 0.0);
            if conflict {
                // A multiple of a vector of the convex hull, as long as the sum, that is orthogonal to
                // the difference and has the same product with both.
                let length = dot(&found, &found) / dot(&sum, &sum);
                prop_assert!((length - 1.0).abs() < 1e-3, "{length}");
                let (one, two) = (dot(&found, &fused), dot(&found, &unimodal));
                prop_assert!(one > 0.0 && two > 0.0);
                prop_assert!((one - two).abs() < 1e-3 * size.max(1.0), "{one}, {two}");
                // The shortest of the hull, scaled to sum to 1.
                let shortest: Vec<f64> = found.iter().map(|x| x / (a + b)).collect();
                for i in 0..=20 {
                    let t = f64::from(i) / 20.0;
                    let other: Vec<f64> = fused.iter().zip(&unimodal)
                        .map(|(f, u)| t * f + (1.0 - t) * u)
                        .collect();
                    prop_assert!(dot(&shortest, &shortest) <= dot(&other, &other) + 1e-4);
                }
            } else {
                for (found, sum) in found.iter().zip(&sum) {
                    prop_assert!((found - sum).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn by_hand() {
        // (2, 0) and (-1, 1): a_f = <(-3, 1), (-1, 1)> / 10 = 0.4, h = 2 (0.2, 0.6), |sum|^2 = 2.
        let (found, _) = combined(&[2.0, 0.0], &[-1.0, 1.0], 1.5);
        let stretch = 1.5 * (2.0_f64 / 1.6).sqrt();
        for (found, expected) in found.iter().zip([0.4 * stretch, 1.2 * stretch]) {
            assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        }
        let (found, factors) = combined(&[1.0, 2.0], &[3.0, 0.0], 1.5);
        assert_eq!((found, factors), (vec![6.0, 3.0], [1.5, 1.5]));
        // Orthogonal gradients agree.
        assert_eq!(combined(&[1.0, 0.0], &[0.0, 1.0], 1.0).0, [1.0, 1.0]);
    }

    #[test]
    fn opposite_and_zero_gradients_are_not_stretched() {
        let (found, _) = combined(&[1.0, -2.0], &[-2.0, 4.0], 1.5);
        assert!(found.iter().all(|x| x.abs() < 1e-5), "{found:?}");
        assert_eq!(combined(&[0.0; 2], &[0.0; 2], 1.5).0, [0.0; 2]);
        assert_eq!(combined(&[0.0; 2], &[1.0, 2.0], 1.0).0, [1.0, 2.0]);
    }
}
