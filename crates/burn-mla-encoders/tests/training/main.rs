//! Training of models with pretrained encoders.
//!
//! A separate program in which one test runs at a time, because the random state of a backend is global.

mod resnet;
mod resume;

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

/// One test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static RANDOM_STATE: Mutex<()> = Mutex::new(());
    RANDOM_STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// flex, and with the feature `ndarray` also ndarray, which Burn marks as deprecated.
#[allow(deprecated)]
fn devices() -> Vec<Device> {
    vec![
        Device::flex(),
        #[cfg(feature = "ndarray")]
        Device::ndarray(),
    ]
}

/// All float values of a module, by path.
fn state<M: Module>(module: &M) -> Vec<(String, Vec<f32>)> {
    #[derive(Default)]
    struct State {
        path: Vec<String>,
        found: Vec<(String, Vec<f32>)>,
    }
    impl ModuleVisitor for State {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data().iter().collect();
            self.found.push((self.path.join("."), values));
        }
    }
    let mut state = State::default();
    module.valid().visit(&mut state);
    state.found
}
