//! The cached form of a sound: features, or the waveform where augmentation changes it.

use super::time_frequency::{Layout, TimeFrequency};
use super::waveform::Waveform;
use crate::cache::CacheItem;

/// The part of the work on a file that random numbers do not change.
#[derive(Debug, Clone, PartialEq)]
pub enum PreparedAudio {
    /// One channel at the configured rate.
    Waveform(Waveform),
    /// The features before masks.
    Features(TimeFrequency),
}

impl CacheItem for PreparedAudio {
    fn to_bytes(&self) -> Vec<u8> {
        let (kind, first, second, values) = match self {
            Self::Waveform(wave) => (
                0,
                wave.n_channels(),
                wave.sample_rate() as usize,
                &wave.samples,
            ),
            Self::Features(features) => {
                let kind = match features.layout {
                    Layout::TimeFirst => 1,
                    Layout::FrequencyFirst => 2,
                };
                (kind, features.n_frames, features.n_bins, &features.values)
            }
        };
        let header = [kind, first as u64, second as u64].map(u64::to_le_bytes);
        [header.as_flattened(), &values.to_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (header, values) = bytes.split_first_chunk::<24>()?;
        let (header, _) = header.as_chunks::<8>();
        let number = |at: usize| usize::try_from(u64::from_le_bytes(header[at])).ok();
        let (first, second) = (number(1)?, number(2)?);
        let values = Vec::from_bytes(values)?;
        let layout = match number(0)? {
            0 => {
                let waveform = Waveform::new(values, first, u32::try_from(second).ok()?);
                return waveform.ok().map(Self::Waveform);
            }
            1 => Layout::TimeFirst,
            2 => Layout::FrequencyFirst,
            _ => return None,
        };
        (first.checked_mul(second) == Some(values.len())).then_some(Self::Features(TimeFrequency {
            values,
            n_frames: first,
            n_bins: second,
            layout,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_those_that_were_written() {
        let waveform = Waveform::new(vec![0.5, -1.0, 0.25], 1, 8000).unwrap();
        let features = |layout| TimeFrequency {
            values: vec![-15.5, 0.0],
            n_frames: 1,
            n_bins: 2,
            layout,
        };
        for item in [
            PreparedAudio::Waveform(waveform),
            PreparedAudio::Features(features(Layout::TimeFirst)),
            PreparedAudio::Features(features(Layout::FrequencyFirst)),
        ] {
            let bytes = item.to_bytes();
            assert_eq!(PreparedAudio::from_bytes(&bytes), Some(item));
            for shorter in [23, 24, bytes.len() - 1] {
                assert_eq!(PreparedAudio::from_bytes(&bytes[..shorter]), None);
            }
            let mut other = bytes;
            other[0] = 3;
            assert_eq!(PreparedAudio::from_bytes(&other), None);
        }
    }
}
