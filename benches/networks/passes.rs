//! Forward and backward passes of an encoder and of layers.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::sync;
use crate::turns::{Turns, Way};

/// A forward pass of a module with its input, and the name of the module.
pub struct Side<'a> {
    name: &'static str,
    forward: Box<dyn Fn() -> Tensor<2> + 'a>,
}

impl<'a> Side<'a> {
    pub fn new<M: Module + 'a, X: Clone + 'a>(
        name: &'static str,
        module: M,
        input: X,
        forward: impl Fn(&M, X) -> Tensor<2> + 'a,
    ) -> Self {
        let forward = Box::new(move || forward(&module, input.clone()));
        Self { name, forward }
    }

    fn pass(&self, device: &Device, backward: bool) {
        let features = (self.forward)();
        if backward {
            let gradients = features.sum().backward();
            sync(device);
            drop(gradients);
        } else {
            sync(device);
            drop(features);
        }
    }
}

/// Times the forward passes on `device` as `NAME/forward/..`, and forward and backward passes as
/// `NAME/backward/..`.
pub fn time<'a>(
    turns: &Turns,
    name: &str,
    (device_name, device): (&str, &Device),
    sides: impl Fn(&Device) -> [Side<'a>; 2],
) {
    let training = device.clone().autodiff();
    let checkpointed = training.clone().gradient_checkpointing();
    for (pass, device, backward) in [
        ("forward", device.clone(), false),
        ("backward", training, true),
        ("backward-checkpointed", checkpointed, true),
    ] {
        let name = format!("{name}/{pass}/{device_name}");
        if !turns.include(&name) {
            continue;
        }
        let (sides, device) = (sides(&device), &device);
        let ways = sides.each_ref();
        let times =
            turns.time(ways.map(|side| -> Way { Box::new(|| side.pass(device, backward)) }));
        for (side, times) in sides.iter().zip(times) {
            let times: Vec<String> = times.iter().map(|time| format!("{time:.2}")).collect();
            println!("{name}/{} {}", side.name, times.join(" "));
        }
    }
}
