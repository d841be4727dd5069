//! Recursive least squares: Eq. 5, its square-root form, and the rules derived from it.

mod conventional;
mod fold;
mod leaky;
mod recursion;
mod square_root;
mod trace_rescaled;

pub use conventional::{RlsForm, RlsProjector, RlsProjectorConfig};
pub use leaky::{LeakyRlsProjector, LeakyRlsProjectorConfig};
pub use trace_rescaled::{TraceRescaledRlsProjector, TraceRescaledRlsProjectorConfig};
