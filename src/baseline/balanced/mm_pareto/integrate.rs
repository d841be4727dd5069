//! The combination of two gradients of each encoder: the shortest vector between them where they conflict,
//! their sum elsewhere.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

use crate::encoder::Encoders;
use crate::module::{ParamVisitor, Visited, visit};

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
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        let modality = described.part().filter(|_| described.requires_grad);
        let Some(products) = modality.and_then(|modality| self.products.get_mut(modality)) else {
            return;
        };
        let fused = self.fused.get::<D>(param.id);
        let unimodal = self.unimodal.get::<D>(param.id);
        // Without one of the gradients, it is 0.
        let zeros = fused.as_ref().or(unimodal.as_ref());
        let Some(zeros) = zeros.map(Tensor::zeros_like) else {
            return;
        };
        let (fused, unimodal) = (fused.unwrap_or(zeros.clone()), unimodal.unwrap_or(zeros));
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
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        // The entries of running statistics are no gradients.
        if !described.requires_grad {
            return;
        }
        let fused = self.fused.remove::<D>(param.id);
        let unimodal = self.unimodal.remove::<D>(param.id);
        let factors = described.part().and_then(|m| self.factors.get(m)?.clone());
        let (of_fused, of_unimodal) = factors.unzip();
        let terms = [scaled(fused, of_fused), scaled(unimodal, of_unimodal)];
        let sum = terms
            .into_iter()
            .flatten()
            .reduce(|(fused, dtype), (unimodal, _)| {
                let unimodal = unimodal.to_device(&fused.device());
                (fused + unimodal, dtype)
            });
        if let Some((sum, dtype)) = sum {
            self.fused.register(param.id, sum.cast(dtype));
        }
    }
}

/// A gradient, in f32 times its factor if it has one, and its own precision.
fn scaled<const D: usize>(
    gradient: Option<Tensor<D>>,
    factor: Option<Tensor<1>>,
) -> Option<(Tensor<D>, DType)> {
    let gradient = gradient?;
    let dtype = gradient.dtype();
    let scaled = match factor {
        None => gradient,
        Some(factor) => {
            let factor = factor.to_device(&gradient.device());
            gradient.cast(DType::F32) * factor.reshape([1; D])
        }
    };
    Some((scaled, dtype))
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::balanced::testing::{Echo, host};
    use crate::encoder::MlpEncoderConfig;
    use crate::module::{FloatParam, float_params};
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

    /// Of two layers of an encoder, the first has both gradients and the second one of them.
    #[test]
    fn a_gradient_of_one_loss_is_combined_with_zeros() {
        for device in test_devices() {
            let device = device.autodiff();
            let config = MlpEncoderConfig::new(2, 2).with_hidden(vec![2]);
            let encoders = vec![config.init(&device).unwrap()];
            let square = |param: &FloatParam| param.shape == [2, 2];
            let squares = float_params(&encoders).into_iter().filter(square);
            let squares: Vec<ParamId> = squares.map(|param| param.id).collect();
            let [first, second] = squares[..] else {
                panic!("two layers: {squares:?}");
            };
            let tensor = |x: [f32; 2]| {
                let device = device.clone().inner();
                Tensor::<2>::from_floats([[x[0], x[1]], [0.0, 0.0]], &device)
            };
            let together = |pair| integrate(&encoders, &Echo::new(2), pair, 1.5);
            for is_fused in [true, false] {
                // Together (2, 0, 0, 1) and (-1, 1, 0, 0), in either order.
                let mut one = GradientsParams::new();
                one.register(first, tensor([2.0, 0.0]));
                one.register(second, tensor([0.0, 1.0]));
                let mut other = GradientsParams::new();
                other.register(first, tensor([-1.0, 1.0]));
                let pair = if is_fused { (one, other) } else { (other, one) };
                let found = together(pair);
                let (expected, _) = combined(&[2.0, 0.0, 0.0, 1.0], &[-1.0, 1.0, 0.0, 0.0], 1.5);
                let rows = [first, second].map(|id| host(found.get::<2>(id).unwrap()));
                let values = rows.map(|values| values[..2].to_vec());
                for (found, expected) in values.concat().iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
                }
                // An encoder with one gradient is scaled by gamma.
                let mut alone = GradientsParams::new();
                alone.register(first, tensor([2.0, -4.0]));
                let none = GradientsParams::new();
                let pair = if is_fused {
                    (alone, none)
                } else {
                    (none, alone)
                };
                let found = together(pair);
                assert_eq!(host(found.get::<2>(first).unwrap()), [3.0, -6.0, 0.0, 0.0]);
                assert!(found.get::<2>(second).is_none());
            }
        }
    }
}
