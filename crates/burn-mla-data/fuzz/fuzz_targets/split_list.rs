//! Lists of splits.
#![no_main]

use burn_mla_data::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::split_list(bytes));
