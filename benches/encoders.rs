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
mod turns;

use networks::{resnet, vit};
use turns::Turns;

fn main() {
    let turns = Turns::from_arguments(3);
    for (name, device) in common::devices() {
        resnet::run(&turns, name, &device);
        vit::run(&turns, name, &device);
    }
}
