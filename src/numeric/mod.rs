//! Numbers: f32 on the host, products in full f32, finiteness, eigenvalues.

mod eye;
mod finite;
mod host;
mod product;
mod symmetric;
#[cfg(feature = "host-kernels")]
mod triangular;

pub(crate) use eye::eye;
pub(crate) use finite::first_not_finite;
pub(crate) use host::{Numbers, add_scaled, dot, is_flex, is_host, largest, sum};
pub(crate) use product::product;
pub(crate) use symmetric::{Eigen, Symmetric};
#[cfg(feature = "host-kernels")]
pub(crate) use triangular::upper_triangular;
