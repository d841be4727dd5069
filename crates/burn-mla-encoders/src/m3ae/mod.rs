//! The encoders of M3AE, a masked autoencoder of images and texts.
//!
//! [Geng et al., 2022](https://arxiv.org/abs/2205.14204); the code is that of the
//! [authors](https://github.com/young-geng/m3ae_public) and of
//! [MLA](https://github.com/Cecile-hi/Multimodal-Learning-with-Alternating-Unimodal-Adaptation).
//! MLA trains one encoder on texts and another on images, both from the same pretrained weights.

mod config;
mod image;
#[cfg(test)]
mod tests;
mod text;
mod transformer;

pub use config::M3aeConfig;
pub use image::M3aeImageEncoder;
pub use text::M3aeTextEncoder;
