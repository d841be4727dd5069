//! Missing rate, from which modality masks are drawn.

use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

use crate::error::{MlaError, Result, fraction};
use crate::modality::Presence;
use crate::modality::missing_protocol::{MissingProtocol, cpm_nets};
use crate::numeric::uniform;

/// A missing rate `eta`, from which modality masks are drawn.
///
/// | Name | Purpose | Range |
/// |---|---|---|
/// | `rate` | probability of dropping a modality of a sample | `[0, 1)` |
/// | `seed` | seed of the masks | any |
/// | `protocol` | how masks are drawn, [`MissingProtocol::Independent`] by default | |
///
/// By default, each of the `M` modalities of each sample is dropped with probability `eta`, independently. Where
/// that leaves nothing, one modality, chosen uniformly, is kept. A modality is therefore missing
/// in a sample with probability
///
/// ```text
/// eta - eta^M / M
/// ```
///
/// ([`expected_share`](Self::expected_share)), a little below `eta`: of two modalities 0.375 for
/// `eta = 0.5`, and 0.455 for `eta = 0.7`. Published results are of another protocol:
/// [`MissingProtocol::CpmNets`].
///
/// A mask is a function of rate, seed, protocol, name of the split, number of samples and number of
/// modalities, and of nothing else, which means that all compared methods share it. Splits with
/// different names are independent. For the same seed, the entries missing at one rate are also
/// missing at any larger one, and a longer split begins with the mask of a shorter one; both hold for
/// independent drops only.
///
/// ```
/// use burn_mla::modality::MissingRate;
///
/// let half = MissingRate::new(0.5, 7)?;
/// let presence = half.presence("train", 1000, 2)?;
/// assert_eq!(presence, half.presence("train", 1000, 2)?);
/// let share = presence.missing_share(0);
/// assert!((share - half.expected_share(2)).abs() < 0.05, "{share}"); // 0.375
/// # Ok::<(), burn_mla::MlaError>(())
/// ```
///
/// The random numbers come from ChaCha12, which gives the same masks on every machine. A
/// `MissingManifest` (feature `train`) stores the masks in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MissingRate {
    rate: f64,
    seed: u64,
    protocol: MissingProtocol,
}

impl MissingRate {
    /// A missing rate with the seed of its masks.
    ///
    /// # Errors
    ///
    /// [`MlaError::HyperParameter`] for a rate outside `[0, 1)`.
    pub fn new(rate: f64, seed: u64) -> Result<Self> {
        let rate = fraction("missing rate", rate)?;
        Ok(Self {
            rate,
            seed,
            protocol: MissingProtocol::Independent,
        })
    }

    /// Sets how masks are drawn.
    pub fn with_protocol(mut self, protocol: MissingProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The rate `eta`.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How masks are drawn.
    pub fn protocol(&self) -> MissingProtocol {
        self.protocol
    }

    /// The expected share of samples that lack a modality, for `M = n_modalities`: `eta - eta^M / M`, or
    /// `min(eta, 1 - 1/M)` by [`MissingProtocol::CpmNets`]; 0 for `M = 0`.
    pub fn expected_share(&self, n_modalities: usize) -> f64 {
        let m = match n_modalities {
            0 => return 0.0,
            m => m as f64,
        };
        match self.protocol {
            MissingProtocol::Independent => self.rate - self.rate.powf(m) / m,
            MissingProtocol::CpmNets => self.rate.min(1.0 - 1.0 / m),
        }
    }

    /// Draws the mask of a split.
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] for `n_modalities = 0`.
    pub fn presence(&self, split: &str, n_samples: usize, n_modalities: usize) -> Result<Presence> {
        self.presence_within(split, &Presence::all(n_samples, n_modalities))
    }

