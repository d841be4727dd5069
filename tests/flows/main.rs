//! Flows through the public API, on flex and on ndarray.

mod averages;
mod burn_loop;
#[path = "../golden/checks.rs"]
mod checks;
mod common;
mod dataset;
mod drawn;
mod edges;
mod factors;
mod fit;
mod frozen;
mod fusion_laws;
mod golden;
mod health;
mod isolation;
mod joint;
mod loader;
mod loss;
mod many;
mod metrics;
mod missing;
mod multi_device;
mod nothing;
mod options;
mod plain_burn;
mod plain_renderer;
mod projection;
mod projector_laws;
mod record;
mod safetensors;
mod shapes;
mod snapshot;
mod spoiled;
mod statistics;
mod table_log;
mod whole_set;
