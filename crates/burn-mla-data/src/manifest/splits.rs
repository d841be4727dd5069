//! Splits from a seed: by class and by group. They depend on the identities of the samples, not on the
//! order of the lines.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Manifest, ManifestError};
use crate::dataset::Split;

/// The shares of validation and test data, and the seed of a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    valid: f64,
    test: f64,
    seed: u64,
}

impl Shares {
    /// Shares of the samples in `[0, 1)`; the rest is for training.
    pub fn new(valid: f64, test: f64, seed: u64) -> Self {
        Self { valid, test, seed }
    }

    fn check(&self) -> Result<(), ManifestError> {
        let shares = [(Split::Valid, self.valid), (Split::Test, self.test)];
        for (split, value) in shares {
            if !(0.0..1.0).contains(&value) || self.valid + self.test >= 1.0 {
                return Err(ManifestError::Share { split, value });
            }
        }
        Ok(())
    }

    /// A number of a name that looks random.
    fn key(&self, name: &str) -> [u8; 32] {
        let seed = self.seed.to_le_bytes();
        Sha256::new_with_prefix(seed)
            .chain_update(name)
            .finalize()
            .into()
    }
}

impl Manifest {
    /// Splits the samples at random with the same shares of every class. In each class, the number of
    /// samples of a split differs from its exact share by less than 1, and at least one sample is for
    /// training. Samples without a label are a class of their own.
    ///
    /// Existing splits are replaced.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Share`], [`ManifestError::RepeatedId`], and [`ManifestError::EmptySplit`] for a
    /// share above 0 of too few samples.
    pub fn split_stratified(&self, shares: &Shares) -> Result<Self, ManifestError> {
        shares.check()?;
        self.check_ids()?;
        let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (sample, &label) in self.labels.iter().enumerate() {
            classes.entry(label).or_default().push(sample);
        }
        let sizes: Vec<usize> = classes.values().map(Vec::len).collect();
        let mut splits = vec![Split::Train; self.len()];
        for (members, [n_valid, n_test]) in classes.values().zip(quotas(&sizes, shares)) {
            let key = |&sample: &usize| shares.key(self.ids.cells.get(sample));
            let mut members = members.clone();
            members.sort_by_cached_key(key);
            for &sample in &members[..n_test] {
                splits[sample] = Split::Test;
            }
            for &sample in &members[n_test..n_test + n_valid] {
                splits[sample] = Split::Valid;
            }
        }
        self.with_checked(splits, shares)
    }

    /// Splits the samples at random such that no group has samples in two splits. A group is a value of a
    /// column, such as a speaker: one that is a modality or
    /// [extra](super::ManifestConfig::with_extra).
    ///
    /// Groups are visited in a random order, and each goes to the split that lacks most samples.
    /// Existing splits are replaced.
    ///
    /// # Errors
    ///
    /// As [`split_stratified`](Self::split_stratified), and [`ManifestError::Column`] for an unknown
    /// column, [`ManifestError::Line`] for a sample without a group.
    pub fn split_grouped(&self, shares: &Shares, column: &str) -> Result<Self, ManifestError> {
        shares.check()?;
        self.check_ids()?;
        let cells = self.column(column).ok_or_else(|| {
            ManifestError::column(
                self.path(),
                column,
                "is not a modality or declared as extra",
            )
        })?;
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (sample, group) in cells.iter().enumerate() {
            if group.is_empty() {
                let place = self.place(sample);
                let problem = format!("{column}: the sample has no group");
                return Err(ManifestError::line(&place.path, place.line, problem));
            }
            groups.entry(group).or_default().push(sample);
        }
        let mut groups: Vec<(&str, Vec<usize>)> = groups.into_iter().collect();
        groups.sort_by_cached_key(|(group, _)| shares.key(group));
        let n = self.len() as f64;
        let mut lacking = [
            (1.0 - shares.valid - shares.test) * n,
            shares.valid * n,
            shares.test * n,
        ];
        let mut splits = vec![Split::Train; self.len()];
        for (_, members) in groups {
            let mut chosen = 0;
            for other in 1..3 {
                if lacking[other] > lacking[chosen] + 1e-9 {
                    chosen = other;
                }
            }
            lacking[chosen] -= members.len() as f64;
            for sample in members {
                splits[sample] = Split::ALL[chosen];
            }
        }
        self.with_checked(splits, shares)
    }

