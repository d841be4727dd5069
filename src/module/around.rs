//! Burn's `Module` for a type around a model, which adds state to it.

/// Implements `Module` for a type with a field `model` whose paths are those of the model itself. The fields
/// in `modules` are added under the names given; those in `others` are copied.
///
/// Parameter groups for the model therefore hold for the type around it.
macro_rules! module_around_model {
    (
        impl[$($generics:tt)*] $name:ident[$($args:tt)*]
        modules: [$($field:ident as $path:literal),*], others: [$($other:ident),*]
    ) => {
        impl<$($generics)*> Clone for $name<$($args)*> {
            fn clone(&self) -> Self {
                Self {
                    model: self.model.clone(),
                    $($field: self.$field.clone(),)*
                    $($other: self.$other.clone(),)*
                }
            }
        }

        impl<$($generics)*> burn::module::Module for $name<$($args)*> {
            fn collect_devices(&self, devices: burn::module::Devices) -> burn::module::Devices {
                let devices = self.model.collect_devices(devices);
                $(let devices = self.$field.collect_devices(devices);)*
                devices
            }

            fn fork(self, device: &burn::tensor::Device) -> Self {
                Self {
                    model: self.model.fork(device),
                    $($field: self.$field.fork(device),)*
                    $($other: self.$other,)*
                }
            }

            fn to_device(self, device: &burn::tensor::Device) -> Self {
                Self {
                    model: self.model.to_device(device),
                    $($field: self.$field.to_device(device),)*
                    $($other: self.$other,)*
                }
            }

            fn train(self) -> Self {
                Self {
                    model: self.model.train(),
                    $($field: self.$field.train(),)*
                    $($other: self.$other,)*
                }
            }

            fn valid(&self) -> Self {
                Self {
                    model: self.model.valid(),
                    $($field: self.$field.valid(),)*
                    $($other: self.$other.clone(),)*
                }
            }

            fn materialize(self) -> Self {
                Self {
                    model: self.model.materialize(),
                    $($field: self.$field.materialize(),)*
                    $($other: self.$other,)*
                }
            }

            fn try_load_record(
                self,
                record: burn::store::ModuleRecord,
            ) -> Result<Self, burn::store::RecordError> {
                $crate::module::load_in_own_precision(self, record)
            }

            fn visit<Visitor: burn::module::ModuleVisitor>(&self, visitor: &mut Visitor) {
                const CONTAINER: &str = concat!("Struct:", stringify!($name));
                self.model.visit(visitor);
                $(
                    visitor.enter_module($path, CONTAINER);
                    self.$field.visit(visitor);
                    visitor.exit_module($path, CONTAINER);
                )*
            }

            fn map<Mapper: burn::module::ModuleMapper>(self, mapper: &mut Mapper) -> Self {
                const CONTAINER: &str = concat!("Struct:", stringify!($name));
                let model = burn::module::Module::map(self.model, mapper);
                $(
                    mapper.enter_module($path, CONTAINER);
                    let $field = burn::module::Module::map(self.$field, mapper);
                    mapper.exit_module($path, CONTAINER);
                )*
                Self { model, $($field,)* $($other: self.$other,)* }
            }
        }
    };
}

pub(crate) use module_around_model;
