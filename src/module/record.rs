//! Loading of Burn's records in the precision of the module.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;

/// Loads a record; parameters keep the precision of the module, whatever that of the record.
///
/// By default Burn gives parameters the precision of the record. A model on a bf16 device would then
/// panic at its first prediction.
pub(crate) fn load_in_own_precision<M: Module>(
    module: M,
    record: ModuleRecord,
) -> Result<M, RecordError> {
    let loaded = Default(module).try_load_record(record.cast_to_module_dtype());
    loaded.map(|loaded| loaded.0).map_err(|error| match error {
        // Burn prints shapes by `Debug`.
        RecordError::Validation(text) => {
            RecordError::Validation(text.replace("Shape { dims: ", "").replace("] }", "]"))
        }
        other => other,
    })
}

/// A module with Burn's default loading of records.
#[derive(Debug, Clone)]
struct Default<M>(M);

impl<M: Module> Module for Default<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.0.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self(self.0.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device))
    }

    fn train(self) -> Self {
        Self(self.0.train())
    }

    fn valid(&self) -> Self {
        Self(self.0.valid())
    }

    fn materialize(self) -> Self {
        Self(self.0.materialize())
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.0.visit(visitor);
    }

    fn map<T: ModuleMapper>(self, mapper: &mut T) -> Self {
        Self(self.0.map(mapper))
    }
}
