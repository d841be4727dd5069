//! Lists, labels and tables of the published data sets.
#![no_main]

use burn_mla_data::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::dataset_list(bytes));
