//! Hashes of weights and files, by XXH3 of 128 bits: they detect mistakes, not attacks.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use burn::module::Module;
use burn::store::{ModuleSnapshot, bridge};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use super::CacheError;

pub(super) fn of_bytes(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

/// Returns the hash of the bytes of a file.
pub(super) fn of_file(path: &Path) -> io::Result<String> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut hash = Xxh3Default::new();
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(format!("{:032x}", hash.digest128()));
        }
        hash.update(bytes);
        let n = bytes.len();
        file.consume(n);
    }
}

/// Returns the hash of all tensors of a module: paths, types, shapes and values.
pub(super) fn of_weights<M: Module>(module: &M) -> Result<String, CacheError> {
    let mut hash = Xxh3Default::new();
    for tensor in module.collect(None, None, false) {
        let data = bridge::to_data(&tensor).map_err(|error| CacheError::Weights {
            message: format!("{}: {error}", tensor.name),
        })?;
        let header = format!("{} {:?} {:?};", tensor.name, data.dtype(), data.shape());
        hash.update(header.as_bytes());
        hash.update(data.as_bytes());
    }
    Ok(format!("{:032x}", hash.digest128()))
}
