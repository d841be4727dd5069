//! Products of an input and weights on flex that bring their own backward pass.

use std::fmt::Debug;

use burn::backend::Flex;
#[cfg(feature = "train")]
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor};

use crate::numeric::is_flex;

/// A function of an input and weights, linear in each.
#[cfg_attr(not(feature = "train"), allow(dead_code))] // There is no backward pass.
pub(super) trait Product: Clone + Debug + Send + 'static {
    fn forward(&self, x: FlexTensor, weight: FlexTensor) -> FlexTensor;

    /// The gradient of the input, from that of the output.
    #[cfg(feature = "train")]
    fn input_gradient(&self, weight: FlexTensor, dy: FlexTensor) -> FlexTensor;

    /// The gradient of the weights, from that of the output.
    #[cfg(feature = "train")]
    fn weight_gradient(&self, x: FlexTensor, dy: FlexTensor) -> FlexTensor;
}

/// Computes a product of f32 tensors on flex; `None` elsewhere.
pub(super) fn apply<const D: usize, const W: usize>(
    product: impl Product,
    x: &Tensor<D>,
    weight: &Tensor<W>,
) -> Option<Tensor<D>> {
    let is_f32 = x.dtype() == DType::F32 && weight.dtype() == DType::F32;
    if !is_f32 || !is_flex(&x.device().inner()) {
        return None;
    }
    #[cfg(feature = "train")]
    if x.device().is_autodiff() {
        return differentiable(product, x, weight);
    }
    let x = x.clone().try_into_primitive::<Flex>().ok()?;
    let weight = weight.clone().try_into_primitive::<Flex>().ok()?;
    Some(Tensor::from_primitive::<Flex>(product.forward(x, weight)))
}

/// `None` on a device with gradient checkpointing, whose type is another.
#[cfg(feature = "train")]
fn differentiable<const D: usize, const W: usize>(
    product: impl Product,
    x: &Tensor<D>,
    weight: &Tensor<W>,
) -> Option<Tensor<D>> {
    type Autodiff = burn::backend::Autodiff<Flex>;

    let x = x.clone().try_into_primitive::<Autodiff>().ok()?;
    let weight = weight.clone().try_into_primitive::<Autodiff>().ok()?;
    let y = product.forward(x.primitive().clone(), weight.primitive().clone());
    let recorded = Recorded(product)
        .prepare::<NoCheckpointing>([x.node(), weight.node()])
        .compute_bound()
        .stateful();
    let y = match recorded {
        OpsKind::Tracked(recorded) => {
            let factors = [
                weight.is_tracked().then(|| x.primitive().clone()),
                x.is_tracked().then(|| weight.primitive().clone()),
            ];
            recorded.finish(factors, y)
        }
        OpsKind::UnTracked(recorded) => recorded.finish(y),
    };
    Some(Tensor::from_primitive::<Autodiff>(y))
}

/// The backward pass of a product. Its state is the input, if the weights need a gradient, and the weights,
/// if the input does.
#[cfg(feature = "train")]
#[derive(Debug)]
struct Recorded<P>(P);

#[cfg(feature = "train")]
impl<P: Product> Backward<Flex, 2> for Recorded<P> {
    type State = [Option<FlexTensor>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node);
        let [of_x, of_weight] = ops.parents;
        let [x, weight] = ops.state;
        if let (Some(node), Some(weight)) = (of_x, weight) {
            let dx = self.0.input_gradient(weight, dy.clone());
            grads.register::<Flex>(node.id, dx);
        }
        if let (Some(node), Some(x)) = (of_weight, x) {
            let dw = self.0.weight_gradient(x, dy);
            grads.register::<Flex>(node.id, dw);
        }
    }
}
