//! How far each projector rule drifts from f64 in long runs: the tables of `docs/projectors.md`.
//!
//! ```sh
//! cargo run --release --example stability
//! ```

#[path = "common/allocator.rs"]
mod allocator;
#[path = "stability_parts/mod.rs"]
mod stability;

use burn::tensor::Device;
use stability::{Kind, Rule, run};

fn main() {
    let device = Device::flex();
    for (s, n_updates) in [(64, 100_000), (512, 20_000)] {
        println!("s = {s}, {n_updates} updates\n");
        println!(
            "| rule | features | smallest eigenvalue | asymmetry | deviation | trace / s \
             | trace / s in f64 | switched |\n|---|---|---|---|---|---|---|---|"
        );
        for rule in Rule::ALL {
            for kind in Kind::ALL {
                let found = run(rule, kind, s, n_updates, &device);
                println!("| {rule:?} | {kind:?} | {found} |");
            }
        }
        println!();
    }
}
