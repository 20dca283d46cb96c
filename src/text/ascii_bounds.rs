//! The word boundaries of UAX #29 in ASCII, where most of its rules say nothing. The same pieces as
//! those of the general algorithm, in a fraction of its time.

/// The pieces of an ASCII text between word boundaries, in order; together they are the text.
pub(super) struct AsciiWordBounds<'a> {
    rest: &'a str,
}

impl<'a> AsciiWordBounds<'a> {
    /// `None` for a text with other characters.
    pub(super) fn new(text: &'a str) -> Option<Self> {
        text.is_ascii().then_some(Self { rest: text })
    }
}

impl<'a> Iterator for AsciiWordBounds<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.rest.as_bytes();
        let run = |holds: fn(u8) -> bool| bytes.iter().take_while(|byte| holds(**byte)).count();
        let length = match *bytes.first()? {
            // WB3d.
            b' ' => run(|byte| byte == b' '),
            // WB3.
            b'\r' if bytes.get(1) == Some(&b'\n') => 2,
            first if is_in_word(first) => {
                let mut length = run(is_in_word);
                while joins(bytes, length) {
                    length += 1;
                    length += bytes[length..].iter().take_while(|byte| is_in_word(**byte)).count();
                }
                length
            }
            _ => 1,
        };
        let (piece, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(piece)
    }
}

/// Letters, digits and what links them: WB5, WB8 to WB10, WB13a and WB13b.
fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether the mark at a place, behind a byte of a word, joins the word to the next byte: between
/// letters (WB6 and WB7) or digits (WB11 and WB12).
fn joins(bytes: &[u8], place: usize) -> bool {
    let (Some(&mark), Some(after)) = (bytes.get(place), bytes.get(place + 1)) else { return false };
    let before = bytes[place - 1];
    let letters = before.is_ascii_alphabetic() && after.is_ascii_alphabetic();
    let digits = before.is_ascii_digit() && after.is_ascii_digit();
    match mark {
        b'.' | b'\'' => letters || digits,
        b':' => letters,
        b',' | b';' => digits,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    #[test]
    fn other_characters_are_left_to_the_general_algorithm() {
        assert!(AsciiWordBounds::new("café").is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            cases: 3_000,
            ..Default::default()
        })]

        #[test]
        fn they_are_those_of_the_general_algorithm(
            text in "[\\x00-\\x7f]{0,40}|[a-c1-3_.,;:' \r\n\t\\-\"]{0,24}"
        ) {
            let found: Vec<&str> = AsciiWordBounds::new(&text).unwrap().collect();
            let expected: Vec<&str> = text.split_word_bounds().collect();
            prop_assert_eq!(found, expected);
        }
    }
}
