//! The CubeCL path: what CUDA and wgpu share, kernels, fusion and asynchronous execution, run
//! through wgpu, on a GPU or on Mesa's software Vulkan.
//!
//! ```sh
//! cargo test --features wgpu --test wgpu
//! ```

#[allow(dead_code)]
mod common;
mod flows;
#[path = "../flows/golden.rs"]
mod golden;
mod laws;
