//! Burn's `Module` for a struct around a module.

/// Implements `Module` and `Clone` for a struct around a module, whose parameters keep their paths. The fields
/// in `modules` are added under the names given; those in `others` are copied.
///
/// Parameter groups for the inner module therefore hold for the struct around it, and clones share no more
/// than those of the inner module do.
macro_rules! module_around {
    (
        impl[$($generics:tt)*] $name:ident[$($args:tt)*]
        around: $inner:ident, modules: [$($field:ident as $path:literal),*], others: [$($other:ident),*]
    ) => {
        impl<$($generics)*> Clone for $name<$($args)*> {
            fn clone(&self) -> Self {
                Self {
                    $inner: self.$inner.clone(),
                    $($field: self.$field.clone(),)*
                    $($other: self.$other.clone(),)*
                }
            }
        }

        impl<$($generics)*> burn::module::Module for $name<$($args)*> {
            fn collect_devices(&self, devices: burn::module::Devices) -> burn::module::Devices {
                let devices = self.$inner.collect_devices(devices);
                $(let devices = self.$field.collect_devices(devices);)*
                devices
            }

            fn fork(self, device: &burn::tensor::Device) -> Self {
                Self {
                    $inner: self.$inner.fork(device),
                    $($field: self.$field.fork(device),)*
                    $($other: self.$other,)*
                }
            }

            fn to_device(self, device: &burn::tensor::Device) -> Self {
                Self {
                    $inner: self.$inner.to_device(device),
                    $($field: self.$field.to_device(device),)*
                    $($other: self.$other,)*
                }
            }

            fn train(self) -> Self {
                Self {
                    $inner: self.$inner.train(),
                    $($field: self.$field.train(),)*
                    $($other: self.$other,)*
                }
            }

            fn valid(&self) -> Self {
                Self {
                    $inner: self.$inner.valid(),
                    $($field: self.$field.valid(),)*
                    $($other: self.$other.clone(),)*
                }
            }

            fn materialize(self) -> Self {
                Self {
                    $inner: self.$inner.materialize(),
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
                self.$inner.visit(visitor);
                $(
                    visitor.enter_module($path, concat!("Struct:", stringify!($name)));
                    self.$field.visit(visitor);
                    visitor.exit_module($path, concat!("Struct:", stringify!($name)));
                )*
            }

            fn map<Mapper: burn::module::ModuleMapper>(self, mapper: &mut Mapper) -> Self {
                let $inner = burn::module::Module::map(self.$inner, mapper);
                $(
                    mapper.enter_module($path, concat!("Struct:", stringify!($name)));
                    let $field = burn::module::Module::map(self.$field, mapper);
                    mapper.exit_module($path, concat!("Struct:", stringify!($name)));
                )*
                Self { $inner, $($field,)* $($other: self.$other,)* }
            }
        }
    };
}

pub(crate) use module_around;
