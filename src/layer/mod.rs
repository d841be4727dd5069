//! Layers of Burn, computed in the way that is fastest on a CPU.
//!
//! Configurations, parameters and records are those of Burn's layers. On flex in f32 the products, maxima and
//! random numbers are computed here; other backends and element types compute what the layer's own `forward` does.

mod conv2d;
mod dropout;
mod linear;
mod max_pool2d;
#[cfg(feature = "flex")]
mod patches;
#[cfg(feature = "flex")]
mod product;
#[cfg(feature = "flex")]
mod products;

pub use conv2d::conv2d;
pub use dropout::dropout;
pub use linear::linear;
pub use max_pool2d::max_pool2d;
