use proptest::prelude::*;

use super::*;

const TEXTS: [&str; 3] = ["I love this product", "this is a great product", "I hate this product"];

#[test]
fn training_words_are_covered_and_others_are_named() {
    let vectorizer = Vectorizer::fit(&VectorizerSpec::default(), &TEXTS);
    let known = vectorizer.encode("I love this great product");
    assert_eq!(known.token_coverage, 1.0);
    assert!(known.unknown.is_empty());
    let unknown = vectorizer.encode("This interface is clunky");
    assert_eq!(unknown.token_coverage, 0.5);
    let clunky = UnknownToken { text: "clunky".to_owned(), start: 18, end: 24 };
    assert_eq!(unknown.unknown[1], clunky);
    assert!(unknown.ngram_coverage < known.ngram_coverage);
}

#[test]
fn unknown_words_are_counted_and_only_the_first_are_listed() {
    let vectorizer = Vectorizer::fit(&VectorizerSpec::default(), &TEXTS);
    let encoded = vectorizer.encode(&"love clunky ".repeat(LISTED_UNKNOWN * 2));
    assert_eq!(
        (encoded.unknown.len(), encoded.unknown_count),
        (LISTED_UNKNOWN, LISTED_UNKNOWN * 2)
    );
    assert_eq!(encoded.token_coverage, 0.5);
}

#[test]
fn weights_sum_to_the_coverage() {
    let spec = VectorizerSpec { character_ngrams: None, ..VectorizerSpec::default() };
    let vectorizer = Vectorizer::fit(&spec, &TEXTS);
    for text in ["I love this product", "I love this gadget", "nothing", ""] {
        let encoded = vectorizer.encode(text);
        let sum: f32 = vectorizer.flatten(&encoded).1.iter().sum();
        assert!((sum - encoded.ngram_coverage).abs() < 1e-6, "{text}");
    }
}

#[test]
fn unknown_words_share_character_ngrams() {
    let spec = VectorizerSpec { min_ngram_count: 1, ..VectorizerSpec::default() };
    let vectorizer = Vectorizer::fit(&spec, &TEXTS);
    let encoded = vectorizer.encode("products");
    assert_eq!(encoded.token_coverage, 0.0);
    assert!(encoded.ngram_coverage > 0.0);
}

#[test]
fn buckets_bound_the_size() {
    let spec = VectorizerSpec { hash_buckets: Some(50), ..VectorizerSpec::default() };
    let vectorizer = Vectorizer::fit(&spec, &TEXTS);
    assert_eq!(vectorizer.vocabulary().len(), vectorizer.vocabulary().words() + 50);
    let (ids, _) = vectorizer.flatten(&vectorizer.encode(TEXTS[0]));
    assert!(ids.iter().all(|&id| (id as usize) < vectorizer.vocabulary().len()));
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let texts: Vec<String> =
        (0..2_000).map(|i| format!("word{} and word{}", i % 97, i % 31)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Vectorizer::fit(&VectorizerSpec::default(), &texts))
    };
    assert_eq!(fit(1), fit(3));
}

/// Texts of few words, so that some are known and some are not.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["([a-c]{1,3}[ .,!]{0,2}){0,8}", "\\PC{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// The weights sum to the known share of 1 for the word block and `character_weight` for the
    /// character block; ids ascend, each once, within the vocabulary.
    #[test]
    fn weights_sum_to_the_known_mass(
        training in prop::collection::vec(texts(), 1..6),
        text in texts(),
        character_weight in 0.01..4.0f32,
        characters in prop::option::of((1usize..4, 0usize..3)),
        (word_ngrams, min_count, buckets) in (1usize..4, 1u32..3, prop::option::of(1u32..40)),
        idf in any::<bool>(),
    ) {
        let spec = VectorizerSpec {
            character_weight,
            character_ngrams: characters.map(|(min, more)| CharacterNgrams { min, max: min + more }),
            weighting: if idf { Weighting::Idf } else { Weighting::Uniform },
            word_ngrams,
            min_word_count: min_count,
            min_ngram_count: min_count,
            hash_buckets: buckets,
            ..VectorizerSpec::default()
        };
        let training: Vec<&str> = training.iter().map(String::as_str).collect();
        let vectorizer = Vectorizer::fit(&spec, &training);
        for text in training.iter().copied().chain([text.as_str()]) {
            let encoded = vectorizer.encode(text);
            // What is kept of known words changes nothing.
            prop_assert_eq!(&encoded, &vectorizer.encode(text));
            let (ids, weights) = vectorizer.flatten(&encoded);
            let fresh = Vectorizer::new(spec.clone(), vectorizer.vocabulary().clone());
            let read = fresh.encode(text);
            prop_assert_eq!(&read, &encoded);
            prop_assert_eq!(fresh.flatten(&read), (ids.clone(), weights.clone()));
            prop_assert!(ids.is_sorted_by(|a, b| a < b));
            prop_assert!(ids.iter().all(|&id| (id as usize) < vectorizer.vocabulary().len()));
            prop_assert!(weights.iter().all(|&w| w > 0.0 && w.is_finite()));
            prop_assert_eq!(ids.len(), weights.len());
            // The same n-grams in groups.
            let groups = vectorizer.groups(&encoded);
            prop_assert!(groups.len() == 0 || groups.len() == encoded.words.len());
            let own = encoded.ids.iter().chain(groups.flat_map(|group| group.ids));
            prop_assert_eq!(own.collect::<std::collections::BTreeSet<_>>(), ids.iter().collect());
            prop_assert!((0.0..=1.0).contains(&encoded.ngram_coverage));
            let unknown = encoded.words.iter().filter(|&&word| word == UNKNOWN).count();
            prop_assert_eq!(unknown, encoded.unknown_count);

            let longest = tokenizer::tokens(text, true)
                .filter(|token| token.kind == TokenKind::Word)
                .map(|token| token.text.chars().count() + 2)
                .max();
            let has_characters = spec.character_ngrams.is_some_and(|c| longest >= Some(c.min));
            let total = match tokenizer::tokens(text, true).count() {
                0 => 0.0,
                _ => 1.0 + if has_characters { character_weight } else { 0.0 },
            };
            let sum: f32 = weights.iter().sum();
            prop_assert!((sum - encoded.ngram_coverage * total).abs() < 1e-4 * total.max(1.0), "{} {}", sum, total);
            if min_count == 1 && training.contains(&text) && total > 0.0 {
                prop_assert!((encoded.ngram_coverage - 1.0).abs() < 1e-5);
                prop_assert_eq!(encoded.unknown_count, 0);
            }
        }
    }

    /// Unknown tokens are named as they stand in the text.
    #[test]
    fn unknown_tokens_are_cut_out_of_the_text(text in "\\PC{0,30}") {
        let vectorizer = Vectorizer::fit(&VectorizerSpec::default(), &TEXTS);
        let characters: Vec<char> = text.chars().collect();
        for token in vectorizer.encode(&text).unknown {
            let cut: String = characters[token.start..token.end].iter().collect();
            prop_assert_eq!(cut, token.text);
        }
    }
}
