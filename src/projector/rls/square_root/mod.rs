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
use crate::numeric::{Numbers, Symmetric, dot, eye, is_host, on_all_cores, product};

/// `T` of `P = T^T T`, for a matrix `P` that shrinks by Eq. 5.
///
/// `P` cannot become indefinite, and its gains are resolved down to the square of what `T`
/// resolves. On a CPU `T` stays upper triangular (the update of a Cholesky
/// factor by Carlson, "Fast Triangular Formulation of the Square Root Filter", AIAA Journal 11,
/// 1973): one pass over half a matrix. Elsewhere `T` is full (Potter's update; see Bierman,
/// "Factorization Methods for Discrete Sequential Estimation", 1977), since a GPU would have to
/// go through a triangular one row by row.
#[derive(Module, Debug)]
pub(super) struct SquareRoot {
    /// `T` in f32, `[s, s]`.
    rounded: Buffer<2>,
    /// What f32 rounds away of `T`, `[s, s]`. Without it, updates that change less than 6e-8 of an
    /// entry would be lost in part, and what is left of them closes directions without features.
    remainder: Buffer<2>,
    /// 1 if `T` is upper triangular, else 0.
    triangular: Counter,
}

impl SquareRoot {
    /// The square root of the identity.
    pub(super) fn identity(width: usize, device: &Device) -> Self {
        Self::new(eye(width, device))
    }

    fn new(root: Tensor<2>) -> Self {
        Self {
            triangular: Counter::new(1, &root.device()),
            remainder: Buffer::new(root.zeros_like()),
            rounded: Buffer::new(root),
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
        let ([width], [s, _]) = (feature.dims(), self.rounded.dims());
        assert_eq!(width, s, "the feature has width {width}, and P {s}");
        #[cfg(feature = "host-kernels")]
        if is_host(&feature.device()) {
            return self.into_triangular().update_on_host(feature, alpha);
        }
        let mut state = self;
        state.triangular.set(0);
        let (root, remainder) =
            general::update(state.rounded.get(), state.remainder.get(), feature, alpha);
        state.rounded.set(root);
        state.remainder.set(remainder);
        state
    }

    #[cfg(feature = "host-kernels")]
    fn update_on_host(self, feature: Tensor<1>, alpha: f64) -> Self {
        let feature = Numbers::of(feature);
        self.in_place(|t, remainder| triangular::update(t, remainder, feature.get(), alpha))
    }

    /// Changes `T` and its remainder in the memory of a [host](is_host), in row-major order.
    fn in_place(self, change: impl FnOnce(&mut [f32], &mut [f32])) -> Self {
        let mut remainder = Some(self.remainder);
        let rounded = self.rounded.replace(|t| {
            let device = t.device();
            let mut t = Numbers::of(t);
            remainder = remainder.take().map(|buffer| {
                buffer.replace(|rest| {
                    let mut rest = Numbers::of(rest);
                    change(t.get_mut(), rest.get_mut());
                    rest.into_tensor(&device)
                })
            });
            t.into_tensor(&device)
        });
        Self {
            rounded,
            remainder: remainder.expect("it was put back"),
            triangular: self.triangular,
        }
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
            rounded: self.rounded.replace(upper_triangular),
            remainder: self.remainder.replace(|rest| rest.zeros_like()),
            triangular,
        }
    }

    fn is_triangular(&self) -> bool {
        self.triangular.get() == 1
    }

    /// `P x` for columns `x`, `[s, n]`.
    pub(super) fn project(&self, x: Tensor<2>) -> Tensor<2> {
        let t = self.rounded.get();
        let (device, [s, n]) = (t.device(), x.dims());
        if n <= FEW_COLUMNS && is_host(&device) {
            // CPU backends repack a transposed matrix, but not the matrix for rows.
            let along = product(t.clone(), x).transpose();
            let rows = product(along, t);
            // Column layout, for the operations that follow.
            return Numbers::of(rows.transpose()).into_tensor(&device);
        }
        if s > PANEL && self.is_triangular() && is_host(&device) {
            return project_by_panels(t, x);
        }
        product(t.clone().transpose(), product(t, x))
    }

    /// `T`, and what f32 rounds away of it.
    pub(super) fn root(&self) -> [Tensor<2>; 2] {
        [self.rounded.get(), self.remainder.get()]
    }

    /// `P`, exactly symmetric.
    pub(super) fn matrix(&self) -> Tensor<2> {
        let t = self.rounded.get();
        let p = product(t.clone().transpose(), t);
        (p.clone() + p.transpose()) * 0.5
    }

    /// Scales `P` to the given trace.
    pub(super) fn with_trace(self, trace: f64) -> Self {
        let device = self.rounded.get().device();
        if !is_host(&device) {
            let t = self.rounded.get();
            let factor = t.square().sum().sqrt().recip().reshape([1, 1]) * trace.sqrt();
            return Self {
                rounded: self.rounded.replace(|t| t * factor.clone()),
                remainder: self.remainder.replace(|rest| rest * factor),
                triangular: self.triangular,
            };
        }
        let [s, _] = self.rounded.dims();
        self.in_place(|t, remainder| {
            let rows = t.chunks_exact(s);
            let squares: f64 = rows.map(|row| f64::from(dot(row, row))).sum();
            let factor = (trace / squares).sqrt();
            for (t, rest) in t.iter_mut().zip(remainder) {
                let scaled = (f64::from(*t) + f64::from(*rest)) * factor;
                *t = scaled as f32;
                *rest = (scaled - f64::from(*t)) as f32;
            }
        })
    }
}

/// Up to this number of columns, a CPU multiplies them faster as rows.
const FEW_COLUMNS: usize = 8;

/// Rows or columns of a triangular `T` per product. With AVX-512 smaller products are slower, and those of 128 or 256
/// meet strides of a power of two.
const PANEL: usize = 192;

/// `T^T T x` for an upper triangular `T`, without most of its zeros. Panels run side by side, because flex computes
/// products of fewer than 192^3 multiplications on one core.
fn project_by_panels(t: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
    let [s, n] = x.dims();
    let panels: Vec<_> = (0..s)
        .step_by(PANEL)
        .map(|at| at..(at + PANEL).min(s))
        .collect();
    let along = on_all_cores(&panels, |panel| {
        let rows = t.clone().slice([panel.clone(), panel.start..s]);
        product(rows, x.clone().slice([panel.start..s, 0..n]))
    });
    let along = Tensor::cat(along, 0);
    let parts = on_all_cores(&panels, |panel| {
        let columns = t.clone().slice([0..panel.end, panel.clone()]);
        let along = along.clone().slice([0..panel.end, 0..n]);
        product(columns.transpose(), along)
    });
    Tensor::cat(parts, 0)
}

#[cfg(test)]
mod tests;
