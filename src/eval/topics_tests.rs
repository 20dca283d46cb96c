//! Topics of generated texts.

use super::*;
use crate::random::Rng;

/// Texts of eight to fifteen words: of each topic's thirty words with chance `own`, otherwise of a hundred
/// that all share. Returns words, texts and the topic of each.
fn texts(sizes: &[usize], own: f64, seed: u64) -> (Vec<String>, Vec<Vec<u32>>, Vec<usize>) {
    let mut rng = random::stream(seed, "texts");
    let mut words: Vec<String> = (0..100).map(|i| format!("common{i}")).collect();
    for topic in 0..sizes.len() {
        words.extend((0..30).map(|i| format!("t{topic}w{i}")));
    }
    let (mut records, mut truth) = (Vec::new(), Vec::new());
    let most = sizes.iter().max().copied().unwrap_or(0);
    for round in 0..most {
        for (topic, _) in sizes.iter().enumerate().filter(|(_, size)| round < **size) {
            let length = rng.random_range(8..16u32);
            let word = |_| match rng.random::<f64>() < own {
                true => 100 + 30 * topic as u32 + rng.random_range(0..30u32),
                false => rng.random_range(0..100u32),
            };
            records.push((0..length).map(word).collect());
            truth.push(topic);
        }
    }
    (words, records, truth)
}

#[test]
fn weights_know_rare_and_common_words() {
    let records = vec![vec![0, 1, 1], vec![0, 1], vec![0, 2], vec![]];
    let rows = tf_idf(&records, 3);
    // Word 0 is in three of four records, word 1 in two, word 2 in one.
    assert_eq!(rows[0].columns, [0, 1]);
    assert!((f64::from(rows[0].values[0]) - 1.25f64.ln().powi(2)).abs() < 1e-6);
    let twice = (1.0 + 2f64.ln()) * (5f64 / 3.0).ln().powi(2);
    assert!((f64::from(rows[0].values[1]) - twice).abs() < 1e-6);
    assert_eq!((rows[2].columns.len(), rows[3].columns.len()), (1, 0));
}

#[test]
fn topics_are_found_counted_and_named() {
    for sizes in [&[120, 80][..], &[100, 60, 60], &[90, 70, 60, 60, 50]] {
        let (words, records, truth) = texts(sizes, 0.5, 1);
        let found = find_topics(&tf_idf(&records, words.len()), &words, 7).unwrap();
        let topics = &found.topics.topics;
        assert_eq!(topics.len(), sizes.len(), "{:?}", found.topics);
        assert!(topics.is_sorted_by(|a, b| a.records >= b.records));
        assert!(found.topics.silhouette > 0.2, "{}", found.topics.silhouette);
        assert_eq!(found.topics.unassigned, 0);
        let mut right = 0;
        for (place, topic) in topics.iter().enumerate() {
            let members: Vec<usize> =
                (0..truth.len()).filter(|&record| found.of_record[record] == Some(place)).collect();
            assert_eq!(members.len(), topic.records);
            // The topic that most of its records have is the one whose words name it.
            let most = (0..sizes.len())
                .max_by_key(|&t| members.iter().filter(|&&r| truth[r] == t).count())
                .unwrap();
            right += members.iter().filter(|&&record| truth[record] == most).count();
            let prefix = format!("t{most}w");
            assert!(topic.terms.len() == 8 && topic.name.split(", ").count() == 3);
            assert!(
                topic.terms.iter().all(|t| t.term.starts_with(&prefix) && t.log_odds > 0.0),
                "{topic:?}"
            );
        }
        assert!(right as f64 > 0.95 * truth.len() as f64, "{right} of {}", truth.len());
    }
}

#[test]
fn topics_repeat_and_texts_of_one_kind_stand_close() {
    let (words, records, _) = texts(&[100, 100, 100], 0.4, 2);
    let rows = tf_idf(&records, words.len());
    assert_eq!(find_topics(&rows, &words, 3), find_topics(&rows, &words, 3));
    let apart = find_topics(&rows, &words, 3).unwrap().topics.silhouette;
    let (words, records, _) = texts(&[300], 0.0, 2);
    let alike = find_topics(&tf_idf(&records, words.len()), &words, 3);
    let alike = alike.map_or(0.0, |found| found.topics.silhouette);
    assert!(alike < 0.2 && alike < apart - 0.1, "{alike} {apart}");
}

#[test]
fn few_and_empty_texts() {
    let (words, mut records, _) = texts(&[20, 19], 0.5, 1);
    assert_eq!(find_topics(&tf_idf(&records, words.len()), &words, 1), None);
    let (_, more, _) = texts(&[20, 20], 0.5, 2);
    records.extend(more);
    records.insert(3, vec![]);
    let found = find_topics(&tf_idf(&records, words.len()), &words, 1).unwrap();
    assert_eq!((found.of_record[3], found.topics.unassigned), (None, 1));
    assert_eq!(find_topics(&[], &words, 1), None);
    // Records that are all the same have no topics.
    let same = vec![SparseRow { columns: vec![0, 1], values: vec![1.0, 1.0] }; 60];
    assert_eq!(find_topics(&same, &words, 1), None);
}

#[test]
fn a_silhouette_by_hand() {
    // Cosine distances 0 within pairs, 1 between: a = 0, b = 1.
    let units = Matrix::from_values(2, vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    let silhouettes = Silhouettes::new(&units, 1);
    assert_eq!(silhouettes.mean(&[0, 0, 1, 1], 2), 1.0);
    assert_eq!(silhouettes.mean(&[0, 1, 0, 1], 2), -0.5);
    assert_eq!(silhouettes.mean(&[0, 1, 2, 3], 4), 0.0);
}
