//! What the fuzz targets in `fuzz/` call: a parser each, and what must hold of anything that it accepts. Not
//! part of the interface of this crate.
#![allow(missing_docs)]

use crate::dataset;
use crate::features::Features;
use crate::manifest::fuzzed;

pub fn manifest_csv(bytes: &[u8]) {
    fuzzed::csv(bytes);
}

pub fn manifest_json_lines(bytes: &[u8]) {
    fuzzed::json_lines(bytes);
}

pub fn split_list(bytes: &[u8]) {
    fuzzed::split_list(bytes);
}

/// The first byte selects the data set: `c`, `k`, `f`, `m`, or IEMOCAP.
pub fn dataset_list(bytes: &[u8]) {
    dataset::fuzzed::list(bytes);
}

/// The magic number is given: what follows is to be tried.
pub fn npy(bytes: &[u8]) {
    features(&[b"\x93NUMPY", bytes].concat(), None);
}

pub fn safetensors(bytes: &[u8]) {
    features(bytes, None);
    features(bytes, Some("a"));
}

fn features(bytes: &[u8], name: Option<&str>) {
    if let Ok(features) = Features::parse(bytes, name) {
        let n: usize = features.shape.iter().product();
        assert_eq!(n, features.values.len());
        assert!(features.values.iter().all(|value| value.is_finite()));
    }
}

#[cfg(feature = "audio")]
pub fn wav(bytes: &[u8]) {
    use crate::audio::AudioReader;

    let bytes = [b"RIFF\0\0\0\0WAVE", bytes].concat();
    let duration = AudioReader::duration_of(Box::new(std::io::Cursor::new(bytes.clone())));
    if let Ok(waveform) = AudioReader::new().decode(bytes) {
        assert!(waveform.n_channels() > 0 && waveform.sample_rate() > 0);
        assert!(
            waveform
                .samples()
                .len()
                .is_multiple_of(waveform.n_channels())
        );
        assert!(waveform.samples().iter().all(|x| x.is_finite()));
        assert!(duration.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    type Target = (&'static str, fn(&[u8]));

    /// Inputs that were written by hand or found by the fuzzers.
    #[test]
    fn kept_inputs_hold() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let targets: &[Target] = &[
            ("manifest_csv", manifest_csv),
            ("manifest_json_lines", manifest_json_lines),
            ("split_list", split_list),
            ("dataset_list", dataset_list),
            ("npy", npy),
            ("safetensors", safetensors),
            #[cfg(feature = "audio")]
            ("wav", wav),
        ];
        for (name, target) in targets {
            let inputs = fs::read_dir(corpus.join(name)).unwrap();
            let inputs = inputs.map(|input| fs::read(input.unwrap().path()).unwrap());
            let n = inputs.map(|input| target(&input)).count();
            assert!(n >= 5, "{name}: {n} inputs");
        }
    }
}