    /// Draws the mask of a split whose samples lack modalities already.
    ///
    /// The protocol applies to the modalities that a sample has in `natural`: at least one of them is kept,
    /// each with the same probability. With a complete `natural`, the mask is that of
    /// [`presence`](Self::presence). Independent drops of a sample do not depend on `natural`.
    ///
    /// ```
    /// use burn_mla::modality::{MissingRate, Presence};
    ///
    /// // Sample 1 has no second modality.
    /// let natural = Presence::from_mask(vec![true, true, true, false], 2)?;
    /// let presence = MissingRate::new(0.9, 3)?.presence_within("train", &natural)?;
    /// assert!(presence.is_present(1, 0) && !presence.is_present(1, 1));
    /// # Ok::<(), burn_mla::MlaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MlaError::NoModalities`] for a mask without modalities.
    pub fn presence_within(&self, split: &str, natural: &Presence) -> Result<Presence> {
        let n_modalities = natural.n_modalities();
        if n_modalities == 0 {
            return Err(MlaError::NoModalities {
                what: "a modality mask",
            });
        }
        let mask = match self.protocol {
            MissingProtocol::Independent => self.independent(split, natural),
            MissingProtocol::CpmNets => cpm_nets(self.rate, natural, |draw| {
                self.numbers(split, n_modalities, 1 + draw)
            }),
        };
        Presence::from_mask(mask, n_modalities)
    }

    fn independent(&self, split: &str, natural: &Presence) -> Vec<bool> {
        let (n_samples, n_modalities) = (natural.n_samples(), natural.n_modalities());
        let mut numbers = self.numbers(split, n_modalities, 0);
        let mut draws = vec![0.0; n_modalities];
        let mut mask = Vec::new();
        for sample in 0..n_samples {
            draws.fill_with(|| uniform(&mut numbers));
            mask.extend(independent(self.rate, &draws, |modality| {
                natural.is_present(sample, modality)
            }));
        }
        mask
    }

    /// Random numbers for a split; `stream` tells protocols and their draws apart.
    fn numbers(&self, split: &str, n_modalities: usize, stream: u64) -> ChaCha12Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&fnv1a(split.as_bytes()).to_le_bytes());
        seed[16..24].copy_from_slice(&(n_modalities as u64).to_le_bytes());
        seed[24..].copy_from_slice(&stream.to_le_bytes());
        ChaCha12Rng::from_seed(seed)
    }
}

/// The modalities of a sample that remain by [`MissingProtocol::Independent`], for one number of each.
pub(super) fn independent(rate: f64, draws: &[f64], has: impl Fn(usize) -> bool) -> Vec<bool> {
    let draws = draws.iter().enumerate();
    // Given that all draws are below the rate, each is equally likely to be the largest.
    let present = draws.clone().filter(|&(modality, _)| has(modality));
    let largest = present.fold(0.0, |largest, (_, &draw)| f64::max(largest, draw));
    let limit = rate.min(largest);
    draws
        .map(|(modality, &draw)| has(modality) && draw >= limit)
        .collect()
}

