//! ResNet encoders of filter banks, images and videos.

mod block;
mod config;
mod encoder;
mod input;
#[cfg(test)]
mod tests;

pub use block::ResidualBlock;
pub use config::ResNetConfig;
pub use encoder::ResNetEncoder;
pub use input::ResNetInput;
