//! Word and character n-grams as 64-bit keys.
//!
//! Character n-grams are those of the word between boundary marks, as in fastText (Bojanowski et
//! al. 2017), so that a word that was never seen still shares parts with words that were.

use crate::random::keyed;

/// Which kind of n-gram a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A single token.
    Word,
    /// Two or more tokens in a row.
    WordNgram,
    /// Characters within a word.
    Character,
}

const START: &[u8] = b"\x02";
const END: &[u8] = b"\x03";

/// The key of a single token.
pub fn word(token: &str) -> u64 {
    finish(extend(seed(1), token.as_bytes()))
}

/// Calls `visit` with the key of every run of 2 to `max` tokens, given the tokens' keys.
pub fn word_ngrams(words: &[u64], max: usize, mut visit: impl FnMut(u64)) {
    for start in 0..words.len() {
        let mut key = words[start];
        for &next in words[start + 1..].iter().take(max.saturating_sub(1)) {
            key = keyed(key.rotate_left(23) ^ next);
            visit(key);
        }
    }
}

/// Calls `visit` with the key of every run of `min` to `max` characters of the token between its
/// boundary marks. Characters are Unicode code points; a mark counts as one.
pub fn character_ngrams(token: &str, min: usize, max: usize, mut visit: impl FnMut(u64)) {
    if token.is_ascii() {
        return byte_ngrams(token.as_bytes(), min, max, visit);
    }
    let mut buffer = [0u8; 4];
    let letters = token.chars().count() + 2;
    let mut rest = token.chars();
    for start in 0..letters {
        let mut key = seed(2);
        let mut ahead = rest.clone();
        for length in 1..=max.min(letters - start) {
            let position = start + length - 1;
            key = if position == 0 {
                extend(key, START)
            } else if position + 1 == letters {
                extend(key, END)
            } else {
                match ahead.next() {
                    Some(letter) => extend(key, letter.encode_utf8(&mut buffer).as_bytes()),
                    None => key,
                }
            };
            if length >= min {
                visit(finish(key));
            }
        }
        if start > 0 {
            rest.next();
        }
    }
}

/// The same of a token whose characters are bytes.
fn byte_ngrams(token: &[u8], min: usize, max: usize, mut visit: impl FnMut(u64)) {
    for start in 0..token.len() + 2 {
        let mut key = seed(2);
        let mut length = 0;
        let mut add = |bytes: &[u8]| {
            for &byte in bytes.iter().take(max - length) {
                key = extend(key, &[byte]);
                length += 1;
                if length >= min {
                    visit(finish(key));
                }
            }
        };
        if start == 0 {
            add(START);
        }
        add(token.get(start.saturating_sub(1)..).unwrap_or_default());
        add(END);
    }
}

fn seed(family: u64) -> u64 {
    0xcbf2_9ce4_8422_2325 ^ keyed(family)
}

fn extend(key: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(key, |key, &byte| (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Spreads the key over all 64 bits, so that any part of it serves as a hash.
fn finish(key: u64) -> u64 {
    keyed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn characters(token: &str, min: usize, max: usize) -> Vec<u64> {
        let mut keys = Vec::new();
        character_ngrams(token, min, max, |key| keys.push(key));
        keys
    }

    #[test]
    fn counts_of_character_ngrams() {
        // "<where>" has 7 letters with its marks: 6 of two, 5 of three.
        assert_eq!(characters("where", 2, 3).len(), 11);
        assert_eq!(characters("a", 2, 5).len(), 3);
        assert_eq!(characters("é", 2, 5).len(), 3);
    }

    /// Ten characters of two bytes have as many parts as ten of one byte, and a token of both kinds
    /// has the keys of its ASCII parts.
    #[test]
    fn bytes_and_characters_have_the_same_keys() {
        for (min, max) in [(1, 1), (1, 4), (2, 5), (3, 12), (13, 14)] {
            let (ascii, other) = ("abcdefghij", "äbcdefghij");
            let (ascii, other) = (characters(ascii, min, max), characters(other, min, max));
            assert_eq!(ascii.len(), other.len(), "{min} {max}");
            // What starts behind the letter that differs: in the same order, at the end.
            let of = |start: usize| (12 - start).min(max).saturating_sub(min - 1);
            let shared: usize = (2..12).map(of).sum();
            let tail = ascii.len() - shared;
            assert_eq!(ascii[tail..], other[tail..], "{min} {max}");
            assert!(ascii[..tail].iter().filter(|key| other[..tail].contains(key)).count() <= 1);
        }
    }

    #[test]
    fn parts_are_shared_between_words_but_marks_tell_ends() {
        let share = |a: &str, b: &str| {
            let first: HashSet<u64> = characters(a, 3, 3).into_iter().collect();
            characters(b, 3, 3).iter().filter(|key| first.contains(key)).count()
        };
        assert_eq!(share("breakable", "unbreakable"), 7 + 1);
        assert_eq!(share("her", "where"), 1);
    }

    #[test]
    fn word_ngrams_keep_order() {
        let keys = |words: &[&str]| {
            let words: Vec<u64> = words.iter().map(|w| word(w)).collect();
            let mut keys = Vec::new();
            word_ngrams(&words, 2, |key| keys.push(key));
            keys
        };
        assert_eq!(keys(&["not", "good"]).len(), 1);
        assert_ne!(keys(&["not", "good"]), keys(&["good", "not"]));
        assert_eq!(keys(&["so", "not", "good"])[1], keys(&["not", "good"])[0]);
    }
}
