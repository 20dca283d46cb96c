//! Words and punctuation, in any script, by the Unicode word boundaries of UAX #29.
//!
//! Boundaries are found in the text as it came, so that offsets point into it; each token is then
//! normalised (NFC) and, if asked for, case folded.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_segmentation::{UWordBounds, UnicodeSegmentation};

use super::ascii_bounds::AsciiWordBounds;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A word, a number, an emoji: whatever says something by itself.
    Word,
    /// Punctuation.
    Punctuation,
}

/// A token and its place. Offsets count characters (Unicode code points), the end excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct Token<'a> {
    /// The token as it stands in the text.
    pub raw: &'a str,
    /// Normalised, and case folded if asked for.
    pub text: Cow<'a, str>,
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
    /// Word or punctuation.
    pub kind: TokenKind,
}

impl Token<'_> {
    /// The same, without a copy of its characters.
    pub fn borrowed(&self) -> Token<'_> {
        Token { text: Cow::Borrowed(&self.text), ..*self }
    }
}

/// The tokens of a text, in order. White space and control characters are left out.
pub fn tokens(text: &str, case_folding: bool) -> impl Iterator<Item = Token<'_>> {
    let mut position = 0;
    let bounds = Bounds::of(text);
    let is_ascii = matches!(bounds, Bounds::Ascii(_));
    bounds.filter_map(move |raw| {
        let start = position;
        position += if is_ascii { raw.len() } else { raw.chars().count() };
        // What begins with a letter or a digit is a word; so are most.
        let kind = if raw.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            TokenKind::Word
        } else if raw.chars().all(|c| c.is_whitespace() || c.is_control() || is_format(c)) {
            return None;
        } else if raw.chars().all(is_punctuation) {
            TokenKind::Punctuation
        } else {
            TokenKind::Word
        };
        Some(Token { raw, text: normalise(raw, case_folding), start, end: position, kind })
    })
}

/// The pieces of a text between word boundaries.
enum Bounds<'a> {
    Ascii(AsciiWordBounds<'a>),
    Any(UWordBounds<'a>),
}

impl<'a> Bounds<'a> {
    fn of(text: &'a str) -> Self {
        AsciiWordBounds::new(text).map_or_else(|| Self::Any(text.split_word_bounds()), Self::Ascii)
    }
}

impl<'a> Iterator for Bounds<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match self {
            Self::Ascii(pieces) => pieces.next(),
            Self::Any(pieces) => pieces.next(),
        }
    }
}

fn normalise(raw: &str, case_folding: bool) -> Cow<'_, str> {
    if raw.is_ascii() {
        return if case_folding && raw.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(raw.to_ascii_lowercase())
        } else {
            Cow::Borrowed(raw)
        };
    }
    if case_folding {
        // Folding may undo the composition, so composing comes last.
        Cow::Owned(caseless::default_case_fold_str(raw).nfc().collect())
    } else if is_nfc_quick(raw.chars()) == IsNormalized::Yes {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(raw.nfc().collect())
    }
}

/// Invisible characters that only steer layout: directional marks, joiners, byte order marks.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{00ad}')
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c,
            '\u{00a1}'..='\u{00bf}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}'
            | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}'
            | '\u{ff01}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{ff3b}'..='\u{ff40}'
            | '\u{ff5b}'..='\u{ff65}' | '\u{060c}' | '\u{061b}' | '\u{061f}' | '\u{06d4}'
            | '\u{0964}' | '\u{0965}' | '\u{05be}' | '\u{05c0}' | '\u{05c3}')
            && !c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        tokens(text, true).map(|token| token.text.into_owned()).collect()
    }

    #[test]
    fn words_and_punctuation_with_offsets() {
        let found: Vec<Token> = tokens("The interface is clunky!", true).collect();
        let clunky = &found[3];
        assert_eq!((clunky.raw, clunky.start, clunky.end), ("clunky", 17, 23));
        assert_eq!(found[4].kind, TokenKind::Punctuation);
        assert_eq!(found[0].text, "the");
    }

    #[test]
    fn composed_and_decomposed_are_one_word_and_offsets_follow_the_input() {
        let decomposed = "cafe\u{301} bar";
        assert_eq!(texts("café bar"), texts(decomposed));
        let bar = tokens(decomposed, true).nth(1).unwrap();
        assert_eq!((bar.start, bar.end), (6, 9));
    }

    #[test]
    fn case_folding_is_an_option_and_knows_more_than_ascii() {
        assert_eq!(texts("STRASSE Straße"), ["strasse", "strasse"]);
        assert_eq!(texts("ΣΑΣ"), texts("σας"));
        let kept: Vec<_> = tokens("Ab", false).map(|t| t.text.into_owned()).collect();
        assert_eq!(kept, ["Ab"]);
    }

    #[test]
    fn any_script() {
        assert_eq!(texts("这个很好"), ["这", "个", "很", "好"]);
        assert_eq!(texts("המוצר מצוין").len(), 2);
        assert_eq!(texts("منتج رائع جدا").len(), 3);
        assert_eq!(texts("👍🏽👩‍👩‍👧"), ["👍🏽", "👩‍👩‍👧"]);
        assert_eq!(texts("don't stop"), ["don't", "stop"]);
    }

    #[test]
    fn white_space_and_control_characters_are_no_tokens() {
        assert_eq!(texts(" \t\n\u{202e}\u{0}\u{feff} "), Vec::<String>::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// In any script, an offset cuts the token out of the text as it came, and nothing but white
        /// space and invisible characters lies between tokens.
        #[test]
        fn offsets_cut_the_tokens_out(text in "\\PC*|[\\s\\PCa-z'’.\u{300}-\u{36f}\u{200b}-\u{200f}\u{1f1e6}-\u{1f1ff}]{0,40}", fold in any::<bool>()) {
            let characters: Vec<char> = text.chars().collect();
            let mut end = 0;
            let invisible = |c: &char| c.is_whitespace() || c.is_control() || is_format(*c);
            for token in tokens(&text, fold) {
                prop_assert!(end <= token.start && token.start < token.end);
                prop_assert!(characters[end..token.start].iter().all(invisible));
                let cut: String = characters[token.start..token.end].iter().collect();
                prop_assert_eq!(&cut, token.raw);
                let alone: Vec<Token> = tokens(&cut, fold).collect();
                prop_assert_eq!(&alone[0].text, &token.text);
                end = token.end;
            }
            prop_assert!(characters[end..].iter().all(invisible));
        }
    }
}
