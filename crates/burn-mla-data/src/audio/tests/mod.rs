//! Tests of the audio front end against other libraries, and with malformed files.

mod front_ends;
mod malformed;
mod mels;
mod parity;
mod wav;

use super::{AudioReader, Waveform};
use crate::fixtures;

pub(super) fn read(name: &str) -> Waveform {
    AudioReader::new().read(&fixtures::path(name)).unwrap()
}
