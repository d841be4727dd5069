//! A float tensor that is saved with its module but never trains.

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{Device, Tensor};

/// A float tensor that is saved and loaded with its module but never trains.
///
/// Unlike a [`Param`] with gradients switched off, it stays off the autodiff tape through
/// [`train`](Module::train), [`unfreeze`](Module::unfreeze) and
/// [`fork`](Module::fork), and keeps its precision when the module is cast to another; unlike
/// Burn's `RunningState`, clones do not share it.
#[derive(Debug, Clone)]
pub struct Buffer<const D: usize> {
    id: ParamId,
    value: Tensor<D>,
}

impl<const D: usize> Buffer<D> {
    /// Creates a buffer with the given value.
    pub fn new(value: Tensor<D>) -> Self {
        Self {
            id: ParamId::new(),
            value: value.without_autodiff(),
        }
    }

    /// The parameter id.
    pub fn id(&self) -> ParamId {
        self.id
    }

    /// The value.
    pub fn get(&self) -> Tensor<D> {
        self.value.clone()
    }

    /// Replaces the value.
    pub fn set(&mut self, value: Tensor<D>) {
        self.value = value.without_autodiff();
    }

    /// Replaces the value by a function of it. `change` may work in place if the value has no other
    /// owner.
    pub fn replace(self, change: impl FnOnce(Tensor<D>) -> Tensor<D>) -> Self {
        Self {
            id: self.id,
            value: change(self.value).without_autodiff(),
        }
    }

    /// Updates the value. `change` may work in place if the value has no other owner.
    pub fn update(&mut self, change: impl FnOnce(Tensor<D>) -> Tensor<D>) {
        let placeholder = Tensor::empty([1; D], (&self.value.device(), self.value.dtype()));
        let value = std::mem::replace(&mut self.value, placeholder);
        self.value = change(value).without_autodiff();
    }

    /// The shape of the value.
    pub fn dims(&self) -> [usize; D] {
        self.value.dims()
    }
}

impl<const D: usize> Module for Buffer<D> {
    fn collect_devices(&self, mut devices: Devices) -> Devices {
        let device = self.value.device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn to_device(mut self, device: &Device) -> Self {
        self.value = self.value.to_device(device).without_autodiff();
        self
    }

    fn train(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn materialize(self) -> Self {
        self
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.visit_float(&Param::initialized(self.id, self.value.clone()));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let dtype = self.value.dtype();
        // Burn's `ddp` marks every parameter of a model, and panics for one off autodiff.
        #[cfg(feature = "train")]
        let value = self.value.autodiff();
        #[cfg(not(feature = "train"))]
        let value = self.value;
        let param = mapper.map_float(Param::initialized(self.id, value));
        let (id, value, _) = param.consume();
        Self {
            id,
            value: value.without_autodiff().cast(dtype),
        }
    }
}

impl<const D: usize> ModuleDisplayDefault for Buffer<D> {
    fn content(&self, content: Content) -> Option<Content> {
        let text = format!("Buffer {{shape: {:?}}}", self.value.dims());
        content.add_formatted(&text).optional()
    }
}

impl<const D: usize> ModuleDisplay for Buffer<D> {}
