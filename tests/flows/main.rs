//! Flows through the public API, on flex and on ndarray.

mod burn_loop;
#[path = "../golden/checks.rs"]
mod checks;
mod common;
mod edges;
mod factors;
mod frozen;
mod fusion_laws;
mod golden;
mod health;
mod isolation;
mod joint;
mod loader;
mod many;
mod metrics;
mod missing;
mod multi_device;
mod options;
mod plain_burn;
mod plain_renderer;
mod projection;
mod projector_laws;
mod record;
mod safetensors;
mod table_log;
