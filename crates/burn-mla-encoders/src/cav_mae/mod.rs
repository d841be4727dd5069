//! The encoders of CAV-MAE, a contrastive masked autoencoder of audio and images.
//!
//! [Gong et al., 2023](https://arxiv.org/abs/2210.07839); the code is that of the
//! [authors](https://github.com/YuanGongND/cav-mae) and of
//! [MLA](https://github.com/Cecile-hi/Multimodal-Learning-with-Alternating-Unimodal-Adaptation),
//! which trains one encoder on audio and another on images. Of the two networks of the authors these
//! are the branches of the one for fine-tuning, up to the pooled tokens of `norm_a` and `norm_v`.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use burn_mla_encoders::cav_mae::CavMaeConfig;
//!
//! let audio = CavMaeConfig::base().init_audio(&Device::flex())?;
//! let file = audio.authors_weight_file("audio_model.21.pth");
//! let loaded = file.load_with_report(audio)?;
//! println!("left out: {}", loaded.left_out.join(", "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audio;
mod config;
#[cfg(test)]
mod tests;
mod transformer;
mod visual;

pub use audio::CavMaeAudioEncoder;
pub use config::CavMaeConfig;
pub use visual::CavMaeVisualEncoder;