    /// Moves a share of the training samples to validation, such as of a published list that has only
    /// training and test samples; with a column, whole [groups](Self::split_grouped) of it.
    ///
    /// # Errors
    ///
    /// As [`split_stratified`](Self::split_stratified) and [`split_grouped`](Self::split_grouped), and
    /// [`ManifestError::Column`] for samples without splits.
    pub fn hold_out(
        &self,
        share: f64,
        seed: u64,
        column: Option<&str>,
    ) -> Result<Self, ManifestError> {
        let Some(splits) = &self.splits else {
            let problem = "is missing: the samples have no splits";
            return Err(ManifestError::column(self.path(), "split", problem));
        };
        let samples = self.samples(Split::Train);
        let train = self.part(Split::Train)?;
        let shares = Shares::new(share, 0.0, seed);
        let train = match column {
            Some(column) => train.split_grouped(&shares, column)?,
            None => train.split_stratified(&shares)?,
        };
        let mut splits = splits.to_vec();
        for (row, sample) in samples.into_iter().enumerate() {
            splits[sample] = train.split(row).unwrap_or(Split::Train);
        }
        Ok(Self {
            splits: Some(splits.into()),
            ..self.clone()
        })
    }

    fn with_checked(&self, splits: Vec<Split>, shares: &Shares) -> Result<Self, ManifestError> {
        let wanted = [
            (Split::Train, 1.0),
            (Split::Valid, shares.valid),
            (Split::Test, shares.test),
        ];
        for (split, share) in wanted {
            if share > 0.0 && !splits.contains(&split) {
                return Err(ManifestError::EmptySplit { split });
            }
        }
        Ok(Self {
            splits: Some(splits.into()),
            ..self.clone()
        })
    }
}

/// The numbers of validation and test samples of each class. All three splits are within 1 of their exact
/// shares: what is held out is rounded by the largest remainders over all classes, and so is what of it
/// is for testing, where the class leaves a choice.
fn quotas(sizes: &[usize], shares: &Shares) -> Vec<[usize; 2]> {
    let held_out = shares.valid + shares.test;
    let n_classes = sizes.len();
    let exact = |share: f64| -> Vec<f64> { sizes.iter().map(|&n| share * n as f64).collect() };
    let floor = |exact: f64| (exact + 1e-9).floor() as usize;
    let total = |share: f64| (share * sizes.iter().sum::<usize>() as f64).round() as usize;

    let held: Vec<f64> = exact(held_out);
    let mut n_held: Vec<usize> = held.iter().map(|&exact| floor(exact)).collect();
    let rounded = total(held_out).saturating_sub(n_held.iter().sum());
    // A class keeps a sample for training: its share is below 1, and so is the floor below its size.
    let may =
        |&class: &usize| n_held[class] + 1 < sizes[class] && held[class] > n_held[class] as f64;
    let mut order: Vec<usize> = (0..n_classes).filter(may).collect();
    by_remainder(&mut order, &held);
    for &class in order.iter().take(rounded) {
        n_held[class] += 1;
    }

    let (valid, test) = (exact(shares.valid), exact(shares.test));
    let mut n_test: Vec<usize> = test.iter().map(|&exact| floor(exact)).collect();
    let mut free = vec![];
    for class in 0..n_classes {
        match n_held[class].saturating_sub(floor(valid[class]) + n_test[class]) {
            0 => {}
            1 => free.push(class),
            _ => n_test[class] += 1,
        }
    }
    let rounded = total(shares.test).saturating_sub(n_test.iter().sum());
    if shares.valid > 0.0 {
        by_remainder(&mut free, &test);
        free.truncate(rounded);
    }
    if shares.test > 0.0 {
        free.iter().for_each(|&class| n_test[class] += 1);
    }
    let pairs = n_held.into_iter().zip(n_test);
    pairs
        .map(|(held, test)| [held.saturating_sub(test), test.min(held)])
        .collect()
}

/// Sorts classes by the fraction of their exact share, the largest first.
fn by_remainder(classes: &mut [usize], exact: &[f64]) {
    classes.sort_by(|&first, &second| {
        let fraction = |class: usize| exact[class] - exact[class].floor();
        fraction(second)
            .total_cmp(&fraction(first))
            .then(first.cmp(&second))
    });
}
