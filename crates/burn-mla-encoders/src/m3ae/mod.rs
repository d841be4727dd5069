//! The encoders of M3AE, a masked autoencoder of images and texts.
//!
//! [Geng et al., 2022](https://arxiv.org/abs/2205.14204); the code is that of the
//! [authors](https://github.com/young-geng/m3ae_public) and of
//! [MLA](https://github.com/Cecile-hi/Multimodal-Learning-with-Alternating-Unimodal-Adaptation).
//! MLA trains one encoder on texts and another on images, both from the same pretrained weights.
//!
//! The published weights are pickles of JAX arrays. `scripts/m3ae_jax_to_safetensors.py` of this crate
//! converts them, without running code of the pickle:
//!
//! ```no_run
//! use burn::tensor::Device;
//! use burn_mla_encoders::m3ae::M3aeConfig;
//!
//! // python m3ae_jax_to_safetensors.py m3ae_base.pkl m3ae_base.safetensors
//! let (device, config) = (Device::flex(), M3aeConfig::jax_base());
//! let texts = config.init_text_lazy(&device)?.load_pretrained("m3ae_base.safetensors")?;
//! let images = config.init_image_lazy(&device)?.load_pretrained("m3ae_base.safetensors")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod image;
mod joint;
#[cfg(test)]
mod tests;
mod text;
mod transformer;

pub use config::M3aeConfig;
pub use image::M3aeImageEncoder;
pub use joint::M3aeJointEncoder;
pub use text::M3aeTextEncoder;
