//! Linear layers by the order of their operands: forward pass, backward pass and an update of the weights.
//!
//! ```sh
//! cargo bench --bench linear                  # all shapes, 30 times each
//! cargo bench --bench linear -- 64x512 100    # those with this name, 100 times each
//! ```
//!
//! The forms take turns within one process. Prints, per shape `batch x input x output`, the smallest time of
//! each form in microseconds and in brackets the median.

mod common;

use std::time::Instant;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::Flex;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata};
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::Shape;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn_mla::modality::Targets;
use common::{random, sync};

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let filter = arguments.first().cloned().unwrap_or_default();
    let rounds = arguments
        .get(1)
        .map_or(30, |rounds| rounds.parse().unwrap());
    let device = Device::flex();
    let widths = [64, 256, 512, 2048];
    for batch in [1, 8, 64, 512] {
        for width in widths {
            for output in [2, 10, 101, 256, 512, 1000, 2048] {
                let name = format!("products/{batch}x{width}x{output}");
                if name.contains(&filter) {
                    products(&name, batch, width, output, rounds, &device);
                }
                let name = format!("layer/{batch}x{width}x{output}");
                if name.contains(&filter) {
                    layer(
                        &name,
                        batch,
                        width,
                        output,
                        rounds,
                        &device.clone().autodiff(),
                    );
                }
            }
        }
    }
    for batch in [1, 8, 64, 512] {
        for width in widths {
            let name = format!("step/{batch}x{width}");
            if name.contains(&filter) {
                step(&name, batch, width, rounds, &device.clone().autodiff());
            }
        }
    }
}

/// The products of a layer: output, gradient of the input, gradient of the weights.
fn products(name: &str, batch: usize, width: usize, output: usize, rounds: usize, device: &Device) {
    let x = random([batch, width], device);
    let w = random([width, output], device);
    let dy = random([batch, output], device);
    let forms: Vec<(&str, Box<dyn Fn() -> Tensor<2>>)> = {
        let f = |name, f: Box<dyn Fn() -> Tensor<2>>| (name, f);
        let c = || (x.clone(), w.clone(), dy.clone());
        let (a, b, d, e, g, h) = (c(), c(), c(), c(), c(), c());
        let (ca, cb) = (c(), c());
        let wt = w.clone().transpose();
        let wt = Tensor::<2>::from_data(wt.into_data(), device);
        vec![
            f("y", Box::new(move || a.0.clone().matmul(a.1.clone()))),
            f(
                "y^T",
                Box::new(move || b.1.clone().transpose().matmul(b.0.clone().transpose())),
            ),
            f(
                "dx",
                Box::new(move || d.2.clone().matmul(d.1.clone().transpose())),
            ),
            f(
                "dx^T",
                Box::new(move || e.1.clone().matmul(e.2.clone().transpose())),
            ),
            f(
                "dx ready",
                Box::new(move || ca.2.clone().matmul(wt.clone())),
            ),
            f(
                "dx by copy",
                Box::new(move || {
                    let y = cb.1.clone().matmul(cb.2.clone().transpose()).transpose();
                    y.clone()
                        .reshape([y.dims()[0] * y.dims()[1]])
                        .reshape(y.dims())
                }),
            ),
            f(
                "dw",
                Box::new(move || g.0.clone().transpose().matmul(g.2.clone())),
            ),
            f(
                "dw^T",
                Box::new(move || h.2.clone().transpose().matmul(h.0.clone())),
            ),
        ]
    };
    let names: Vec<&str> = forms.iter().map(|(name, _)| *name).collect();
    let mut runs: Vec<Box<dyn FnMut()>> = vec![];
    for (_, form) in forms {
        let device = device.clone();
        runs.push(Box::new(move || {
            std::hint::black_box(form());
            sync(&device);
        }));
    }
    print(name, &names, runs, rounds);
}

fn burn(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    layer.forward(x)
}

fn transposed(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let y = layer
        .weight
        .val()
        .transpose()
        .matmul(x.transpose())
        .transpose();
    match &layer.bias {
        Some(bias) => y + bias.val().unsqueeze(),
        None => y,
    }
}

fn bias_inside(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let y = layer.weight.val().transpose().matmul(x.transpose());
    let y = match &layer.bias {
        Some(bias) => y + bias.val().unsqueeze_dim(1),
        None => y,
    };
    y.transpose()
}

#[derive(Debug)]
struct Own<const COPY: bool>;

