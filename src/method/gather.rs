use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, MultiGradientsParams};

/// The sum of the gradients of all devices, on the model's.
pub(crate) fn gathered<M: Module>(model: &M, gradients: MultiGradientsParams) -> GradientsParams {
    let device = model.devices().into_iter().next();
    let mut sum = GradientsAccumulator::new();
    for (gradients, _) in gradients.grads {
        let gradients = match &device {
            Some(device) => gradients.to_device(device, model),
            None => gradients,
        };
        sum.accumulate(model, gradients);
    }
    sum.grads()
}
