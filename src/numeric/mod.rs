//! Numbers: f32 on the host, products in full f32, finiteness, eigenvalues and singular values, random
//! numbers.

mod all_cores;
mod dense;
mod eye;
mod finite;
mod host;
mod multinomial;
mod precision;
mod product;
mod random;
mod singular;
mod symmetric;
#[cfg(feature = "host-kernels")]
mod triangular;

pub(crate) use all_cores::on_all_cores;
pub(crate) use dense::{
    Matrix, centre, cholesky, columns_to_tensor, gram, read_columns, solve_lower,
    solve_lower_transposed, times_transposed,
};
pub(crate) use eye::eye;
#[cfg(feature = "train")]
pub(crate) use finite::{culprit, finite_probe, first_failed};
pub(crate) use finite::{first_not_finite, not_finite_rows};
#[cfg(feature = "train")]
pub(crate) use host::divide_all;
pub(crate) use host::{Numbers, add_scaled, dot, is_flex, is_host, largest, sum};
#[cfg(feature = "train")]
pub(crate) use multinomial::softmax_columns;
pub(crate) use multinomial::{Design, fit_multinomial};
pub(crate) use precision::widened;
pub(crate) use product::product;
pub(crate) use random::{generator, uniform};
pub(crate) use singular::{Singular, leading};
pub(crate) use symmetric::{Eigen, Symmetric};
#[cfg(feature = "host-kernels")]
pub(crate) use triangular::upper_triangular;
