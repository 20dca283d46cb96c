//! What every detector keeps, whichever it is.

use super::{DetectorKind, RecordKind, Sample, Training, UNKNOWN_WORD};
use crate::arrays::Arrays;
use crate::eval::{Link, Matrix};
use crate::random::{self, Rng};

const KINDS: [RecordKind; 3] = [RecordKind::Text, RecordKind::Row, RecordKind::Image];
const COLUMNS: usize = 12;

/// 200 records of two classes. The words of a class follow one another, each after the one before;
/// the vectors lie around a centre for each class, along the first half of the columns.
struct Data {
    records: Vec<Vec<u32>>,
    truth: Vec<Vec<u32>>,
    vectors: Matrix,
    logits: Matrix,
}

impl Data {
    fn new(truth: impl Fn(u32) -> Vec<u32>) -> Self {
        let mut rng = random::stream(8, "conformance");
        let (mut vectors, mut logits) = (Matrix::new(COLUMNS), Matrix::new(2));
        let mut records = Vec::new();
        for record in 0..200u32 {
            let class = record % 2;
            let first = rng.random_range(0..6);
            records.push((first..first + 4).map(|word| 10 * class + word).collect());
            vectors.push(&vector(class, |_| random::normal(&mut rng) as f32));
            logits.push(&if class == 0 { [6.0, -6.0] } else { [-6.0, 6.0] });
        }
        Self { records, truth: (0..200).map(|record| truth(record % 2)).collect(), vectors, logits }
    }

    fn training(&self, kind: RecordKind, link: Link) -> Training<'_> {
        Training {
            link,
            kind,
            labels: 2,
            words: 20,
            records: &self.records,
            truth: &self.truth,
            vectors: &self.vectors,
            logits: &self.logits,
            seed: 1,
        }
    }
}

fn vector(class: u32, mut noise: impl FnMut(usize) -> f32) -> Vec<f32> {
    let side = if class == 0 { 4.0 } else { -4.0 };
    let place =
        |column| if column < COLUMNS / 2 { side + noise(column) } else { 0.1 * noise(column) };
    (0..COLUMNS).map(place).collect()
}

/// Every kind on all that it applies to: with one label each, several, and none.
fn each(mut check: impl FnMut(DetectorKind, Training<'_>)) {
    let single = Data::new(|class| vec![class]);
    let several = Data::new(|class| (0..2 * class).collect());
    let none = Data::new(|_| Vec::new());
    for records in KINDS {
        for &kind in DetectorKind::ALL {
            if kind.applies(records, true) {
                check(kind, single.training(records, Link::Softmax));
                check(kind, several.training(records, Link::Sigmoid));
            }
            if kind.applies(records, false) {
                check(kind, Training { labels: 0, ..none.training(records, Link::Softmax) });
            }
        }
    }
}

fn samples() -> Vec<(Vec<f32>, Vec<u32>, Vec<f32>)> {
    let (huge, sparse) = (vec![f32::MAX; COLUMNS], vec![f32::MIN_POSITIVE; COLUMNS]);
    let opposed: Vec<f32> =
        (0..COLUMNS).map(|i| if i % 2 == 0 { f32::MAX } else { f32::MIN }).collect();
    vec![
        (vec![], vec![], vec![]),
        (vec![0.0, 0.0], vec![], vec![0.0; COLUMNS]),
        (vec![f32::MAX, f32::MIN], vec![UNKNOWN_WORD; 3], huge),
        (vec![f32::MAX; 2], vec![19, 0, UNKNOWN_WORD], opposed),
        (vec![f32::MIN; 2], vec![1], sparse),
        (vec![100.0, -100.0], vec![77, 1, 2], vector(0, |_| 0.5)),
        (vec![1.0, 2.0], vec![1, 2], vec![1.0; 3]),
    ]
}

fn sample((logits, words, vector): &(Vec<f32>, Vec<u32>, Vec<f32>)) -> Sample<'_> {
    Sample { logits, plain_logits: logits, words, vector, unseen_values: words.len() }
}

