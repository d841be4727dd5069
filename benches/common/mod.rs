//! Shared parts of the benches. Times include a sync of the device.

use burn::tensor::{Device, Distribution, Tensor};

// A CPU backend allocates every result. glibc returns freed blocks of that size to the
// system, whose page faults then cost more than small products do.
#[cfg(not(feature = "system-allocator"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The devices of this build, by name.
// Burn marks ndarray deprecated. It is measured because it is supported.
#[allow(deprecated)]
pub fn devices() -> Vec<(&'static str, Device)> {
    vec![
        ("flex", Device::flex()),
        #[cfg(feature = "ndarray")]
        ("ndarray", Device::ndarray()),
        #[cfg(feature = "cuda")]
        ("cuda", Device::cuda(0)),
        #[cfg(feature = "wgpu")]
        ("wgpu", Device::wgpu(Default::default())),
    ]
}

pub fn sync(device: &Device) {
    device.sync().expect("the device works");
}

pub fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}
