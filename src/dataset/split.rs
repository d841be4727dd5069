//! Splits of a data set: by class and by group, from a seed, the same on every machine.

use std::collections::BTreeMap;

use crate::dataset::{InMemory, TakeSamples};
use crate::error::{MlaError, Result, between_0_and_1, same_size};
use crate::loader::{generator, shuffle};
use crate::modality::Targets;

/// Distinguishes the orders of splits from those of passes over data with the same seed.
const SPLIT: u64 = u64::MAX - 1;

impl<In: TakeSamples> InMemory<In> {
    /// Splits the samples at random so that both parts have the same shares of the classes: the rest,
    /// and a part of at most `round(held_out * len)` samples. Both keep the order of the samples.
    ///
    /// Each class gives its share, rounded by the largest remainders, but keeps at least one sample in
    /// the rest. A class of one sample is not held out.
    ///
    /// # Errors
    ///
    /// - [`MlaError::HyperParameter`] for a share outside (0, 1);
    /// - [`MlaError::Empty`] when a part would have no sample;
    /// - [`MlaError::NoLabel`] for a sample without a label.
    pub fn stratified_split(&self, held_out: f64, seed: u64) -> Result<(Self, Self)> {
        between_0_and_1("held_out", held_out)?;
        let mut classes: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (sample, label) in self.labels().into_iter().enumerate() {
            if label == Targets::NO_LABEL {
                return Err(MlaError::NoLabel { sample });
            }
            classes.entry(label).or_default().push(sample);
        }
        let sizes: Vec<usize> = classes.values().map(Vec::len).collect();
        let mut chosen = vec![];
        let classes = classes.into_iter().zip(quotas(&sizes, held_out));
        for ((label, mut samples), quota) in classes {
            shuffle(&mut samples, &mut generator(seed, label as u64, SPLIT));
            chosen.extend(samples.into_iter().take(quota));
        }
        self.parted(chosen)
    }

    /// Splits the samples at random so that no group has samples in both parts: the rest, and a part
    /// of at most `round(held_out * len)` samples. `groups` has the group of each sample, for example
    /// its speaker or its patient. Both parts keep the order of the samples.
    ///
    /// Groups are visited in a random order, and each is held out if it still fits. If none fits, the
    /// smallest one is.
    ///
    /// # Errors
    ///
    /// - [`MlaError::HyperParameter`] for a share outside (0, 1);
    /// - [`MlaError::Size`] for another number of groups than samples;
    /// - [`MlaError::Empty`] when all samples are of one group.
    pub fn grouped_split<G: Ord>(
        &self,
        groups: &[G],
        held_out: f64,
        seed: u64,
    ) -> Result<(Self, Self)> {
        between_0_and_1("held_out", held_out)?;
        same_size("groups (one per sample)", self.len(), groups.len())?;
        let mut members: BTreeMap<&G, Vec<usize>> = BTreeMap::new();
        for (sample, group) in groups.iter().enumerate() {
            members.entry(group).or_default().push(sample);
        }
        let mut members: Vec<Vec<usize>> = members.into_values().collect();
        if members.len() == 1 {
            return Err(MlaError::Empty {
                what: "the held-out part of a single group",
            });
        }
        shuffle(&mut members, &mut generator(seed, 0, SPLIT));
        let wanted = (held_out * self.len() as f64).round() as usize;
        let mut chosen = vec![];
        for group in &members {
            if chosen.len() + group.len() <= wanted {
                chosen.extend_from_slice(group);
            }
        }
        if chosen.is_empty() {
            let smallest = members.into_iter().min_by_key(Vec::len);
            chosen = smallest.unwrap_or_default();
        }
        self.parted(chosen)
    }

    /// The other samples, and the chosen ones.
    fn parted(&self, chosen: Vec<usize>) -> Result<(Self, Self)> {
        let mut held_out = vec![false; self.len()];
        for sample in chosen {
            held_out[sample] = true;
        }
        let part = |which: bool| {
            let samples = (0..self.len()).filter(|&sample| held_out[sample] == which);
            self.select(&samples.collect::<Vec<_>>())
        };
        Ok((part(false)?, part(true)?))
    }
}

/// Number of samples of each class to hold out.
fn quotas(sizes: &[usize], share: f64) -> Vec<usize> {
    let wanted = (share * sizes.iter().sum::<usize>() as f64).round() as usize;
    let exact: Vec<f64> = sizes.iter().map(|&size| share * size as f64).collect();
    let most = |class: usize| sizes[class] - 1;
    let mut quotas: Vec<usize> = (0..sizes.len())
        .map(|class| (exact[class] as usize).min(most(class)))
        .collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let mut missing = wanted.saturating_sub(quotas.iter().sum());
    for class in by_remainder {
        if missing > 0 && quotas[class] < most(class) {
            quotas[class] += 1;
            missing -= 1;
        }
    }
    quotas
}
