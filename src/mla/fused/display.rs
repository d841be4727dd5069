//! A model with fused turns in Burn's display format.

use std::fmt;

use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault};

use crate::mla::FusedTurns;
use crate::projector::OrthogonalProjector;

impl<E: ModuleDisplay, H: ModuleDisplay, P: OrthogonalProjector, F: ModuleDisplay>
    ModuleDisplayDefault for FusedTurns<E, H, P, F>
{
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("FusedTurns")
            .add("model", &self.model)
            .add_debug_attribute("config", &self.config)
            .optional()
    }
}

impl<E: ModuleDisplay, H: ModuleDisplay, P: OrthogonalProjector, F: ModuleDisplay> ModuleDisplay
    for FusedTurns<E, H, P, F>
{
}

/// The structure of the model, its parameters and their number.
impl<E, H, P: OrthogonalProjector, F> fmt::Display for FusedTurns<E, H, P, F>
where
    Self: Module + ModuleDisplay,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(Default::default()))
    }
}
