//! Chunks of WAV files.
#![no_main]

use burn_mla_data::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    // A panic of the decoder is caught by the library; the hook of libfuzzer-sys would abort at once.
    init: std::panic::set_hook(Box::new(|_| ())),
    |bytes: &[u8]| fuzzing::wav(bytes)
);
