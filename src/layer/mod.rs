//! Layers of Burn, computed in the way that is fastest on a CPU.
//!
//! Configurations, parameters and records are those of Burn's layers. In f32 the products and maxima are computed
//! here on flex, and the random numbers of dropout on flex and ndarray. Everything else is the layer's own `forward`.

mod conv2d;
#[cfg(feature = "flex")]
mod convolution;
mod dropout;
mod linear;
mod max_pool2d;
#[cfg(feature = "flex")]
mod patches;
#[cfg(feature = "flex")]
mod product;

pub use conv2d::conv2d;
pub use dropout::dropout;
pub use linear::linear;
pub use max_pool2d::max_pool2d;
