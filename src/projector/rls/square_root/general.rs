//! Potter's update of a full square root, by tensor operations.

use burn::tensor::Tensor;

use crate::numeric::product;

/// `T`, the sum of `t` and the `remainder` that f32 rounds away, after a feature `r`, `[s]`:
///
/// ```text
/// f   = T r
/// d   = alpha + f^T f
/// T  <- T - f (T^T f)^T / (d + sqrt(alpha d))
/// ```
pub(super) fn update(
    t: Tensor<2>,
    remainder: Tensor<2>,
    feature: Tensor<1>,
    alpha: f64,
) -> (Tensor<2>, Tensor<2>) {
    let r = feature.unsqueeze_dim::<2>(1);
    let f = product(t.clone(), r.clone()) + product(remainder.clone(), r);
    let along = product(f.clone().transpose(), t.clone());
    let d = product(f.clone().transpose(), f.clone()) + alpha;
    let scale = d.clone() + (d * alpha).sqrt();
    let change = remainder - product(f / scale, along);
    let new = t.clone() + change.clone();
    let remainder = change - (new.clone() - t);
    (new, remainder)
}
