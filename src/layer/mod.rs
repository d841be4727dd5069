//! Burn's linear layers and convolutions, computed in the order that is fastest on flex.
//!
//! Parameters, records and results are those of the layers; only the order of the additions differs. Other
//! backends and element types compute what the layer's own `forward` does.

mod conv2d;
mod linear;
#[cfg(feature = "flex")]
mod product;

pub use conv2d::conv2d;
pub use linear::linear;
