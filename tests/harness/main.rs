//! What the examples use to summarize a comparison: pictures, tables and tests over seeds.

#[allow(dead_code)]
#[path = "../../examples/compare_parts/cell.rs"]
mod cell;
#[path = "../../examples/common/cells.rs"]
mod cells;
#[path = "../../examples/common/charts/mod.rs"]
mod charts;
#[path = "../../examples/common/distinct.rs"]
mod distinct;
#[allow(dead_code, unused_imports)]
#[path = "../../examples/common/emoji/mod.rs"]
mod emoji;
#[allow(dead_code)]
#[path = "../../examples/compare_parts/methods.rs"]
mod methods;
#[path = "../../examples/common/paired.rs"]
mod paired;
#[allow(dead_code)]
#[path = "../../examples/compare_parts/plan.rs"]
mod plan;
#[path = "../../examples/common/share.rs"]
mod share;
#[path = "../../examples/common/spread.rs"]
mod spread;
#[path = "../../examples/common/summary.rs"]
mod summary;

mod finished;
mod pictures;
mod runs;
mod shares;
#[allow(clippy::approx_constant, clippy::excessive_precision)] // of values that were measured
mod significance;
mod tables;
