//! What the examples of the paper's data sets share: options, methods, training, and the table of results.
//!
//! An example reads its data set, makes its encoders, and calls [`Session::run`].

mod cached;
mod encoder;
mod front_end;
mod method;
mod options;
mod paper;
mod parts;
mod place;
mod session;
mod text_image;

use std::error::Error;

pub use cached::cached;
pub use encoder::{PaperEncoder, PaperInput};
pub use front_end::PaperFrontEnd;
pub use method::Method;
pub use options::{Features, Options, Protocol};
pub use paper::{Paper, Recipe};
pub use parts::Parts;
pub use place::Place;
pub use session::Session;
pub use text_image::{TextImage, TextImageOptions};

/// A result with any error.
pub type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;
