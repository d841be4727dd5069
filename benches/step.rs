//! One alternating step, forward, backward, projector and optimizer: with and without projector,
//! for 2 to 16 modalities, MLP and CNN encoders; and without this crate.
//!
//! ```sh
//! cargo bench --bench step
//! ```

mod common;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::Device;
use burn_mla::fusion::MeanFusion;
use burn_mla::modality::Indexed;
use burn_mla::prelude::*;
use burn_mla::projector::{IdentityProjector, LeakyRlsProjectorConfig};
use burn_mla_data::dataset::emoji::{EmojiEncoder, EmojiInput, EncoderSizes, Modality};
use common::{devices, random, sync};
use criterion::{Criterion, criterion_group, criterion_main};

const BATCH: usize = 64;
const WIDTH: usize = 512;
const N_CLASSES: usize = 101;

/// Times steps that alternate between the modalities. `inputs` and `encoders` are called only if the
/// benchmark runs.
fn steps<E, P>(
    c: &mut Criterion,
    id: String,
    encoders: impl Fn() -> Vec<E>,
    inputs: impl Fn() -> Vec<E::Input>,
    rule: P,
    device: &Device,
) where
    E: Encoder,
    E::Input: Clone,
    P: OrthogonalProjector,
{
    c.bench_function(&id, |b| {
        let (encoders, inputs) = (encoders(), inputs());
        let head = LinearHeadConfig::new(encoders[0].d_feature(), N_CLASSES);
        let head = head.init(device).expect("the widths are valid");
        let fusion = MeanFusion;
        let mut model = Mla::new(encoders, head, rule.clone(), fusion).expect("the parts fit");
        let momentum = MomentumConfig::new().with_dampening(0.0);
        let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
        let targets = Targets::new((0..BATCH).map(|i| i % N_CLASSES), device);
        let mut at = 0;
        let mut step = || {
            let modality = at % inputs.len();
            at += 1;
            let input = inputs[modality].clone();
            let input = Indexed { modality, input };
            let output = model
                .try_step(Turn::new(input, targets.clone()))
                .expect("the inputs are finite");
            model
                .try_optimize(&mut optimizer, 1e-3, output.grads)
                .expect("the gradients are a step's");
            sync(device);
        };
        // The first turn of a modality draws its weights and makes its optimizer state.
        (0..2 * inputs.len()).for_each(|_| step());
        b.iter(step)
    });
}

fn mlp<P: OrthogonalProjector>(c: &mut Criterion, name: &str, rule: P) {
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for n_modalities in [2, 4, 8, 16] {
            if device_name == "ndarray" && n_modalities > 2 {
                continue; // slow, and the same
            }
            let encoders = || {
                let config = MlpEncoderConfig::new(WIDTH, WIDTH).with_hidden(vec![WIDTH, WIDTH]);
                let encoder = |_| config.init(&device).expect("the widths are valid");
                (0..n_modalities).map(encoder).collect()
            };
            let inputs = || {
                let input = |_| random([BATCH, WIDTH], &device);
                (0..n_modalities).map(input).collect()
            };
            let id = format!("step/mlp/{name}/{device_name}/{n_modalities}");
            steps(c, id, encoders, inputs, rule.clone(), &device);
        }
    }
}

/// The same step in plain Burn, with one modality: the baseline for the cost of this crate.
fn plain(c: &mut Criterion) {
    for (device_name, device) in devices() {
        if device_name == "ndarray" {
            continue; // slow, and the same
        }
        let device = device.autodiff();
        c.bench_function(&format!("step/mlp/plain-burn/{device_name}/1"), |b| {
            let config = MlpEncoderConfig::new(WIDTH, WIDTH).with_hidden(vec![WIDTH, WIDTH]);
            let encoder = config.init(&device).expect("the widths are valid");
            let head = LinearConfig::new(WIDTH, N_CLASSES).init(&device);
            let mut model = Plain { encoder, head };
            let momentum = MomentumConfig::new().with_dampening(0.0);
            let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
            let targets = Targets::new((0..BATCH).map(|i| i % N_CLASSES), &device);
            let input = random([BATCH, WIDTH], &device);
            let loss = CrossEntropyLossConfig::new().init(&device);
            let mut step = || {
                let logits = model.head.forward(model.encoder.encode(input.clone()));
                let mut grads = loss.forward(logits, targets.tensor()).backward();
                let grads = GradientsParams::from_module(&mut grads, &model);
                model = optimizer.step(1e-3, model.clone(), grads);
                sync(&device);
            };
            (0..2).for_each(|_| step());
            b.iter(step)
        });
    }
}

#[derive(Module, Debug)]
struct Plain {
    encoder: MlpEncoder,
    head: Linear,
}

fn cnn<P: OrthogonalProjector>(c: &mut Criterion, name: &str, rule: P) {
    for (device_name, device) in devices() {
        if device_name == "ndarray" {
            continue; // seconds per step
        }
        let device = device.autodiff();
        let encoders = || {
            let config = CnnEncoderConfig::new(3, 128).with_stages(vec![16, 32, 64]);
            let encoder = |_| config.init(&device).expect("the widths are valid");
            (0..2).map(encoder).collect()
        };
        let inputs = || {
            (0..2)
                .map(|_| random([BATCH, 3, 32, 32], &device))
                .collect()
        };
        let id = format!("step/cnn/{name}/{device_name}/2");
        steps(c, id, encoders, inputs, rule.clone(), &device);
    }
}

/// The encoders of the emoji example, image and text, at its batch size.
fn emoji<P: OrthogonalProjector>(c: &mut Criterion, name: &str, rule: P) {
    for (device_name, device) in devices() {
        if device_name == "ndarray" {
            continue; // seconds per step
        }
        let device = device.autodiff();
        let sizes = EncoderSizes::default();
        let modalities = [Modality::Fluent, Modality::Label];
        let encoders =
            || EmojiEncoder::init_all(&modalities, &sizes, &device).expect("the widths are valid");
        let inputs = || {
            vec![
                EmojiInput::Image(random([BATCH, 3, 32, 32], &device)),
                EmojiInput::Vector(random([BATCH, sizes.d_text], &device)),
            ]
        };
        let id = format!("step/emoji/{name}/{device_name}/2");
        steps(c, id, encoders, inputs, rule.clone(), &device);
    }
}

fn all(c: &mut Criterion) {
    let rls = RlsProjectorConfig::new().init().expect("valid");
    plain(c);
    mlp(c, "identity", IdentityProjector);
    mlp(c, "rls", rls);
    let leaky = LeakyRlsProjectorConfig::new().init().expect("valid");
    mlp(c, "leaky", leaky);
    cnn(c, "identity", IdentityProjector);
    cnn(c, "rls", rls);
    emoji(c, "identity", IdentityProjector);
    emoji(c, "rls", rls);
}

criterion_group!(benches, all);
criterion_main!(benches);
