//! The CubeCL path: what CUDA and wgpu share, kernels, fusion and asynchronous execution, run
//! through wgpu, on a GPU or on Mesa's software Vulkan.
//!
//! Without an adapter the tests could only pass or fail for the wrong reason. They are therefore ignored
//! unless they are asked for:
//!
//! ```sh
//! cargo test --features wgpu --test wgpu -- --include-ignored
//! ```

#[path = "../golden/checks.rs"]
#[allow(dead_code)]
mod checks;
#[allow(dead_code)]
mod common;
mod flows;
mod golden;
mod laws;
