//! The clips of CREMA-D and their names.

use std::fmt;

/// The emotions in MLA's order: code in names of clips, letter of votes, name of the class.
pub(super) const EMOTIONS: [(&str, &str, &str); 6] = [
    ("ANG", "A", "Anger"),
    ("DIS", "D", "Disgust"),
    ("FEA", "F", "Fear"),
    ("HAP", "H", "Happy"),
    ("NEU", "N", "Neutral"),
    ("SAD", "S", "Sad"),
];
const NEUTRAL: usize = 4;

const SENTENCES: [&str; 12] = [
    "DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI",
];
/// The sentence that is spoken at three levels.
const LEVELLED: &str = "IEO";
const LEVELS: [&str; 3] = ["HI", "LO", "MD"];
const NO_LEVEL: &str = "XX";

const ACTORS: std::ops::RangeInclusive<u16> = 1001..=1091;

/// The one clip whose WAV is not named like its video.
const MISNAMED: &str = "1040_ITH_SAD_X";

/// A published clip, by what its name says. Clips are ordered by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Clip {
    pub(super) actor: u16,
    pub(super) sentence: &'static str,
    /// Position in [`EMOTIONS`].
    pub(super) emotion: usize,
    pub(super) level: &'static str,
}

impl Clip {
    /// Reads the name of a published clip, such as `1001_DFA_ANG_XX`.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let name = if name == MISNAMED {
            "1040_ITH_SAD_XX"
        } else {
            name
        };
        let fields: Vec<&str> = name.split('_').collect();
        let clip = match fields[..] {
            [actor, sentence, emotion, level] => Self::of_fields(actor, sentence, emotion, level),
            _ => None,
        };
        clip.ok_or_else(|| {
            format!("`{name}` is not the name of a published clip, such as `1001_DFA_ANG_XX`")
        })
    }

    fn of_fields(actor: &str, sentence: &str, emotion: &str, level: &str) -> Option<Self> {
        let one_of =
            |known: &[&'static str], text: &str| known.iter().copied().find(|known| *known == text);
        let clip = Self {
            actor: actor.parse().ok().filter(|actor| ACTORS.contains(actor))?,
            sentence: one_of(&SENTENCES, sentence)?,
            emotion: EMOTIONS.iter().position(|(code, ..)| *code == emotion)?,
            level: one_of(&[LEVELS[0], LEVELS[1], LEVELS[2], NO_LEVEL], level)?,
        };
        clip.is_published().then_some(clip)
    }

    /// Returns whether a clip was recorded: three actors lack a sentence, and two a neutral clip.
    fn is_published(&self) -> bool {
        let has_levels = self.sentence == LEVELLED && self.emotion != NEUTRAL;
        let is_missing = match (self.actor, self.sentence) {
            (1008, "WSI") | (1009, "MTI") | (1019, "ITH") => true,
            (1002, "TIE") | (1076, "ITS") => self.emotion == NEUTRAL,
            _ => false,
        };
        has_levels == (self.level != NO_LEVEL) && !is_missing
    }

    /// The 7442 published clips, sorted.
    pub(super) fn published() -> impl Iterator<Item = Self> {
        let with_levels = |actor, sentence, emotion| {
            let levels = LEVELS.into_iter().chain([NO_LEVEL]);
            levels.map(move |level| Self {
                actor,
                sentence,
                emotion,
                level,
            })
        };
        let of_sentence = move |actor, sentence| {
            (0..EMOTIONS.len()).flat_map(move |emotion| with_levels(actor, sentence, emotion))
        };
        ACTORS
            .flat_map(move |actor| {
                SENTENCES
                    .into_iter()
                    .flat_map(move |s| of_sentence(actor, s))
            })
            .filter(Self::is_published)
    }

    /// Name of the intended emotion.
    pub(super) fn class(&self) -> &'static str {
        EMOTIONS[self.emotion].2
    }

    /// The known defect of a clip, from the README of the data set and a comparison of its files.
    pub(super) fn defect(&self) -> Option<&'static str> {
        Some(match self.to_string().as_str() {
            "1076_MTI_SAD_XX" => "no sound in any of its files, and an error message for a picture",
            "1076_MTI_NEU_XX" => "a very short video without sound",
            "1064_TIE_SAD_XX" => "a video without a duration",
            "1064_IEO_DIS_MD" => "a video of one minute with all displays",
            "1006_TIE_HAP_XX" | "1006_TIE_NEU_XX" | "1013_WSI_DIS_XX" | "1013_WSI_SAD_XX"
            | "1017_IWW_ANG_XX" | "1017_IWW_FEA_XX" => {
                "the WAV is, byte for byte, that of a clip of another class"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            actor,
            sentence,
            emotion,
            level,
        } = self;
        write!(f, "{actor}_{sentence}_{}_{level}", EMOTIONS[*emotion].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_clips_are_7442() {
        let clips: Vec<Clip> = Clip::published().collect();
        assert_eq!(clips.len(), 7442);
        assert!(clips.is_sorted_by(|a, b| a < b));
        let count = |emotion| clips.iter().filter(|clip| clip.emotion == emotion).count();
        let counts: Vec<usize> = (0..6).map(count).collect();
        assert_eq!(counts, [1271, 1271, 1271, 1271, 1087, 1271]);
        let of_actor = clips.iter().filter(|clip| clip.actor == 1001);
        assert_eq!(of_actor.count(), 82);
        for clip in clips {
            assert_eq!(Clip::parse(&clip.to_string()), Ok(clip));
        }
    }

    #[test]
    fn other_names_are_refused() {
        let aliased = Clip::parse("1040_ITH_SAD_X").unwrap();
        assert_eq!(aliased.to_string(), "1040_ITH_SAD_XX");
        for name in [
            "",
            "1001_DFA_ANG",
            "1001_DFA_ANG_XX_1",
            "1001_DFA_ANG_HI",
            "1001_IEO_ANG_XX",
            "1001_IEO_NEU_LO",
            "1000_DFA_ANG_XX",
            "1092_DFA_ANG_XX",
            "1001_DFA_SUR_XX",
            "1001_dfa_ang_xx",
            "1008_WSI_ANG_XX",
            "1076_ITS_NEU_XX",
            "1041_ITH_SAD_X",
            "../1001_DFA_ANG_XX",
        ] {
            assert!(Clip::parse(name).is_err(), "{name}");
        }
    }
}
