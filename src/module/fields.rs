//! Burn's `Module` for generic types that its derive does not support: a parameter that is not a
//! module but has one as an associated type.

/// Implements `Module` by its methods on the fields in `modules`. The fields in `others` are copied.
///
/// Mapping and moving a field marked `by unshared` leaves the running statistics of clones as they
/// are, and applies pending updates first, which would otherwise replace the mapped values later.
/// Records load in the precision of the module.
macro_rules! module_fields {
    (
        impl[$($generics:tt)*] $name:ident[$($args:tt)*]
        modules: [$($field:ident $(by $own:path)?),*], others: [$($(#[$attr:meta])* $other:ident),*]
    ) => {
        impl<$($generics)*> burn::module::Module for $name<$($args)*> {
            fn collect_devices(&self, devices: burn::module::Devices) -> burn::module::Devices {
                $(let devices = self.$field.collect_devices(devices);)*
                devices
            }

            fn fork(self, device: &burn::tensor::Device) -> Self {
                $(
                    let $field = self.$field;
                    $(let $field = $own(&$field);)?
                    let $field = $field.fork(device);
                )*
                Self { $($field,)* $($(#[$attr])* $other: self.$other,)* }
            }

            fn to_device(self, device: &burn::tensor::Device) -> Self {
                $(
                    let $field = self.$field;
                    $(let $field = $own(&$field);)?
                    let $field = $field.to_device(device);
                )*
                Self { $($field,)* $($(#[$attr])* $other: self.$other,)* }
            }

            fn train(self) -> Self {
                $(let $field = self.$field.train();)*
                Self { $($field,)* $($(#[$attr])* $other: self.$other,)* }
            }

            fn valid(&self) -> Self {
                $(let $field = self.$field.valid();)*
                Self { $($field,)* $($(#[$attr])* $other: self.$other.clone(),)* }
            }

            fn materialize(self) -> Self {
                $(let $field = self.$field.materialize();)*
                Self { $($field,)* $($(#[$attr])* $other: self.$other,)* }
            }

            fn try_load_record(
                self,
                record: burn::store::ModuleRecord,
            ) -> Result<Self, burn::store::RecordError> {
                $crate::module::load_in_own_precision(self, record)
            }

            fn visit<Visitor: burn::module::ModuleVisitor>(&self, visitor: &mut Visitor) {
                const CONTAINER: &str = concat!("Struct:", stringify!($name));
                $(
                    visitor.enter_module(stringify!($field), CONTAINER);
                    self.$field.visit(visitor);
                    visitor.exit_module(stringify!($field), CONTAINER);
                )*
            }

            fn map<Mapper: burn::module::ModuleMapper>(self, mapper: &mut Mapper) -> Self {
                const CONTAINER: &str = concat!("Struct:", stringify!($name));
                $(
                    let $field = self.$field;
                    $(let $field = $own(&$field);)?
                    mapper.enter_module(stringify!($field), CONTAINER);
                    let $field = burn::module::Module::map($field, mapper);
                    mapper.exit_module(stringify!($field), CONTAINER);
                )*
                Self { $($field,)* $($(#[$attr])* $other: self.$other,)* }
            }
        }
    };
}

pub(crate) use module_fields;
