//! Encoders beside chains of Burn's layers of the same sizes: ResNet-18 on audio and video, and a
//! ViT-B/32 image tower, each at batch 8, forward, and forward and backward.
//!
//! ```sh
//! cargo bench --bench encoders                                # all, 3 times each
//! cargo bench --bench encoders -- vit-b-32/forward 10         # those with this name, 10 times each
//! python3 benches/encoders.py                                 # with PyTorch beside them
//! ```
//!
//! The encoder and the layers take turns within one process, which means that a slow period of the
//! machine affects both. Prints the name of each measurement and its times in milliseconds.

mod common;
mod networks;

use networks::{resnet, turns::Turns, vit};

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let rounds = arguments.get(1).map_or(Ok(3), |rounds| rounds.parse());
    let turns = Turns {
        filter: arguments.first().cloned().unwrap_or_default(),
        rounds: rounds.expect("the second argument is a number of rounds"),
    };
    for (name, device) in common::devices() {
        resnet::run(&turns, name, &device);
        vit::run(&turns, name, &device);
    }
}
