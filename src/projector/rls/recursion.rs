//! The recursion that the rules of Eq. 5 share.

use burn::tensor::{Device, Tensor};

use crate::module::Buffer;
use crate::numeric::product;
use crate::numeric::{Numbers, add_scaled, dot, is_flex, is_host};
use crate::projector::pending::PendingRows;

/// The matrix of a rule of Eq. 5. Its last corrections are pending rows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kept {
    /// `P = base - rows^T rows`. `symmetric` is false for a base that may be asymmetric.
    Passing { symmetric: bool },
    /// `P = I - scale (base + rows^T rows)`.
    Protected { scale: f64 },
}

/// Up to this number of columns, flex multiplies them faster as rows.
const FEW_COLUMNS: usize = 8;

impl Kept {
    /// `P x` for columns `x`, `[d_input, n]`.
    pub(super) fn apply(self, base: &Buffer<2>, rows: &PendingRows, x: Tensor<2>) -> Tensor<2> {
        let (device, [_, n]) = (x.device(), x.dims());
        if (2..=FEW_COLUMNS).contains(&n) && self.is_faster_by_rows(&device) {
            let px = self.apply_to_rows(base, rows, x.transpose()).transpose();
            // Column layout, for the operations that follow.
            return Numbers::of(px).into_tensor(&device);
        }
        let along_base = product(base.get(), x.clone());
        let pending = (!rows.is_empty()).then(|| rows.apply(x.clone()));
        self.of_parts(x, along_base, pending)
    }

    /// Whether rows are faster than columns: flex does not repack the matrix for rows. The results
    /// agree only for a symmetric matrix.
    fn is_faster_by_rows(self, device: &Device) -> bool {
        let symmetric = match self {
            Self::Passing { symmetric } => symmetric,
            Self::Protected { .. } => true,
        };
        symmetric && is_flex(device)
    }

    /// `x P`, of a symmetric `P` the same as `(P x^T)^T`, for rows `x`, `[n, d_input]`.
    fn apply_to_rows(self, base: &Buffer<2>, rows: &PendingRows, x: Tensor<2>) -> Tensor<2> {
        let along_base = product(x.clone(), base.get());
        let pending = (!rows.is_empty()).then(|| rows.apply_to_rows(x.clone()));
        self.of_parts(x, along_base, pending)
    }

    /// The product of `P` with `x`, from those of the base and of the pending rows.
    fn of_parts(
        self,
        x: Tensor<2>,
        along_base: Tensor<2>,
        pending: Option<Tensor<2>>,
    ) -> Tensor<2> {
        match (self, pending) {
            (Kept::Passing { .. }, None) => along_base,
            (Kept::Passing { .. }, Some(pending)) => along_base - pending,
            (Kept::Protected { .. }, None) => x - along_base,
            (Kept::Protected { scale }, Some(pending)) => x - (along_base + pending) * scale,
        }
    }

    /// Updates by a feature, a column `r`: appends the pending row of
    /// `P <- P - k k^T / (alpha + r^T k)`, `k = P r`.
    pub(super) fn push_update(
        self,
        base: &Buffer<2>,
        rows: PendingRows,
        r: Tensor<2>,
        alpha: f64,
    ) -> PendingRows {
        if is_host(&r.device()) {
            return self.push_update_on_host(base, rows, r, alpha as f32);
        }
        let k = self.apply(base, &rows, r.clone());
        // r^T P r >= 0, which rounding may violate.
        let d = (product(r.transpose(), k.clone()) + alpha).clamp_min(alpha);
        let v = k / (d * self.scale()).sqrt();
        rows.push(v.transpose())
    }

    fn push_update_on_host(
        self,
        base: &Buffer<2>,
        rows: PendingRows,
        r: Tensor<2>,
        alpha: f32,
    ) -> PendingRows {
        let mut k = Numbers::of(product(base.get(), r.clone()));
        let r = Numbers::of(r);
        rows.push_on_host(|rows| {
            let (r, to) = (r.get(), k.get_mut());
            let scale = self.scale() as f32;
            for row in rows.chunks_exact(r.len()) {
                let along = dot(row, r);
                match self {
                    Self::Passing { .. } => add_scaled(to, -along, row),
                    Self::Protected { .. } => add_scaled(to, along, row),
                }
            }
            if let Self::Protected { .. } = self {
                for (k, r) in to.iter_mut().zip(r) {
                    *k = r - scale * *k;
                }
            }
            let d = (alpha + dot(r, to)).max(alpha);
            let length = (d * scale).sqrt();
            to.iter_mut().for_each(|k| *k /= length);
            k
        })
    }

    fn scale(self) -> f64 {
        match self {
            Self::Passing { .. } => 1.0,
            Self::Protected { scale } => scale,
        }
    }
}
