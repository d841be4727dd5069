//! The devices of a training, each of which takes a part of every turn.

use std::ops::Range;
use std::panic::resume_unwind;
use std::time::Duration;

use burn::optim::GradientsAccumulator;
use burn::tensor::{Device, Tensor};
use burn::train::TrainOutput;

use crate::dataset::{Divide, shares};
use crate::error::{MlaError, Result};
use crate::loader::derived;
use crate::method::{DeviceWorker, MultimodalMethod, StepOutput};
use crate::modality::Targets;
use crate::module::unshared;

/// The devices that a turn is divided over. The first one is that of the model and of the update.
pub(super) struct Devices<I> {
    workers: Vec<DeviceWorker>,
    n_samples: fn(&I) -> usize,
    part: fn(&I, Range<usize>, &Device) -> Result<I>,
}

impl<I: Divide> Devices<I> {
    pub(super) fn new(devices: Vec<Device>) -> Self {
        Self {
            workers: devices.into_iter().map(DeviceWorker::new).collect(),
            n_samples: I::n_samples,
            part: I::part,
        }
    }
}

impl<I: Send + 'static> Devices<I> {
    pub(super) fn all(&self) -> impl Iterator<Item = Device> {
        self.workers.iter().map(|worker| worker.device.clone())
    }

    /// The forward and backward passes of the parts of a turn, each on its device. Gradients and outputs
    /// are summed and joined on the first device, in the order of the devices. `seed` is that of the turn.
    pub(super) fn step<M>(
        &self,
        model: &M,
        turn: &I,
        seed: u64,
        limit: Option<Duration>,
    ) -> Result<TrainOutput<StepOutput>>
    where
        M: MultimodalMethod<TrainingInput = I>,
    {
        let n_samples = (self.n_samples)(turn);
        if n_samples == 0 {
            let what = "the samples of a turn";
            return Err(MlaError::Empty { what });
        }
        let shares = shares(n_samples, self.workers.len());
        let mut running = vec![];
        for (rank, (range, worker)) in shares.zip(&self.workers).enumerate() {
            let part = (self.part)(turn, range, &worker.device)?;
            let (model, device) = (unshared(model), worker.device.clone());
            running.push(worker.run(move || {
                device.seed(derived(seed, rank as u64));
                let output = model.replica(&part, &device).try_train_step(part);
                if limit.is_some() {
                    // The backward pass, too, has to end within the limit. A device that fails is asked later.
                    let _ = device.sync();
                }
                output
            }));
        }
        let main = &self.workers[0].device;
        let mut sum = GradientsAccumulator::new();
        let mut outputs = vec![];
        for (running, worker) in running.into_iter().zip(&self.workers) {
            let output = match running.wait(limit) {
                Ok(Ok(output)) => output?,
                Ok(Err(panic)) => resume_unwind(panic),
                Err(reason) => return Err(worker.lost(reason)),
            };
            sum.accumulate(model, output.grads.to_device(main, model));
            outputs.push(output.item);
        }
        Ok(TrainOutput {
            grads: sum.grads(),
            item: joined(outputs, &main.clone().without_autodiff()),
        })
    }
}

/// The output of a turn from those of its parts. The loss is the mean by the weights of their samples.
fn joined(outputs: Vec<StepOutput>, device: &Device) -> StepOutput {
    let weight: f64 = outputs.iter().map(|output| output.weight).sum();
    let modality = outputs.first().and_then(|output| output.modality);
    let (mut losses, mut logits, mut targets) = (vec![], vec![], vec![]);
    for output in outputs {
        losses.push(output.loss.to_device(device) * (output.weight / weight));
        logits.push(output.logits.to_device(device));
        targets.push(output.targets);
    }
    StepOutput {
        modality,
        loss: Tensor::cat(losses, 0).sum(),
        logits: Tensor::cat(logits, 0),
        targets: Targets::concatenated(&targets, device),
        weight,
    }
}
