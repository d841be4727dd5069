//! Splits by session and by speaker.

use super::name::UtteranceName;
use crate::dataset::Split;
use crate::error::DataError;

/// Which utterances are held out. The corpus has no official split; results are means over the folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IemocapFold {
    /// By session: no speaker and no dialog is in two splits.
    Session {
        /// Session for testing, 1 to 5.
        test: u8,
        /// Session for validation, another one; without it, the other four are for training.
        valid: Option<u8>,
    },
    /// By speaker: one for testing and the other one of the session for validation. Both are in the same
    /// dialogs, so a model is selected on the other side of the conversations that it is tested on.
    Speaker {
        /// The speaker for testing, 1 to 10: `Ses01F`, `Ses01M`, .., `Ses05M`.
        test: u8,
    },
}

impl IemocapFold {
    /// One of five folds: a session for testing, and the one before it (the fifth of the first) for
    /// validation.
    pub fn session(test: u8) -> Self {
        let valid = if test == 1 { 5 } else { test.wrapping_sub(1) };
        Self::Session {
            test,
            valid: Some(valid),
        }
    }

    /// One of GCNet's five folds: a session for testing and the others for training. GCNet selects its
    /// epochs on the test session; hold some samples out by
    /// [`hold_out`](crate::manifest::Manifest::hold_out) instead.
    pub fn gcnet(test: u8) -> Self {
        Self::Session { test, valid: None }
    }

    pub(super) fn check(self) -> Result<(), DataError> {
        let refused = |name, requirement, value: u8| DataError::HyperParameter {
            name,
            requirement,
            value: value.into(),
        };
        match self {
            Self::Session { test, .. } if !(1..=5).contains(&test) => {
                Err(refused("the test session", "1 to 5", test))
            }
            Self::Session {
                test,
                valid: Some(valid),
            } if !(1..=5).contains(&valid) || valid == test => Err(refused(
                "the validation session",
                "1 to 5, and not the test session",
                valid,
            )),
            Self::Speaker { test } if !(1..=10).contains(&test) => {
                Err(refused("the test speaker", "1 to 10", test))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn split(self, name: &UtteranceName) -> Split {
        let (test, valid) = match self {
            Self::Session { test, valid } => (name.session == test, Some(name.session) == valid),
            Self::Speaker { test } => {
                let is_session = name.session == test.div_ceil(2);
                let is_speaker = (name.speaker == 'F') == (test % 2 == 1);
                (is_session && is_speaker, is_session)
            }
        };
        match (test, valid) {
            (true, _) => Split::Test,
            (_, true) => Split::Valid,
            _ => Split::Train,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splits(fold: IemocapFold) -> Vec<Split> {
        let ids = (1..=5)
            .flat_map(|session| ["F", "M"].map(|s| format!("Ses0{session}M_impro01_{s}000")));
        ids.map(|id| fold.split(&UtteranceName::parse(&id).unwrap()))
            .collect()
    }

    #[test]
    fn folds_hold_sessions_or_speakers_out() {
        use Split::{Test as S, Train as T, Valid as V};
        assert_eq!(
            splits(IemocapFold::session(5)),
            [T, T, T, T, T, T, V, V, S, S]
        );
        assert_eq!(
            splits(IemocapFold::session(1)),
            [S, S, T, T, T, T, T, T, V, V]
        );
        assert_eq!(
            splits(IemocapFold::gcnet(2)),
            [T, T, S, S, T, T, T, T, T, T]
        );
        let speaker = |test| splits(IemocapFold::Speaker { test });
        assert_eq!(speaker(1), [S, V, T, T, T, T, T, T, T, T]);
        assert_eq!(speaker(10), [T, T, T, T, T, T, T, T, V, S]);
    }

    #[test]
    fn sessions_and_speakers_are_checked() {
        for test in 1..=5 {
            IemocapFold::session(test).check().unwrap();
            IemocapFold::gcnet(test).check().unwrap();
        }
        let same = IemocapFold::Session {
            test: 2,
            valid: Some(2),
        };
        let error = same.check().unwrap_err().to_string();
        assert_eq!(
            error,
            "the validation session must be 1 to 5, and not the test session, got 2"
        );
        for fold in [
            IemocapFold::session(0),
            IemocapFold::session(6),
            IemocapFold::Speaker { test: 0 },
            IemocapFold::Speaker { test: 11 },
        ] {
            assert!(fold.check().is_err(), "{fold:?}");
        }
    }
}