#[test]
fn every_score_is_finite_whatever_was_fitted() {
    let empty = (Matrix::new(0), Matrix::new(COLUMNS));
    let equal = Matrix::from_values(COLUMNS, vec![0.5; 4 * COLUMNS]);
    let zero = Matrix::from_values(COLUMNS, vec![0.0; COLUMNS]);
    let extreme = Matrix::from_values(COLUMNS, [f32::MAX, f32::MIN, 1e-40, 0.0].repeat(COLUMNS));
    each(|kind, training| {
        for vectors in [training.vectors, &empty.0, &empty.1, &equal, &zero, &extreme] {
            let few = vectors.len();
            let training = Training {
                vectors,
                records: &training.records[..few],
                truth: &training.truth[..few],
                ..training
            };
            let detector = kind.fit(&training);
            for given in samples() {
                let score = detector.score(&sample(&given));
                assert!(score.is_finite(), "{kind:?} {given:?}: {score}");
            }
        }
    });
}

#[test]
fn what_is_saved_scores_the_same_bits_and_fits_repeat() {
    each(|kind, training| {
        let detector = kind.fit(&training);
        let bytes = detector.save().to_bytes().unwrap();
        assert_eq!(kind.fit(&training).save().to_bytes().unwrap(), bytes, "{kind:?}");
        let loaded = kind.load(training.link, &Arrays::from_bytes(&bytes).unwrap()).unwrap();
        for given in samples() {
            let sample = sample(&given);
            let (score, again) = (detector.score(&sample), loaded.score(&sample));
            assert_eq!(score.to_bits(), again.to_bits(), "{kind:?} {given:?}");
        }
        assert_eq!(loaded.save().to_bytes().unwrap(), bytes, "{kind:?}");
    });
}

#[test]
fn further_away_scores_higher() {
    each(|kind, training| {
        let near = Sample {
            logits: &[7.0, -7.0],
            plain_logits: &[7.0, -7.0],
            words: &[1, 2, 3, 4],
            vector: &vector(0, |_| 0.0),
            unseen_values: 0,
        };
        // Unsure, of words in an order or of a kind that training does not hold, and of a vector
        // between the classes, in directions in which training hardly varies.
        let far = Sample {
            logits: &[0.1, -0.1],
            plain_logits: &[0.1, -0.1],
            words: &[4, UNKNOWN_WORD, 13, 1],
            vector: &vector(0, |column| if column < COLUMNS / 2 { -4.0 } else { 30.0 }),
            unseen_values: 1,
        };
        let detector = kind.fit(&training);
        let (near, far) = (detector.score(&near), detector.score(&far));
        // Without one label each, all records are one class, and nothing is relative.
        if kind == DetectorKind::RelativeMahalanobis && training.link == Link::Sigmoid {
            assert_eq!((near, far), (0.0, 0.0));
        } else {
            assert!(far > near, "{kind:?} {:?}: {near} {far}", training.kind);
        }
    });
}

/// Every array that a detector stores is needed, of the right length, and of the right type.
#[test]
fn damaged_arrays_are_refused() {
    each(|kind, training| {
        for (damage, arrays) in kind.fit(&training).save().damaged() {
            assert!(kind.load(training.link, &arrays).is_err(), "{kind:?}: {damage}");
        }
    });
}

#[test]
fn names_and_defaults_fit() {
    for &kind in DetectorKind::ALL {
        let name = serde_json::to_value(kind).unwrap();
        assert_eq!(name, kind.name());
        assert_eq!(DetectorKind::ALL.iter().filter(|other| **other == kind).count(), 1);
        assert!(KINDS.iter().any(|&records| kind.applies(records, true)), "{kind:?}");
    }
    let names = |records, labels| -> Vec<&str> {
        DetectorKind::defaults(records, labels).map(DetectorKind::name).collect()
    };
    let texts = ["coverage_msp", "naive_bayes", "kneser_ney", "prototypes"];
    assert_eq!(names(RecordKind::Text, true), texts);
    assert_eq!(names(RecordKind::Row, true), ["coverage_msp", "nearest_neighbors", "columns"]);
    assert_eq!(names(RecordKind::Row, false), ["nearest_neighbors", "columns"]);
    assert_eq!(names(RecordKind::Image, true), ["coverage_msp", "nearest_neighbors"]);
}
