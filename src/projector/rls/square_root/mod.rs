//! The square root of the matrix `P` of Eq. 5, in which the recursion is safe in f32.

mod general;
#[cfg(feature = "host-kernels")]
mod triangular;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::error::{MlaError, Result};
use crate::module::{Buffer, Counter};
#[cfg(feature = "host-kernels")]
use crate::numeric::upper_triangular;
use crate::numeric::{Numbers, Symmetric, dot, eye, is_host, product};

/// `T` of `P = T^T T`, for a matrix `P` that shrinks by Eq. 5.
///
/// `P` cannot become indefinite, and its gains are resolved down to the square of what `T`
/// resolves, about 1e-14 in f32. On a CPU `T` stays upper triangular (the update of a Cholesky
/// factor by Carlson, "Fast Triangular Formulation of the Square Root Filter", AIAA Journal 11,
/// 1973): one pass over half a matrix. Elsewhere `T` is full (Potter's update; see Bierman,
/// "Factorization Methods for Discrete Sequential Estimation", 1977), since a GPU would have to
/// go through a triangular one row by row.
#[derive(Module, Debug)]
pub(super) struct SquareRoot {
    /// `T`, `[s, s]`.
    root: Buffer<2>,
    /// The part of a triangular `T`'s diagonal that f32 rounds away, `[s]`. Without it, changes
    /// below 6e-8 per update would be lost.
    remainder: Buffer<1>,
    /// 1 if `T` is upper triangular, else 0.
    triangular: Counter,
}

/// Rows of a triangular `T` per product.
const PANEL: usize = 128;

impl SquareRoot {
    /// The square root of the identity.
    pub(super) fn identity(width: usize, device: &Device) -> Self {
        Self::new(eye(width, device))
    }

    fn new(root: Tensor<2>) -> Self {
        let device = root.device();
        let [width, _] = root.dims();
        Self {
            root: Buffer::new(root),
            remainder: Buffer::new(Tensor::zeros([width], (&device, DType::F32))),
            triangular: Counter::new(1, &device),
        }
    }

    /// The square root of the symmetric part of `p`, computed on the host. Eigenvalues that rounding
    /// has made negative count as 0.
    ///
    /// # Errors
    ///
    /// [`MlaError::NotPositive`] for an eigenvalue below -1e-5 times the largest,
    /// [`MlaError::DeviceRead`].
    pub(super) fn of_matrix(p: Tensor<2>) -> Result<Self> {
        const ROUNDING: f64 = 1e-5;
        let (device, shape) = (p.device(), p.dims());
        let p = Symmetric::read(p)?;
        let not_positive = MlaError::NotPositive { what: "P" };
        if !p.is_finite() {
            return Err(not_positive);
        }
        let eigen = p.eigen();
        let largest = eigen
            .values
            .iter()
            .fold(0.0, |max: f64, x| max.max(x.abs()));
        if eigen.values.iter().any(|&x| x < -ROUNDING * largest) {
            return Err(not_positive);
        }
        let pairs = eigen.values.iter().zip(&eigen.vectors);
        let row = |(value, vector): (&f64, &Vec<f64>)| -> Vec<f32> {
            let length = value.max(0.0).sqrt();
            vector.iter().map(|x| (length * x) as f32).collect()
        };
        let data = TensorData::new(pairs.flat_map(row).collect(), shape);
        let mut state = Self::new(Tensor::from_data(data, (&device, DType::F32)));
        state.triangular.set(0);
        Ok(state)
    }

    /// Updates `P` by a feature, `[s]`: `P <- P - k k^T / (alpha + r^T k)`, `k = P r`.
    ///
    /// # Panics
    ///
    /// If the feature has another width.
    pub(super) fn update(self, feature: Tensor<1>, alpha: f64) -> Self {
        let ([width], [s, _]) = (feature.dims(), self.root.dims());
        assert_eq!(width, s, "the feature has width {width}, and P {s}");
        #[cfg(feature = "host-kernels")]
        if is_host(&feature.device()) {
            return self.into_triangular().update_on_host(feature, alpha);
        }
        let mut state = self;
        state.triangular.set(0);
        Self {
            root: state.root.replace(|t| general::update(t, feature, alpha)),
            remainder: state.remainder.replace(|lost| lost.zeros_like()),
            triangular: state.triangular,
        }
    }

    #[cfg(feature = "host-kernels")]
    fn update_on_host(mut self, feature: Tensor<1>, alpha: f64) -> Self {
        let device = feature.device();
        let feature = Numbers::of(feature);
        let mut remainder = Numbers::of(self.remainder.get());
        let root = self.root.replace(|t| {
            let mut t = Numbers::of(t);
            triangular::update(t.get_mut(), remainder.get_mut(), feature.get(), alpha);
            t.into_tensor(&device)
        });
        self.remainder.set(remainder.into_tensor(&device));
        Self { root, ..self }
    }

    /// A state of another device, or of a matrix, holds a full `T`.
    #[cfg(feature = "host-kernels")]
    fn into_triangular(self) -> Self {
        if self.is_triangular() {
            return self;
        }
        let mut triangular = self.triangular;
        triangular.set(1);
        Self {
            root: self.root.replace(upper_triangular),
            remainder: self.remainder,
            triangular,
        }
    }

    fn is_triangular(&self) -> bool {
        self.triangular.get() == 1
    }

    /// `P x` for columns `x`, `[s, n]`.
    pub(super) fn project(&self, x: Tensor<2>) -> Tensor<2> {
        let t = self.root.get();
        let [s, n] = x.dims();
        if s <= PANEL || !self.is_triangular() || !is_host(&t.device()) {
            return product(t.clone().transpose(), product(t, x));
        }
        // The zeros below the diagonal are left out.
        let mut projected: Option<Tensor<2>> = None;
        for first in (0..s).step_by(PANEL) {
            let last = (first + PANEL).min(s);
            let rows = t.clone().slice([first..last, first..s]);
            let along = product(rows.clone(), x.clone().slice([first..s, 0..n]));
            let part = product(rows.transpose(), along);
            projected = Some(match projected {
                None => part,
                Some(sum) => {
                    let below = sum.clone().slice([first..s, 0..n]) + part;
                    sum.slice_assign([first..s, 0..n], below)
                }
            });
        }
        projected.expect("s is at least 1")
    }

    /// `T`.
    pub(super) fn root(&self) -> Tensor<2> {
        self.root.get()
    }

    /// `P`, exactly symmetric.
    pub(super) fn matrix(&self) -> Tensor<2> {
        let t = self.root.get();
        let p = product(t.clone().transpose(), t);
        (p.clone() + p.transpose()) * 0.5
    }

    /// Scales `P` to the given trace.
    pub(super) fn with_trace(self, trace: f64) -> Self {
        let device = self.root.get().device();
        if !is_host(&device) {
            let scale = |t: Tensor<2>| {
                let norm = t.clone().square().sum().sqrt().reshape([1, 1]);
                t * (norm.recip() * trace.sqrt())
            };
            return Self {
                root: self.root.replace(scale),
                ..self
            };
        }
        let mut factor = 1.0;
        let [s, _] = self.root.dims();
        let root = self.root.replace(|t| {
            let mut t = Numbers::of(t);
            let rows = t.get().chunks_exact(s);
            let squares: f64 = rows.map(|row| f64::from(dot(row, row))).sum();
            factor = (trace / squares).sqrt();
            t.get_mut().iter_mut().for_each(|x| *x *= factor as f32);
            t.into_tensor(&device)
        });
        Self {
            root,
            remainder: self.remainder.replace(|lost| lost * factor),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
