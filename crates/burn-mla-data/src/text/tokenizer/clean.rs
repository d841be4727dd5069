//! The cleaning of texts for CLIP: those repairs of `ftfy` that need no guess of an encoding, HTML
//! entities, white space and case, in the order of OpenCLIP.

use std::borrow::Cow;

use html_escape::decode_html_entities;
use unicode_normalization::UnicodeNormalization;

pub fn clean(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len());
    for c in text.chars().filter(|&c| !is_removed(c)) {
        match c {
            '\u{2bc}' | '\u{2018}'..='\u{201b}' => fixed.push('\''),
            '\u{201c}'..='\u{201f}' => fixed.push('"'),
            // The long s stays.
            '\u{fb05}' => fixed.push_str("\u{17f}t"),
            _ if is_ligature(c) || is_wide(c) => fixed.extend([c].into_iter().nfkc()),
            _ => fixed.push(c),
        }
    }
    let composed: String = fixed.nfc().collect();
    // Twice, as the entities of entities occur: `&amp;lt;`.
    let once: Cow<str> = decode_html_entities(&composed);
    let twice = decode_html_entities(&once);
    let words: Vec<&str> = twice.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Control characters that are no white space, and marks of a text's begin or direction.
fn is_removed(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}'
            | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}'
    )
}

fn is_ligature(c: char) -> bool {
    matches!(
        c,
        '\u{132}' | '\u{133}' | '\u{149}' | '\u{1c4}'..='\u{1cc}' | '\u{1f1}'..='\u{1f3}'
            | '\u{fb00}'..='\u{fb04}' | '\u{fb06}'
    )
}

/// Letters as wide as an ideograph, and ideographs as narrow as a letter.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{3000}' | '\u{ff01}'..='\u{ffef}')
}
