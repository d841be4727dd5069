//! Measures of what a model has learnt.

mod confusion;

pub use confusion::Confusion;
