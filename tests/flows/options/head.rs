//! Biases, hidden layers and dropout of heads.

use burn::module::Module;
use burn::tensor::Device;
use burn_mla::head::{MlpHead, MlpHeadConfig};
use burn_mla::prelude::*;

use super::{ROWS, assert_dropped, ones, sums};
use crate::common::{N_CLASSES, Numbers, close, devices, set_parameters, state, values};
use crate::joint::{Layer, rows};

const N: usize = 5;
const D: usize = 4;

#[test]
fn a_linear_head_has_the_bias_that_is_asked_for() {
    for device in devices() {
        let features = Numbers::new(3).tensor([N, D], &device);
        for bias in [true, false] {
            let config = LinearHeadConfig::new(D, N_CLASSES).with_bias(bias);
            let head = set_parameters(config.init(&device).unwrap(), 1);
            let parameters = state(&head);
            assert_eq!(parameters.len(), 1 + usize::from(bias));
            assert_eq!(head.protected()[0].bias.is_some(), bias);
            let mut layer = Layer {
                weight: vec![],
                bias: vec![0.0; N_CLASSES],
            };
            for (path, entries) in parameters {
                let entries = entries.into_iter().map(f64::from).collect();
                match path.as_str() {
                    "linear.weight" => layer.weight = entries,
                    "linear.bias" => layer.bias = entries,
                    other => panic!("{other}"),
                }
            }
            let expected = rows(features.clone())
                .iter()
                .flat_map(|x| layer.forward(x))
                .collect::<Vec<_>>();
            let found = head.forward(features.clone());
            close(&values(found.logits), &expected, 1e-5, "logits");
        }
    }
}

fn relu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| x.max(0.0)).collect()
}

#[test]
fn a_deeper_head_has_relu_between_its_layers() {
    for device in devices() {
        for hidden in [vec![], vec![6], vec![6, 5]] {
            let config = MlpHeadConfig::new(D, N_CLASSES).with_hidden(hidden.clone());
            let head = set_parameters(config.init(&device).unwrap(), 1);
            let features = Numbers::new(3).tensor([N, D], &device);
            let found = head.forward(features.clone());
            let layers: Vec<Layer> = (0..=hidden.len())
                .map(|layer| Layer::of(&head, &format!("layers.{layer}")))
                .collect();
            // Inputs of each layer, then logits.
            let mut expected = vec![vec![]; layers.len() + 1];
            let mut n_negative = 0;
            for mut x in rows(features) {
                for (i, layer) in layers.iter().enumerate() {
                    expected[i].extend(x.clone());
                    x = layer.forward(&x);
                    if i < hidden.len() {
                        n_negative += x.iter().filter(|&&x| x < 0.0).count();
                        x = relu(x);
                    }
                }
                expected[layers.len()].extend(x);
            }
            assert_eq!(n_negative > 0, !hidden.is_empty(), "ReLU has an effect");
            assert_eq!(found.inputs.len(), layers.len());
            for (input, expected) in found.inputs.into_iter().zip(&expected) {
                close(&values(input), expected, 1e-5, "input of a layer");
            }
            close(
                &values(found.logits),
                &expected[layers.len()],
                1e-5,
                "logits",
            );
            let outputs: Vec<bool> = head.protected().iter().map(|l| l.is_output).collect();
            let mut only_last = vec![false; hidden.len()];
            only_last.push(true);
            assert_eq!(outputs, only_last);
        }
    }
}

fn passes_ones(hidden: Vec<usize>, p: f64, device: &Device) -> MlpHead {
    let config = MlpHeadConfig::new(1, 1).with_hidden(hidden).with_dropout(p);
    sums(config.init(device).unwrap(), 0.0)
}

#[test]
fn dropout_is_before_each_layer_but_the_first() {
    for device in devices() {
        let device = device.autodiff();
        for p in [0.25, 0.6] {
            let head = passes_ones(vec![1], p, &device);
            let output = head.forward(ones(&device));
            assert_eq!(values(output.inputs[0].clone()), [1.0; ROWS]);
            assert_dropped(output.inputs[1].clone(), p);
            assert_eq!(values(output.logits), values(output.inputs[1].clone()));
            let output = head.valid().forward(ones(&device.clone().inner()));
            assert_eq!(values(output.logits), [1.0; ROWS], "none in evaluation");
            let one_layer = passes_ones(vec![], p, &device);
            assert_eq!(values(one_layer.forward(ones(&device)).logits), [1.0; ROWS]);
        }
    }
}
