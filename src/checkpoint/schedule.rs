//! The next learning rates of a training, which tell one schedule from another.

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::ParamId;
use serde::{Deserialize, Serialize};

use crate::checkpoint::CheckpointProblem;
use crate::checkpoint::history::exact_list;
use crate::checkpoint::updates::Updates;

/// Updates ahead whose learning rates are compared.
const AHEAD: [usize; 12] = [1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// The same schedule may differ by rounding on another machine.
const RELATIVE: f64 = 1e-9;

/// Learning rates of some of the next updates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct LearningRates(Vec<Rates>);

/// The learning rate of all parameters in an update, or one for each if they differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rates(#[serde(with = "exact_list")] Vec<f64>);

impl LearningRates {
    /// Reads them from `next`, which returns those of one update after the other.
    pub fn of(updates: &Updates, mut next: impl FnMut() -> ModuleLearningRate) -> Self {
        let mut taken = 0;
        let rates = AHEAD.map(|ahead| {
            let mut current = next();
            taken += 1;
            while taken < ahead {
                current = next();
                taken += 1;
            }
            let parameters = updates.parameters().iter();
            let each: Vec<f64> = parameters
                .map(|of| current.lr_from_param(ParamId::from(of.id), Some(&of.path)))
                .collect();
            let base = current.base();
            Rates(if each.iter().all(|rate| *rate == base) {
                vec![base]
            } else {
                each
            })
        });
        Self(rates.into())
    }

    /// Checks the numbers against each other; the error is a message.
    pub fn check(&self, updates: &Updates) -> Result<(), String> {
        let n = updates.parameters().len();
        match self
            .0
            .iter()
            .find(|Rates(of)| of.len() != 1 && of.len() != n)
        {
            None => Ok(()),
            Some(Rates(of)) => Err(format!("{} learning rates for {n} parameters", of.len())),
        }
    }

    /// Checks that `given` are the same.
    pub fn check_same(&self, given: &Self, updates: &Updates) -> Result<(), CheckpointProblem> {
        let differs = |at: String, saved: f64, given: f64| CheckpointProblem::Configuration {
            at,
            saved: saved.to_string(),
            given: given.to_string(),
        };
        for ((ahead, Rates(saved)), Rates(given)) in AHEAD.iter().zip(&self.0).zip(&given.0) {
            let of = |rates: &[f64], at: usize| rates.get(at).or(rates.first()).copied();
            for at in 0..saved.len().max(given.len()) {
                let (Some(saved), Some(given)) = (of(saved, at), of(given, at)) else {
                    continue;
                };
                if (saved - given).abs() > RELATIVE * saved.abs().max(given.abs()) {
                    let whose = updates.parameters().get(at).filter(|_| at > 0);
                    let whose = whose.map_or(String::new(), |of| format!(" of {}", of.path));
                    let at = format!("learning rate{whose} in {ahead} updates");
                    return Err(differs(at, saved, given));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
    use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;

    fn rates(mut scheduler: ModuleLrScheduler) -> LearningRates {
        LearningRates::of(&Updates::default(), || scheduler.step())
    }

    #[test]
    fn schedules_are_told_apart_by_what_is_ahead() {
        let cosine = |rate, n| {
            CosineAnnealingLrSchedulerConfig::new(rate, n)
                .init()
                .unwrap()
        };
        let saved = rates(cosine(0.1, 500));
        let check = |other| saved.check_same(&rates(other), &Updates::default());
        check(cosine(0.1, 500)).unwrap();
        let problem = check(cosine(0.2, 500)).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "made with learning rate in 1 updates = 0.1, but now learning rate in 1 updates = 0.2"
        );
        assert!(check(cosine(0.1, 501)).is_err());
        assert!(check(0.1.into()).is_err());
        assert!(saved.check(&Updates::default()).is_ok());
    }
}
