use proptest::prelude::*;

use super::*;
use crate::text::tokenizer::tokens;

fn augment(spec: TextAugmentationSpec, epoch: usize, record: usize, text: &str) -> Vec<String> {
    let mut tokens: Vec<Token<'_>> = tokens(text, true).collect();
    TextAugmentation::new(spec, 1, epoch).apply(record, &mut tokens);
    tokens.into_iter().map(|token| token.text.into_owned()).collect()
}

fn only(word_dropout: f64, swap: f64, typos: f64) -> TextAugmentationSpec {
    TextAugmentationSpec { word_dropout, swap, typos }
}

fn plain(text: &str) -> Vec<String> {
    augment(only(0.0, 0.0, 0.0), 0, 0, text)
}

/// Damerau's distance, restricted to one edit.
fn is_one_edit(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    match (a, b) {
        ([], []) => false,
        ([x, y, rest @ ..], [v, w, other @ ..]) if x == w && y == v && rest == other => true,
        ([_, rest @ ..], [_, other @ ..]) if rest == other => true,
        ([_, rest @ ..], _) if rest == b => true,
        (_, [_, other @ ..]) => a == other,
        _ => false,
    }
}

const TEXT: &str = "The quick brown fox, they say, jumps over 13 lazy dogs";

#[test]
fn a_text_is_changed_by_seed_epoch_and_record() {
    let spec = only(0.3, 0.3, 0.3);
    assert_eq!(augment(spec, 3, 5, TEXT), augment(spec, 3, 5, TEXT));
    assert_ne!(augment(spec, 3, 5, TEXT), augment(spec, 4, 5, TEXT));
    assert_ne!(augment(spec, 3, 5, TEXT), augment(spec, 3, 6, TEXT));
    let mut other: Vec<Token<'_>> = tokens(TEXT, true).collect();
    TextAugmentation::new(spec, 2, 3).apply(5, &mut other);
    let other: Vec<String> = other.into_iter().map(|token| token.text.into_owned()).collect();
    assert_ne!(augment(spec, 3, 5, TEXT), other);
}

/// Each setting touches its share of the words, in the mean over many records.
#[test]
fn the_mean_number_of_touched_words_is_the_rate() {
    // Eleven words, all different, ten of them with a letter.
    let words: Vec<String> =
        plain(TEXT).into_iter().filter(|word| word.chars().all(char::is_alphanumeric)).collect();
    assert_eq!(words.len(), 11);
    const RECORDS: usize = 3_000;
    for rate in [0.05, 0.3, 0.8, 1.0] {
        let of = |spec, touched: &dyn Fn(&[String]) -> usize| -> f64 {
            let all = (0..RECORDS).map(|record| touched(&augment(spec, 0, record, TEXT)));
            all.sum::<usize>() as f64 / RECORDS as f64
        };
        let before = plain(TEXT);
        let differing = |after: &[String]| before.iter().zip(after).filter(|(a, b)| a != b).count();
        // A count of n independent words has at most a variance of n / 4, of pairs twice that.
        let close = |mean: f64, expected: f64| {
            let error = 5.0 * (11.0f64 / 2.0 / RECORDS as f64).sqrt();
            assert!((mean - expected).abs() < error, "{rate}: {mean} against {expected}");
        };
        close(of(only(0.0, 0.0, rate), &differing), 10.0 * rate);
        close(of(only(0.0, rate, 0.0), &differing), 10.0 * rate);
        let dropped = |after: &[String]| before.len() - after.len();
        // One word stays even where all would go.
        close(of(only(rate, 0.0, 0.0), &dropped), 11.0 * rate - rate.powi(11));
    }
}

/// Switching a setting on leaves the typos and the words that go as they were.
#[test]
fn settings_draw_from_streams_of_their_own() {
    for record in 0..50 {
        let both = augment(only(0.4, 0.0, 0.4), 0, record, TEXT);
        let typos = augment(only(0.0, 0.0, 0.4), 0, record, TEXT);
        let dropped = augment(only(0.4, 0.0, 0.0), 0, record, TEXT);
        let mut expected = Vec::new();
        let mut left = dropped.iter().peekable();
        for (before, after) in plain(TEXT).iter().zip(&typos) {
            if left.next_if(|word| *word == before).is_some() {
                expected.push(after.clone());
            }
        }
        assert_eq!(both, expected, "{record}");
    }
}