/// The 64-bit FNV-1a hash. Unlike the standard library's, it is the same on every machine.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [f64; 7] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];

    #[test]
    fn the_realised_rate_is_the_one_documented() {
        let n_samples = 20_000;
        for rate in RATES {
            for n_modalities in 1..=4 {
                let missing = MissingRate::new(rate, 3).unwrap();
                let presence = missing.presence("train", n_samples, n_modalities).unwrap();
                let m = n_modalities as f64;
                let expected = rate - rate.powf(m) / m;
                assert_eq!(missing.expected_share(n_modalities), expected);
                let deviation = (expected * (1.0 - expected) / n_samples as f64).sqrt();
                for modality in 0..n_modalities {
                    let share = presence.missing_share(modality);
                    assert!(
                        (share - expected).abs() <= 4.0 * deviation,
                        "rate {rate}, modality {modality} of {n_modalities}: {share}, {expected}"
                    );
                }
            }
        }
    }

    /// Both are dropped with probability 0.25; one of them, chosen uniformly, is then kept. The cases
    /// have probabilities 0.375, 0.375 and 0.25.
    #[test]
    fn modalities_are_dropped_independently() {
        let n_samples = 20_000;
        let half = MissingRate::new(0.5, 11).unwrap();
        let presence = half.presence("train", n_samples, 2).unwrap();
        let both = (0..n_samples)
            .filter(|&i| presence.is_present(i, 0) && presence.is_present(i, 1))
            .count();
        let share = both as f64 / n_samples as f64;
        assert!((share - 0.25).abs() < 0.013, "{share}");
    }

    /// Two independent masks agree in an entry with probability `p^2 + (1 - p)^2`.
    #[test]
    fn splits_seeds_and_numbers_of_modalities_are_independent() {
        let n_samples = 20_000;
        let mask = |seed, split| {
            let rate = MissingRate::new(0.5, seed).unwrap();
            rate.presence(split, n_samples, 2).unwrap()
        };
        let first = mask(0, "train");
        let p: f64 = 0.375;
        let expected = p * p + (1.0 - p) * (1.0 - p);
        for other in [mask(0, "valid"), mask(0, "test"), mask(1, "train")] {
            let same = (0..n_samples)
                .filter(|&i| first.is_present(i, 0) == other.is_present(i, 0))
                .count();
            let share = same as f64 / n_samples as f64;
            assert!((share - expected).abs() < 0.015, "{share}");
        }
    }

    #[test]
    fn a_larger_rate_takes_away_more_and_a_longer_split_goes_on() {
        let mask = |rate, n_samples| {
            let rate = MissingRate::new(rate, 5).unwrap();
            rate.presence("train", n_samples, 3).unwrap()
        };
        for pair in RATES.windows(2) {
            let (less, more) = (mask(pair[0], 500), mask(pair[1], 500));
            for i in 0..500 {
                for m in 0..3 {
                    assert!(less.is_present(i, m) || !more.is_present(i, m));
                }
            }
        }
        let begin: Vec<usize> = (0..100).collect();
        assert_eq!(mask(0.4, 500).select(&begin).unwrap(), mask(0.4, 100));
    }

    /// Printed by this code with rand 0.10.4. A change of these values changes every user's masks.
    #[test]
    fn masks_do_not_change_between_versions() {
        let half = MissingRate::new(0.5, 42).unwrap();
        let presence = half.presence("train", 8, 3).unwrap();
        let rows: Vec<String> = (0..8)
            .map(|i| {
                let digit = |m| if presence.is_present(i, m) { '1' } else { '0' };
                (0..3).map(digit).collect()
            })
            .collect();
        assert_eq!(rows.join(" "), "111 110 111 110 100 010 111 100");
    }

    /// Of two modalities the second is missing in every third sample. Where both are present, the
    /// mask is that of complete data.
    #[test]
    fn a_mask_within_a_presence_drops_only_what_is_there() {
        let n_samples = 30_000;
        let rows = (0..n_samples).flat_map(|i| [true, i % 3 > 0]);
        let natural = Presence::from_mask(rows.collect(), 2).unwrap();
        let rate = MissingRate::new(0.7, 3).unwrap();
        let drawn = rate.presence_within("train", &natural).unwrap();
        let complete = rate.presence("train", n_samples, 2).unwrap();
        for i in 0..n_samples {
            if i % 3 == 0 {
                assert!(drawn.is_present(i, 0) && !drawn.is_present(i, 1));
            } else {
                for m in 0..2 {
                    assert_eq!(drawn.is_present(i, m), complete.is_present(i, m));
                }
            }
        }
        let all = Presence::all(n_samples, 2);
        assert_eq!(rate.presence_within("train", &all).unwrap(), complete);

        // Of three modalities with one missing, each of the others as of two.
        let rows = (0..n_samples).flat_map(|_| [true, false, true]);
        let natural = Presence::from_mask(rows.collect(), 3).unwrap();
        let drawn = rate.presence_within("train", &natural).unwrap();
        for m in [0, 2] {
            let share = drawn.missing_share(m);
            assert!((share - rate.expected_share(2)).abs() < 0.012, "{share}");
        }
        assert_eq!(drawn.missing_share(1), 1.0);
    }

    #[test]
    fn rates_and_counts_are_checked() {
        for rate in [-0.1, 1.0, f64::NAN] {
            assert!(matches!(
                MissingRate::new(rate, 0),
                Err(MlaError::HyperParameter {
                    name: "missing rate",
                    ..
                })
            ));
        }
        let none = MissingRate::new(0.0, 0).unwrap();
        assert!(none.presence("train", 10, 2).unwrap().is_complete());
        assert!(matches!(
            none.presence("train", 10, 0),
            Err(MlaError::NoModalities { .. })
        ));
        assert_eq!(none.presence("train", 0, 2).unwrap().n_samples(), 0);
    }
}
