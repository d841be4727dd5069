//! Recursive least squares: Eq. 5 and the rules derived from it.

mod eq_5;
mod leaky;
mod square_root;
mod trace_rescaled;

pub use eq_5::{RlsProjector, RlsProjectorConfig};
pub use leaky::{LeakyRlsProjector, LeakyRlsProjectorConfig};
pub use trace_rescaled::{TraceRescaledRlsProjector, TraceRescaledRlsProjectorConfig};