impl<B: Backend, const COPY: bool> Backward<B, 3> for Own<COPY> {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node_x, node_w, node_b] = ops.parents;
        let dy = grads.consume::<B>(&ops.node);
        let (x, w) = ops.state;
        if let Some(node) = node_x {
            let dx = B::float_matmul(w, B::float_swap_dims(dy.clone(), 0, 1));
            let dx = B::float_swap_dims(dx, 0, 1);
            let dx = if COPY {
                let s = dx.shape();
                let n = Shape::new([s.num_elements()]);
                B::float_reshape(B::float_reshape(dx, n), s)
            } else {
                dx
            };
            grads.register::<B>(node.id, dx);
        }
        if let Some(node) = node_w {
            let dw = B::float_matmul(B::float_swap_dims(x, 0, 1), dy.clone());
            grads.register::<B>(node.id, dw);
        }
        if let Some(node) = node_b {
            let s = dy.shape();
            let db = B::float_reshape(B::float_sum_dim(dy, 0), Shape::new([s[1]]));
            grads.register::<B>(node.id, db);
        }
    }
}

fn own<const COPY: bool>(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    type A = Autodiff<Flex>;
    let x = x.try_into_primitive::<A>().unwrap();
    let w = layer.weight.val().try_into_primitive::<A>().unwrap();
    let b = layer
        .bias
        .as_ref()
        .unwrap()
        .val()
        .try_into_primitive::<A>()
        .unwrap();
    let y = Flex::linear(
        x.primitive().clone(),
        w.primitive().clone(),
        Some(b.primitive().clone()),
    );
    let prep = Own::<COPY>
        .prepare::<NoCheckpointing>([x.node(), w.node(), b.node()])
        .compute_bound()
        .stateful();
    let y = match prep {
        OpsKind::Tracked(prep) => prep.finish((x.into_primitive(), w.into_primitive()), y),
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Tensor::from_primitive::<A>(y)
}

type Form = fn(&Linear, Tensor<2>) -> Tensor<2>;

const FORMS: [(&str, Form); 5] = [
    ("burn", burn),
    ("own", own::<false>),
    ("own copied", own::<true>),
    ("transposed", transposed),
    ("bias inside", bias_inside),
];

fn layer(name: &str, batch: usize, width: usize, output: usize, rounds: usize, device: &Device) {
    let layer = LinearConfig::new(width, output).init(device);
    let x = random([batch, width], device).require_grad();
    let runs = FORMS.iter().map(|&(_, form)| {
        let (layer, x, device) = (layer.clone(), x.clone(), device.clone());
        let run = move || {
            let y = relu(form(&layer, x.clone()));
            let mut gradients = y.sum().backward();
            std::hint::black_box(GradientsParams::from_module(&mut gradients, &layer));
            sync(&device);
        };
        Box::new(run) as Box<dyn FnMut()>
    });
    let names: Vec<&str> = FORMS.iter().map(|form| form.0).collect();
    print(name, &names, runs.collect(), rounds);
}

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
}

fn step(name: &str, batch: usize, width: usize, rounds: usize, device: &Device) {
    let x = random([batch, width], device);
    let labels = Targets::new((0..batch).map(|i| i % 101), device).tensor();
    let mlp = Mlp {
        layers: [width, width, width, 101]
            .map(|output| LinearConfig::new(width, output).init(device))
            .to_vec(),
    };
    let loss = CrossEntropyLossConfig::new().init(device);
    let runs = FORMS.iter().map(|&(_, form)| {
        let (mut mlp, x, device) = (mlp.clone(), x.clone(), device.clone());
        let (labels, loss) = (labels.clone(), loss.clone());
        let momentum = MomentumConfig::new().with_dampening(0.0);
        let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
        let run = move || {
            let mut y = x.clone();
            for (at, layer) in mlp.layers.iter().enumerate() {
                y = form(layer, y);
                if at < 3 {
                    y = relu(y);
                }
            }
            let mut gradients = loss.forward(y, labels.clone()).backward();
            let gradients = GradientsParams::from_module(&mut gradients, &mlp);
            mlp = optimizer.step(1e-3, mlp.clone(), gradients);
            sync(&device);
        };
        Box::new(run) as Box<dyn FnMut()>
    });
    let names: Vec<&str> = FORMS.iter().map(|form| form.0).collect();
    print(name, &names, runs.collect(), rounds);
}

/// Times the runs in turns.
fn print(name: &str, names: &[&str], mut runs: Vec<Box<dyn FnMut()>>, rounds: usize) {
    let mut times = vec![vec![]; runs.len()];
    for run in &mut runs {
        (0..2).for_each(|_| run());
    }
    for round in 0..rounds {
        for turn in 0..runs.len() {
            let at = (turn + round) % runs.len();
            let start = Instant::now();
            runs[at]();
            times[at].push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    let cells = names.iter().zip(times).map(|(name, mut times)| {
        times.sort_by(f64::total_cmp);
        format!("{name} {:.1} ({:.1})", times[0], times[times.len() / 2])
    });
    let cells: Vec<String> = cells.collect();
    println!("{name}: {}", cells.join(", "));
}
