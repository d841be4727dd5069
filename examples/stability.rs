//! How far each projector rule drifts from f64 in long runs: the tables of `docs/projectors.md`.
//!
//! ```sh
//! cargo run --release --example stability          # both widths
//! cargo run --release --example stability -- 512   # one of them
//! ```

#[path = "common/allocator.rs"]
mod allocator;
#[path = "stability_parts/mod.rs"]
mod stability;

use burn::tensor::Device;
use stability::{Kind, Rule, run};

fn main() {
    let device = Device::flex();
    let only: Option<usize> = std::env::args().nth(1).map(|s| {
        s.parse()
            .expect("the width, 64 or 512, or nothing for both")
    });
    let runs = [(64, 100_000), (512, 20_000)];
    for (s, n_updates) in runs
        .into_iter()
        .filter(|(s, _)| only.is_none_or(|only| only == *s))
    {
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
