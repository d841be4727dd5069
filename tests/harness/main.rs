//! What the examples use to summarize a comparison: pictures, tables and tests over seeds.

#[path = "../../examples/common/charts/mod.rs"]
mod charts;
#[path = "../../examples/common/distinct.rs"]
mod distinct;
#[path = "../../examples/common/paired.rs"]
mod paired;
#[path = "../../examples/common/spread.rs"]
mod spread;
#[path = "../../examples/common/summary.rs"]
mod summary;

mod pictures;
#[allow(clippy::approx_constant, clippy::excessive_precision)] // of values that were measured
mod significance;
mod tables;
