//! Rules in f32 over many updates with awkward features, against f64. The long runs are
//! `cargo run --release -p burn-mla-studies -- stability`.

use crate::stability::{Kind, Rule, run};
use burn::tensor::Device;
use rstest::rstest;

const N_UPDATES: usize = 20_000;

#[rstest]
fn p_stays_symmetric_positive_and_near_to_f64(
    #[values(Rule::Rls, Rule::Leaky)] rule: Rule,
    #[values(
        Kind::NearlyConstant,
        Kind::Growing,
        Kind::Repeated,
        Kind::Zero,
        Kind::Tiny,
        Kind::Huge,
        Kind::RankOne
    )]
    kind: Kind,
) {
    let found = run(rule, kind, 64, N_UPDATES, &Device::flex());
    println!("{rule:?} {kind:?}: {found}");
    assert!(found.asymmetry <= 1e-6, "{found}");
    assert!(found.smallest_eigenvalue >= -1e-6, "{found}");
    assert!(found.deviation <= 1e-2, "{found}");
    assert!(found.trace <= 1.0 + 1e-5, "{found}");
}
