//! How texts are written before a tokenizer sees them.

use std::borrow::Cow;

/// Characters that MMBT replaces by spaces.
const PUNCTUATION: &str = "<>/\\+=-_[]{}'\";:.,()*&^%$#@!~`";

/// How the texts of a data set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextForm {
    /// As published.
    #[default]
    Published,
    /// As in the lists of MMBT and QMF: punctuation becomes spaces, white space a single space, letters lower
    /// case. `|` and `?` stay.
    Mmbt,
}

impl TextForm {
    /// The text in this form.
    pub fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Published => text.into(),
            Self::Mmbt => {
                let spaced = text.replace(|c| PUNCTUATION.contains(c), " ");
                let words: Vec<&str> = spaced.split_whitespace().collect();
                words.join(" ").to_lowercase().into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mmbt_keeps_words_alone() {
        let text = "Grandma's \"Best\"  Apple-Pie,\nReally? | Caf\u{c9} #1\n";
        assert_eq!(
            TextForm::Mmbt.apply(text),
            "grandma s best apple pie really? | caf\u{e9} 1"
        );
        assert_eq!(TextForm::Published.apply(text), text);
        assert_eq!(TextForm::Mmbt.apply("..."), "");
    }
}
