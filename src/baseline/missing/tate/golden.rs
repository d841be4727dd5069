//! TATE against reference values.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rstest::rstest;

use crate::baseline::ModalityFeatures;
use crate::baseline::missing::golden::Golden;
use crate::baseline::missing::pairs::pairs;
use crate::baseline::missing::tate::loss::{divergence, tag_loss};
use crate::baseline::missing::tate::network::tag;
use crate::baseline::missing::tate::{Tate, TateConfig};
use crate::loss::{CrossEntropyConfig, TrainingLoss};
use crate::test_devices;

const VALUE: f64 = 1e-5;
const GRADIENT: f64 = 3e-5;

fn load(golden: &Golden, device: &Device) -> Tate {
    let widths = golden.inputs(&Device::flex());
    let widths: Vec<usize> = widths.iter().map(|x| x.dims()[1]).collect();
    let n_modalities = widths.len();
    let config = TateConfig::new(widths, golden.size("n_classes"), 1)
        .with_d_token(golden.size("width"))
        .with_n_heads(golden.size("heads"))
        .with_dropout(0.0);
    assert_eq!(config.tagged_width(), golden.size("tagged_width"));
    let tate = config.init(device).unwrap();
    golden.set(tate, |path| name_of(path, n_modalities))
}

/// The name of a parameter in the files. The teacher's classifier is not there.
fn name_of(path: &str, n_modalities: usize) -> Option<String> {
    let path = path.split('.');
    let path: Vec<&str> = path
        .filter(|part| !["student", "network", "after"].contains(part))
        .collect();
    match path[..] {
        ["teacher", "pool" | "project" | "classifier", ..] => None,
        [.., "pair", at, "weight"] => {
            let (i, j) = pairs(n_modalities).nth(at.parse().unwrap()).unwrap();
            let teacher = if path[0] == "teacher" { "teacher." } else { "" };
            Some(format!("{teacher}pair.{i}.{j}.weight"))
        }
        _ => Some(path.join(".")),
    }
}

#[rstest]
fn states_losses_and_gradients_are_the_reference_values(#[values(2, 3, 4)] n_modalities: usize) {
    let golden = Golden::load(&format!("tate/{n_modalities}_modalities"));
    for device in test_devices() {
        let device = device.autodiff();
        let tate = load(&golden, &device);
        let presence = golden.presence();
        let full = ModalityFeatures::complete(golden.inputs(&device)).unwrap();
        // The rows of missing modalities hold the complete features.
        let seen = ModalityFeatures::new(golden.inputs(&device), presence.clone()).unwrap();
        fn check<const D: usize>(golden: &Golden, name: &str, found: Tensor<D>) {
            golden.close(name, found, VALUE);
        }

        let student = &tate.student.network;
        let tokens = student.tokens(&seen);
        check(&golden, "common", student.common(&tokens));
        check(&golden, "tokens", Tensor::stack::<3>(tokens, 1));
        let tags = tag(&presence, &device);
        check(&golden, "tag", tags.clone());
        let states = student.forward(&seen);
        check(&golden, "tagged", states.tagged.clone());
        check(&golden, "encoded", states.encoded.clone());
        let attention = student.pool.weights(states.encoded.clone());
        check(&golden, "attention", attention);
        check(&golden, "pooled", states.pooled.clone());
        check(&golden, "logits", states.logits.clone());
        let decoded = tate.student.decoder.forward(states.encoded.clone());
        check(&golden, "decoded", decoded.clone());

        let taught = tate.teacher.encode(&full);
        check(&golden, "teacher_encoded_full", taught.clone());
        let observed = tate.teacher.encode(&seen);
        check(&golden, "teacher_encoded_observed", observed.clone());
        let forward = |target| divergence(states.encoded.clone(), target);
        check(&golden, "forward_kl", forward(taught));
        check(&golden, "forward_kl_observed", forward(observed));
        let backward = divergence(decoded, states.tagged.clone());
        check(&golden, "backward_kl", backward);
        let read = tag_loss(states.pooled.clone(), tags);
        check(&golden, "tag_loss", read);
        check(&golden, "l2", student.classifier_penalty() * 1e-4);

        let cross_entropy = CrossEntropyConfig::new().init().unwrap();
        let targets = golden.targets(&device);
        let loss = cross_entropy.loss(states.logits.clone(), &targets).unwrap();
        check(&golden, "cross_entropy", loss.clone());
        let total = loss
            + tate
                .student
                .auxiliary_loss(&tate.teacher.valid(), states, &presence, &full);
        check(&golden, "total", total.clone());
        let name = |path: &str| name_of(path, n_modalities);
        golden.close_gradients(&tate, &total.backward(), name, GRADIENT);
    }
}
