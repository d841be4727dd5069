//! What the examples use to summarize a comparison: pictures, tables and tests over seeds.

#[path = "../../examples/common/charts/mod.rs"]
mod charts;
#[path = "../../examples/common/spread.rs"]
mod spread;

mod pictures;
