//! Classes of emotions, made of the labels of the corpus.

use std::fmt;

use crate::dataset::ClassNames;
use crate::error::Result;

/// A label of an utterance: the opinion of the majority of the raters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Emotion {
    Angry,
    Disgusted,
    Excited,
    Fearful,
    Frustrated,
    Happy,
    Neutral,
    Other,
    Sad,
    Surprised,
    NoMajority,
}

impl Emotion {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Angry, "ang"),
        (Self::Disgusted, "dis"),
        (Self::Excited, "exc"),
        (Self::Fearful, "fea"),
        (Self::Frustrated, "fru"),
        (Self::Happy, "hap"),
        (Self::Neutral, "neu"),
        (Self::Other, "oth"),
        (Self::Sad, "sad"),
        (Self::Surprised, "sur"),
        (Self::NoMajority, "xxx"),
    ];

    /// From its code in the label files.
    pub(super) fn from_code(code: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == code);
        found.map(|(emotion, _)| *emotion)
    }

    pub(super) fn code(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Emotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Which labels are classes. Utterances of other labels are left out and counted by label.
///
/// | Name | Classes | Utterances |
/// |---|---|---|
/// | `Four` | Angry, Happy (`hap` and `exc`), Neutral, Sad | 5531 |
/// | `FourWithoutExcited` | Angry, Happy (`hap`), Neutral, Sad | 4490 |
/// | `Five` | Angry, Frustrated, Happy (`hap` and `exc`), Neutral, Sad | 7380 |
/// | `Six` | Angry, Excited, Frustrated, Happy (`hap`), Neutral, Sad | 7380 |
///
/// `Four` is that of MLA, GCNet's 4-way files and most papers. GCNet's 6-way list has 7433 utterances, 648 of
/// them happy: it is another relabelling, which the released labels do not give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum IemocapClasses {
    /// Excited is happy.
    #[default]
    Four,
    /// Excited is left out.
    FourWithoutExcited,
    /// Excited is happy, and frustrated is a class.
    Five,
    /// Excited and frustrated are classes.
    Six,
}

impl IemocapClasses {
    /// The classes in MLA's order, which is that of their names.
    ///
    /// # Errors
    ///
    /// None: the names are distinct.
    pub fn names(self) -> Result<ClassNames> {
        ClassNames::new(self.list().iter().copied())
    }

    /// The classes in the order of GCNet's files: happy, sad, neutral, angry, excited, frustrated. For ids of
    /// its checkpoints and results.
    ///
    /// # Errors
    ///
    /// None: the names are distinct.
    pub fn gcnet_names(self) -> Result<ClassNames> {
        let order = ["Happy", "Sad", "Neutral", "Angry", "Excited", "Frustrated"];
        let has = |name: &&str| self.list().contains(name);
        ClassNames::new(order.into_iter().filter(has))
    }

    /// Number of utterances in the released corpus.
    pub fn n_published(self) -> usize {
        match self {
            Self::Four => 5531,
            Self::FourWithoutExcited => 4490,
            Self::Five | Self::Six => 7380,
        }
    }

    fn list(self) -> &'static [&'static str] {
        match self {
            Self::Four | Self::FourWithoutExcited => &["Angry", "Happy", "Neutral", "Sad"],
            Self::Five => &["Angry", "Frustrated", "Happy", "Neutral", "Sad"],
            Self::Six => &["Angry", "Excited", "Frustrated", "Happy", "Neutral", "Sad"],
        }
    }

    /// The class of a label, `None` for one that is left out.
    pub(super) fn class(self, emotion: Emotion) -> Option<&'static str> {
        let name = match (emotion, self) {
            (Emotion::Angry, _) => "Angry",
            (Emotion::Happy, _) => "Happy",
            (Emotion::Neutral, _) => "Neutral",
            (Emotion::Sad, _) => "Sad",
            (Emotion::Excited, Self::Four | Self::Five) => "Happy",
            (Emotion::Excited, Self::Six) => "Excited",
            (Emotion::Frustrated, Self::Five | Self::Six) => "Frustrated",
            _ => return None,
        };
        Some(name)
    }
}