#[test]
fn every_kind_of_typo_occurs_and_new_characters_are_of_the_text() {
    let mut seen = std::collections::BTreeSet::new();
    for record in 0..400 {
        let after = augment(only(0.0, 0.0, 1.0), 0, record, "дом кот");
        assert!(after.concat().chars().all(|c| "домкт".contains(c)), "{after:?}");
        let mut before: Vec<char> = "дом".chars().collect();
        let mut word: Vec<char> = after[0].chars().collect();
        let length = word.len();
        before.sort_unstable();
        word.sort_unstable();
        seen.insert((length, before == word));
    }
    // Taken out, replaced, changed places, put in.
    assert_eq!(Vec::from_iter(seen), [(2, false), (3, false), (3, true), (4, false)]);
}

#[test]
fn there_is_no_typo_in_nothing_and_no_word_without_one() {
    let all = only(1.0, 1.0, 1.0);
    for text in ["", "...", "13 2026", "a", "aaa", "这个很好", "👍🏽"] {
        for record in 0..40 {
            let words = |tokens: &[String]| tokens.iter().filter(|t| *t != ".").count();
            let after = augment(all, 0, record, text);
            assert_eq!(words(&after), words(&plain(text)).min(1), "{text}: {after:?}");
            assert!(after.iter().all(|token| !token.is_empty()));
        }
    }
    assert_eq!(augment(only(0.0, 0.0, 1.0), 0, 0, "13 👍🏽 ..."), plain("13 👍🏽 ..."));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn swaps_keep_the_words_and_the_punctuation_its_place(
        text in "([a-e]{1,4}[ .,]{1,3}){0,9}|\\PC{0,30}", rate in 0.0..=1.0f64, record in 0usize..100,
    ) {
        let before: Vec<Token<'_>> = tokens(&text, true).collect();
        let mut after = before.clone();
        TextAugmentation::new(only(0.0, rate, 0.0), 1, 0).apply(record, &mut after);
        for (before, after) in before.iter().zip(&after) {
            prop_assert_eq!(before.kind, after.kind);
            if before.kind == TokenKind::Punctuation {
                prop_assert_eq!(&before.text, &after.text);
            }
        }
        let sorted = |tokens: &[Token<'_>]| {
            let mut all: Vec<String> = tokens.iter().map(|t| t.text.to_string()).collect();
            all.sort_unstable();
            all
        };
        prop_assert_eq!(sorted(&before), sorted(&after));
    }

    #[test]
    fn a_typo_is_one_edit_of_one_character(
        text in "([a-c]{1,4} ){0,6}|\\PC{0,30}", rate in 0.0..=1.0f64, record in 0usize..100,
    ) {
        let before: Vec<Token<'_>> = tokens(&text, true).collect();
        let mut after = before.clone();
        TextAugmentation::new(only(0.0, 0.0, rate), 1, 0).apply(record, &mut after);
        prop_assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            let has_letter = before.kind == TokenKind::Word
                && before.text.chars().any(char::is_alphabetic);
            if before.text == after.text {
                prop_assert!(rate < 1.0 || !has_letter);
            } else {
                prop_assert!(has_letter && is_one_edit(&before.text, &after.text), "{} {}", before.text, after.text);
            }
        }
    }

    #[test]
    fn words_that_are_left_out_leave_the_others_in_order(
        text in "([a-e]{1,4}[ .,]{1,3}){0,9}|\\PC{0,30}", rate in 0.0..=1.0f64, record in 0usize..100,
    ) {
        let before: Vec<Token<'_>> = tokens(&text, true).collect();
        let mut after = before.clone();
        TextAugmentation::new(only(rate, 0.0, 0.0), 1, 0).apply(record, &mut after);
        let mut rest = before.iter();
        prop_assert!(after.iter().all(|token| rest.any(|other| other == token)));
        let words = |tokens: &[Token<'_>]| tokens.iter().filter(|t| is_word(t)).count();
        prop_assert!(words(&after) >= words(&before).min(1));
        prop_assert_eq!(before.len() - after.len(), words(&before) - words(&after));
        let mut same = before.clone();
        TextAugmentation::new(only(0.0, 0.0, 0.0), 1, 0).apply(record, &mut same);
        prop_assert_eq!(same, before);
    }
}
