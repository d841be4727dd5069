//! An integer that is saved with its module but stays on the host.

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{Device, Int, Tensor, TensorData};

#[cfg(feature = "train")]
use crate::error::{MlaError, Result};

/// A count that lives on the host and is saved and loaded with its module.
///
/// Reading it costs no device read: a tensor exists only while a visitor or a mapper uses it.
/// Half-words of 24 bits fit every integer type of a backend.
#[derive(Debug, Clone)]
pub(crate) struct Counter {
    id: ParamId,
    value: u64,
    device: Device,
}

const LOW_BITS: u32 = 24;

impl Counter {
    pub(crate) fn new(value: u64, device: &Device) -> Self {
        Self {
            id: ParamId::new(),
            value,
            device: device.clone().inner(),
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.value
    }

    pub(crate) fn set(&mut self, value: u64) {
        self.value = value;
    }

    /// Checks a count that was loaded from a record. No training gets beyond 2^48.
    #[cfg(feature = "train")]
    pub(crate) fn check(&self, name: &'static str) -> Result<()> {
        if self.value <= 1 << 48 {
            return Ok(());
        }
        Err(MlaError::HyperParameter {
            name,
            requirement: "a count of at most 2^48",
            value: self.value as f64,
        })
    }

    fn to_param(&self) -> Param<Tensor<1, Int>> {
        let low = (self.value & ((1 << LOW_BITS) - 1)) as i64;
        let high = (self.value >> LOW_BITS) as i64;
        let data = TensorData::new(vec![high, low], [2]);
        let init = move |device: &Device, _: bool| Tensor::from_data(data, device);
        Param::uninitialized(self.id, init, self.device.clone(), false, [2].into())
    }
}

impl Module for Counter {
    fn collect_devices(&self, mut devices: Devices) -> Devices {
        if !devices.contains(&self.device) {
            devices.push(self.device.clone());
        }
        devices
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn to_device(mut self, device: &Device) -> Self {
        self.device = device.clone().inner();
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
        visitor.visit_int(&self.to_param());
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let param = mapper.map_int(self.to_param());
        if !param.is_initialized() {
            return self;
        }
        let (id, tensor, _) = param.consume();
        let halves: Vec<i64> = tensor.into_data().iter::<i64>().collect();
        let value = ((halves[0] as u64) << LOW_BITS) | halves[1] as u64;
        Self { id, value, ..self }
    }
}

impl ModuleDisplayDefault for Counter {
    fn content(&self, content: Content) -> Option<Content> {
        // The value is state, which a display of the structure leaves out.
        content.add_formatted(&"Counter").optional()
    }
}

impl ModuleDisplay for Counter {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_survives_a_record() {
        for count in [0, 1, (1 << 24) - 1, 1 << 24, (1 << 40) + 12345] {
            let record = Counter::new(count, &Device::flex()).into_record();
            let loaded = Counter::new(7, &Device::flex()).load_record(record);
            assert_eq!(loaded.get(), count);
            #[cfg(feature = "train")]
            assert!(loaded.check("count").is_ok());
        }
    }

    #[cfg(feature = "train")]
    #[test]
    fn an_impossible_count_is_refused() {
        let error = Counter::new(u64::MAX, &Device::flex()).check("n_steps");
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("n_steps must be a count"), "{text}");
    }
}
