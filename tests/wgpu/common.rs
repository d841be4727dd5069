//! The flows' models and data, on wgpu in place of the CPU backends.

use std::panic::catch_unwind;
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor};

#[path = "../flows/common.rs"]
mod flows;

pub use flows::*;

/// The default adapter.
///
/// # Panics
///
/// If there is none.
pub fn device() -> Device {
    static FOUND: OnceLock<Option<Device>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let first = || {
            let device = Device::wgpu(Default::default());
            let sum = Tensor::<1>::ones([3], &device).sum();
            assert_eq!(sum.into_scalar::<f32>(), 3.0);
            device
        };
        catch_unwind(first).ok()
    });
    let missing = "no wgpu adapter found (Debian's mesa-vulkan-drivers has one in software)";
    found.clone().expect(missing)
}

/// The devices of checks that the CPU backends run too.
pub fn devices() -> [Device; 1] {
    [device()]
}
