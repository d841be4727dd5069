//! The lists of classes that papers call Kinetics-Sounds.

use crate::dataset::ClassNames;

/// A published list of the classes of Kinetics-Sounds.
///
/// Papers disagree on the classes and on their order. A label is a position in the list, whatever clips are on
/// the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClassList {
    /// 31 classes in alphabetical order: AdaMML, OGM-GE, BalanceBenchmark and what follows them. The order is that
    /// of OGM-GE's numbers.
    #[default]
    Ogm31,
    /// 32 classes in alphabetical order, with `strumming guitar`: CrissCross.
    CrissCross32,
    /// 33 classes: DMRNet and ARL, whose papers say 34.
    DmrNet33,
    /// 34 classes by their names before the release of Kinetics-400: Arandjelovic and Zisserman (ICCV 2017). The
    /// names are not those of Kinetics-400, so that its annotations lack some; folders of clips may have them.
    Paper34,
}

const OGM: [&str; 31] = [
    "blowing nose",
    "blowing out candles",
    "bowling",
    "chopping wood",
    "dribbling basketball",
    "laughing",
    "mowing lawn",
    "playing accordion",
    "playing bagpipes",
    "playing bass guitar",
    "playing clarinet",
    "playing drums",
    "playing guitar",
    "playing harmonica",
    "playing keyboard",
    "playing organ",
    "playing piano",
    "playing saxophone",
    "playing trombone",
    "playing trumpet",
    "playing violin",
    "playing xylophone",
    "ripping paper",
    "shoveling snow",
    "shuffling cards",
    "singing",
    "stomping grapes",
    "tap dancing",
    "tapping guitar",
    "tapping pen",
    "tickling",
];

const DMRNET: [&str; 18] = [
    "blowing nose",
    "bowling",
    "chopping wood",
    "ripping paper",
    "shuffling cards",
    "singing",
    "tapping pen",
    "tying tie",
    "blowing out candles",
    "dribbling basketball",
    "laughing",
    "mowing lawn",
    "shoveling snow",
    "stomping grapes",
    "tap dancing",
    "tapping guitar",
    "tickling",
    "finger snapping",
];

const PAPER: [&str; 19] = [
    "blowing nose",
    "bowling",
    "chopping wood",
    "ripping paper",
    "shuffling cards",
    "singing",
    "tapping pen",
    "typing",
    "blowing out",
    "dribbling ball",
    "laughing",
    "mowing the lawn by pushing lawnmower",
    "shoveling snow",
    "stomping",
    "tap dancing",
    "tapping guitar",
    "tickling",
    "fingerpicking",
    "patting",
];

impl ClassList {
    /// The names in their order.
    pub fn classes(self) -> ClassNames {
        // The instruments stand together, in one order, in every list.
        let playing = || OGM.into_iter().filter(|name| name.starts_with("playing "));
        match self {
            Self::Ogm31 => ClassNames::published(OGM),
            Self::CrissCross32 => {
                let mut names: Vec<&str> = OGM.into_iter().chain(["strumming guitar"]).collect();
                names.sort_unstable();
                ClassNames::published(names)
            }
            Self::DmrNet33 => ClassNames::published(DMRNET.into_iter().chain(playing())),
            Self::Paper34 => ClassNames::published(PAPER.into_iter().chain(playing())),
        }
    }
}

/// The class that a name of a folder, annotation or list means: `_` stands for a space.
pub(super) fn find<'a>(classes: &'a ClassNames, name: &str) -> Option<&'a str> {
    let plain = |name: &str| name.trim().replace('_', " ");
    let wanted = plain(name);
    let mut classes = classes.iter();
    classes
        .find(|class| plain(class) == wanted)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_the_published_lengths_and_numbers() {
        let list = |list: ClassList| list.classes();
        let lists = [
            ClassList::Ogm31,
            ClassList::CrissCross32,
            ClassList::DmrNet33,
            ClassList::Paper34,
        ];
        assert_eq!(lists.map(|list| list.classes().len()), [31, 32, 33, 34]);
        for list in lists {
            assert!(ClassNames::new(list.classes().to_vec()).is_ok());
        }
        assert!(list(ClassList::Ogm31).is_sorted());
        let expected = [
            ("bowling", 2),
            ("dribbling basketball", 4),
            ("playing clarinet", 10),
            ("playing guitar", 12),
            ("playing harmonica", 13),
            ("playing keyboard", 14),
            ("playing trombone", 18),
            ("tickling", 30),
        ];
        for (name, label) in expected {
            assert_eq!(list(ClassList::Ogm31).label(name), Ok(label));
        }
        assert_eq!(
            list(ClassList::CrissCross32).label("strumming guitar"),
            Ok(27)
        );
        assert_eq!(list(ClassList::DmrNet33).label("playing accordion"), Ok(18));
        assert_eq!(list(ClassList::Paper34).label("playing xylophone"), Ok(33));
    }

    #[test]
    fn underscores_are_spaces() {
        let classes = ClassList::Ogm31.classes();
        assert_eq!(
            find(&classes, "blowing_out candles"),
            Some("blowing out candles")
        );
        assert_eq!(find(&classes, "blowing_out"), None);
    }
}
