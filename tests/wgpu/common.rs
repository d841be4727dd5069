//! The flows' models and data, on wgpu in place of the CPU backends.

use std::io::Write;
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor};

#[path = "../flows/common.rs"]
mod flows;

pub use flows::*;

/// The default adapter; none where there is none, which is said once.
pub fn devices() -> Option<Device> {
    static FOUND: OnceLock<Option<Device>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let found = std::panic::catch_unwind(|| {
            let device = Device::wgpu(Default::default());
            let sum = Tensor::<1>::ones([3], &device).sum();
            assert_eq!(sum.into_scalar::<f32>(), 3.0);
            device
        });
        let line = match &found {
            Ok(device) => format!("wgpu tests run on {device:?}\n"),
            Err(_) => "wgpu tests SKIPPED: no adapter found (Debian's mesa-vulkan-drivers has \
                       one in software)\n"
                .to_string(),
        };
        // Not by a macro, whose output the test runner would keep to itself.
        let _ = std::io::stderr().write_all(line.as_bytes());
        found.ok()
    });
    found.clone()
}
