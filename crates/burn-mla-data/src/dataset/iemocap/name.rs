//! Names of dialogs and utterances, `Ses01F_impro01_F000`.

/// The name of an utterance, and what follows from it.
///
/// The letter after the session is that of who wears the markers of the motion capture, not of who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UtteranceName {
    pub(super) id: String,
    pub(super) dialog: String,
    /// 1 to 5.
    pub(super) session: u8,
    /// `F` or `M`.
    pub(super) wearer: char,
    /// `F` or `M`.
    pub(super) speaker: char,
}

impl UtteranceName {
    /// From `Ses`, session, wearer, `_`, dialog, `_`, speaker and three digits; `None` for anything else.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (dialog, turn) = id.rsplit_once('_')?;
        let (session, wearer) = parse_dialog(dialog)?;
        let mut letters = turn.chars();
        let speaker = letters.next().filter(|&letter| is_actor(letter))?;
        let digits = letters.as_str();
        let is_number = digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| Self {
            id: id.to_string(),
            dialog: dialog.to_string(),
            session,
            wearer,
            speaker,
        })
    }

    /// The speaker, one of ten: `Ses01F`.
    pub(super) fn speaker_id(&self) -> String {
        format!("Ses{:02}{}", self.session, self.speaker)
    }

    /// Whether the speaker is in the left half of the video: the wearer is.
    #[cfg(feature = "video")]
    pub(super) fn is_left(&self) -> bool {
        self.speaker == self.wearer
    }
}

/// Session and wearer of a dialog: `Ses01F_impro01`, `Ses03M_impro05a`, `Ses05M_script01_1b`.
pub(super) fn parse_dialog(dialog: &str) -> Option<(u8, char)> {
    let rest = dialog.strip_prefix("Ses0")?;
    let (head, scene) = rest.split_once('_')?;
    let mut letters = head.chars();
    let session = letters
        .next()?
        .to_digit(10)
        .filter(|n| (1..=5).contains(n))?;
    let wearer = letters.next().filter(|&letter| is_actor(letter))?;
    let is_scene = scene.starts_with("impro") || scene.starts_with("script");
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let holds = letters.next().is_none() && is_scene && scene.chars().all(is_plain);
    holds.then_some((session as u8, wearer))
}

fn is_actor(letter: char) -> bool {
    matches!(letter, 'F' | 'M')
}

#[cfg(all(test, feature = "video"))]
mod tests {
    use super::*;

    #[test]
    fn the_last_letter_speaks_and_the_first_wears_the_markers() {
        let name = UtteranceName::parse("Ses05M_script01_1b_F017").unwrap();
        assert_eq!(name.dialog, "Ses05M_script01_1b");
        assert_eq!((name.session, name.wearer, name.speaker), (5, 'M', 'F'));
        assert_eq!(name.speaker_id(), "Ses05F");
        assert!(!name.is_left());
        let name = UtteranceName::parse("Ses03M_impro05a_M000").unwrap();
        assert_eq!(
            (name.speaker_id().as_str(), name.is_left()),
            ("Ses03M", true)
        );
    }

    #[test]
    fn other_names_are_refused() {
        for id in [
            "Ses01F_impro01",
            "Ses01F_impro01_FXX0",
            "Ses01F_impro01_X000",
            "Ses01F_impro01_F0000",
            "Ses06F_impro01_F000",
            "Ses01X_impro01_F000",
            "Ses01F_../../etc_F000",
            "Ses01F_impro01/x_F000",
            "Ses01F_other01_F000",
            "._Ses01F_impro01_F000",
            "",
        ] {
            assert_eq!(UtteranceName::parse(id), None, "{id}");
        }
    }
}
