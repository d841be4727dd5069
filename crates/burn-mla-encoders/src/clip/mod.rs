//! The image and text towers of CLIP.
//!
//! [Radford et al., 2021](https://arxiv.org/abs/2103.00020). Weights in the layouts of Hugging Face
//! and of OpenAI load alike:
//!
//! ```no_run
//! use burn::tensor::Device;
//! use burn_mla_encoders::clip::{ClipImageEncoderConfig, ClipTextEncoderConfig};
//!
//! let device = Device::flex();
//! let images = ClipImageEncoderConfig::from_hugging_face("clip-vit-base-patch32")?
//!     .init_lazy(&device)?
//!     .load_pretrained("clip-vit-base-patch32/model.safetensors")?;
//! let texts = ClipTextEncoderConfig::vit_b_32()
//!     .with_normalized(true)
//!     .init_lazy(&device)?
//!     .load_pretrained("open_clip_pytorch_model.bin")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod hugging_face;
mod image;
#[cfg(test)]
mod tests;
mod text;
mod tower;
mod weights;

pub use image::{ClipImageEncoder, ClipImageEncoderConfig};
pub use text::{ClipTextEncoder, ClipTextEncoderConfig};
pub use weights::ClipLayout;
