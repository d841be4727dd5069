//! What the vision and text transformers share: pre-norm blocks, attention, positions, patches.

mod activation;
mod attention;
mod block;
pub(crate) mod check;
mod drop_path;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) mod gradients;
mod layers;
mod patches;
mod positions;
#[cfg(test)]
mod tests;

pub use activation::Activation;
pub(crate) use attention::{Hidden, causal, hide_keys};
pub(crate) use block::{Block, BlockConfig, forward};
pub(crate) use layers::{BlockInitializers, PatchConvolution, linear, normal, per_token};
pub use patches::PatchOrder;
pub(crate) use patches::cut;
pub(crate) use positions::{Arithmetic, sin_cos, sin_cos_grid};
