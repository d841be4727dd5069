//! The actors, and folds of cross-validation over them.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::dataset::Split;
use crate::dataset::published::{DatasetError, read_columns};
use crate::error::DataError;

const DEMOGRAPHICS: &str = "VideoDemographics.csv";

/// Age and sex of an actor, as the data set has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Actor {
    pub(super) age: String,
    pub(super) sex: String,
}

/// The actors by number, of `VideoDemographics.csv`; none without the file.
pub(super) fn read(root: &Path) -> Result<BTreeMap<u16, Actor>, DatasetError> {
    let path = root.join(DEMOGRAPHICS);
    let mut actors = BTreeMap::new();
    if !path.exists() {
        return Ok(actors);
    }
    for row in read_columns(&path, &["ActorID", "Age", "Sex"], &[])? {
        let [number, age, sex] = row.cells.try_into().unwrap_or_default();
        let refused = |problem: String| DatasetError::line(&path, row.line, problem);
        let parsed = number.parse::<u16>();
        let number = parsed.map_err(|_| refused(format!("the actor `{number}` is no number")))?;
        if sex.is_empty() {
            return Err(refused(format!("the actor {number} has no sex")));
        }
        if actors.insert(number, Actor { age, sex }).is_some() {
            return Err(refused(format!("the actor {number} occurs twice")));
        }
    }
    Ok(actors)
}

/// A fold of cross-validation over actors: no actor is in two splits, and all folds have about the same number of
/// women, and of men.
///
/// The clips of fold `fold` are for testing, those of the next fold for validation, the others for training.
/// The folds are a function of the seed and of `VideoDemographics.csv`, not of the clips on the disk.
///
/// | Name | Purpose | Range |
/// |---|---|---|
/// | `fold` | the fold of the test clips | below `n_folds` |
/// | `n_folds` | number of folds | 3 to the number of actors |
/// | `seed` | order of the actors | |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActorFold {
    /// The fold of the test clips.
    pub fold: usize,
    /// Number of folds.
    pub n_folds: usize,
    /// Seed of the order of the actors.
    pub seed: u64,
}

impl ActorFold {
    /// The split of each actor.
    pub(super) fn splits(
        &self,
        root: &Path,
        actors: &BTreeMap<u16, Actor>,
    ) -> Result<BTreeMap<u16, Split>, DatasetError> {
        if actors.is_empty() {
            let problem = "is not there, or empty; folds are balanced by the sex of the actors";
            return Err(DatasetError::layout(root.join(DEMOGRAPHICS), problem));
        }
        let check = |name, requirement, value, holds: bool| {
            let error = DataError::HyperParameter {
                name,
                requirement,
                value,
            };
            if holds { Ok(()) } else { Err(error) }
        };
        let in_range = (3..=actors.len()).contains(&self.n_folds);
        check(
            "n_folds",
            "3 to the number of actors",
            self.n_folds,
            in_range,
        )?;
        check("fold", "below n_folds", self.fold, self.fold < self.n_folds)?;
        let mut order: Vec<(&str, [u8; 32], u16)> = vec![];
        for (number, actor) in actors {
            let hash = Sha256::new_with_prefix(self.seed.to_le_bytes());
            let key = hash.chain_update(number.to_string()).finalize().into();
            order.push((actor.sex.as_str(), key, *number));
        }
        order.sort_unstable();
        // One sex after the other is dealt round the folds.
        let dealt = order.into_iter().enumerate().map(|(place, (.., number))| {
            let split = match (place + self.n_folds - self.fold) % self.n_folds {
                0 => Split::Test,
                1 => Split::Valid,
                _ => Split::Train,
            };
            (number, split)
        });
        Ok(dealt.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actors() -> BTreeMap<u16, Actor> {
        let sex = |number: u16| if number <= 1048 { "Male" } else { "Female" };
        let actor = |number| Actor {
            age: "30".to_string(),
            sex: sex(number).to_string(),
        };
        (1001..=1091)
            .map(|number| (number, actor(number)))
            .collect()
    }

    #[test]
    fn every_actor_is_tested_once_and_folds_are_balanced() {
        let root = Path::new("root");
        let mut tested = vec![];
        for fold in 0..5 {
            let of_fold = ActorFold {
                fold,
                n_folds: 5,
                seed: 3,
            };
            let splits = of_fold.splits(root, &actors()).unwrap();
            assert_eq!(splits.len(), 91);
            let actors_in = |split| {
                splits
                    .iter()
                    .filter(move |(_, s)| **s == split)
                    .map(|(n, _)| *n)
            };
            for split in [Split::Test, Split::Valid] {
                let n_men = actors_in(split).filter(|&number| number <= 1048).count();
                assert!((9..=10).contains(&n_men), "{n_men}");
                assert!((18..=19).contains(&actors_in(split).count()));
            }
            let next = ActorFold {
                fold: (fold + 1) % 5,
                ..of_fold
            };
            let next = next.splits(root, &actors()).unwrap();
            assert!(actors_in(Split::Valid).all(|number| next[&number] == Split::Test));
            tested.extend(actors_in(Split::Test));
        }
        tested.sort_unstable();
        assert_eq!(tested, (1001..=1091).collect::<Vec<u16>>());
    }

    #[test]
    fn folds_out_of_range_are_refused() {
        let error = |fold, n_folds, actors: &BTreeMap<_, _>| {
            let fold = ActorFold {
                fold,
                n_folds,
                seed: 0,
            };
            fold.splits(Path::new("root"), actors)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(error(5, 5, &actors()), "fold must be below n_folds, got 5");
        let range = "n_folds must be 3 to the number of actors, got ";
        assert_eq!(error(0, 2, &actors()), format!("{range}2"));
        assert_eq!(error(0, 92, &actors()), format!("{range}92"));
        assert!(error(0, 5, &BTreeMap::new()).contains("VideoDemographics.csv: is not there"));
    }
}
