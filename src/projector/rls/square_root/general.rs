//! Potter's update of a full square root, by tensor operations.

use burn::tensor::Tensor;

use crate::numeric::product;

/// `T` after a feature `r`, `[s]`:
///
/// ```text
/// f   = T r
/// d   = alpha + f^T f
/// T  <- T - f (T^T f)^T / (d + sqrt(alpha d))
/// ```
pub(super) fn update(t: Tensor<2>, feature: Tensor<1>, alpha: f64) -> Tensor<2> {
    let f = product(t.clone(), feature.unsqueeze_dim(1));
    let along = product(f.clone().transpose(), t.clone());
    let d = product(f.clone().transpose(), f.clone()) + alpha;
    let scale = d.clone() + (d * alpha).sqrt();
    t - product(f / scale, along)
}
