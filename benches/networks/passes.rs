//! Timing of two ways in turns.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::sync;

/// Which measurements run, and how often.
pub struct Turns {
    pub filter: String,
    pub rounds: usize,
}

/// A forward pass of a module with its input, and the name of the module.
pub struct Side<'a> {
    pub name: &'static str,
    pub forward: Box<dyn Fn() -> Tensor<2> + 'a>,
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
}

impl Turns {
    /// Times the forward passes on `device` as `NAME/forward/..`, and forward and backward passes as
    /// `NAME/backward/..`.
    pub fn run<'a>(
        &self,
        name: &str,
        (device_name, device): (&str, &Device),
        sides: impl Fn(&Device) -> Vec<Side<'a>>,
    ) {
        let training = device.clone().autodiff();
        let checkpointed = training.clone().gradient_checkpointing();
        for (pass, device, backward) in [
            ("forward", device.clone(), false),
            ("backward", training, true),
            ("backward-checkpointed", checkpointed, true),
        ] {
            let name = format!("{name}/{pass}/{device_name}");
            if name.contains(&self.filter) {
                self.time(&name, &device, &sides(&device), backward);
            }
        }
    }

    fn time(&self, name: &str, device: &Device, sides: &[Side<'_>], backward: bool) {
        let pass = |side: &Side<'_>| {
            let start = Instant::now();
            let features = (side.forward)();
            if backward {
                let gradients = features.sum().backward();
                sync(device);
                drop(gradients);
            } else {
                sync(device);
                drop(features);
            }
            start.elapsed().as_secs_f64() * 1e3
        };
        let mut times = vec![vec![]; sides.len()];
        sides.iter().for_each(|side| {
            pass(side);
        });
        for round in 0..self.rounds {
            // Each side is first in every other round.
            for turn in 0..sides.len() {
                let at = (turn + round) % sides.len();
                times[at].push(pass(&sides[at]));
            }
        }
        for (side, times) in sides.iter().zip(times) {
            let times: Vec<String> = times.iter().map(|time| format!("{time:.2}")).collect();
            println!("{name}/{} {}", side.name, times.join(" "));
        }
    }
}
