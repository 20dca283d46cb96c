use std::collections::BTreeMap;
use std::sync::Arc;

use super::Flags;
use super::unseen_topics::FailsOnUnseenTopics;
use crate::clock::ManualClock;
use crate::data::Cell;
use crate::diagnose::Diagnosis;
use crate::diagnose::experiment::{Outcome, SharedOutcome};
use crate::diagnose::finding::{Finding, FindingStatus};
use crate::diagnose::investigation::run;
use crate::diagnose::known::Known;
use crate::diagnose::readings::Apart;
use crate::diagnose::tests::request;
use crate::diagnose::workbench::Workbench;
use crate::diagnose::workbench::tests::{bench, pick, spec_of_texts, split_of_record, texts};
use crate::random::{self, Rng};

const KINDS: [&str; 5] = [
    "unlike_training",
    "errors_outside_coverage",
    "fails_on_unseen_topics",
    "sensitive_to_typos",
    "vocabulary_grows",
];

/// A text about a topic: six of its words, three that say whether it is good there, and two of any text.
fn about(topic: u64, record: usize, good: bool) -> Vec<String> {
    let side = if good { "praise" } else { "blame" };
    let nouns = (0..6).map(|i| format!("topic{topic}n{}", pick(record, &format!("n{i}"), 12)));
    let sides = (0..3).map(|i| format!("{side}{topic}s{}", pick(record, &format!("s{i}"), 6)));
    let common = (0..2).map(|i| format!("common{}", pick(record, &format!("c{i}"), 10)));
    nouns.chain(sides).chain(common).collect()
}

/// The findings of some kinds, by kind.
fn findings(bench: &Workbench, kinds: &[&str]) -> BTreeMap<String, Finding> {
    let mut request = request(kinds, 20.0);
    request.remedies = 0;
    let (report, _) = run(bench, &request, ManualClock::at(0).as_ref()).unwrap();
    report.findings.into_iter().map(|finding| (finding.kind.clone(), finding)).collect()
}

#[track_caller]
fn check(finding: &Finding, status: FindingStatus) {
    assert_eq!(finding.status, status, "{finding:#?}");
    assert_eq!(finding.severity > 0.0, status == FindingStatus::Found, "{finding:#?}");
    assert_eq!(finding.remedy.is_some(), status == FindingStatus::Found, "{finding:#?}");
    assert!(finding.statement.contains(char::is_numeric), "{}", finding.statement);
}

/// Texts of three topics, the same in every split: a sound model.
fn sound() -> Workbench {
    let words = |record: usize, good: bool| about(pick(record, "topic", 3), record, good);
    bench(&spec_of_texts(), texts(640, words, split_of_record))
}

/// The same, but four of ten test texts are about a topic that no other split has.
fn niche() -> Workbench {
    let words = |record: usize, good: bool| {
        let away = split_of_record(record) == "test" && pick(record, "away", 10) < 4;
        about(if away { 3 } else { pick(record, "topic", 3) }, record, good)
    };
    bench(&spec_of_texts(), texts(640, words, split_of_record))
}

#[test]
fn nothing_is_found_of_a_sound_model() {
    let found = findings(&sound(), &KINDS);
    assert_eq!(found.len(), KINDS.len());
    for finding in found.values() {
        check(finding, FindingStatus::NotFound);
    }
    // It is told all the same how a topic does that is left out.
    let topics = &found["fails_on_unseen_topics"];
    assert!(topics.evidence.len() >= 3 && topics.evidence[0].runs.len() == 1, "{topics:#?}");
}

#[test]
fn test_records_of_a_topic_that_training_lacks_are_found() {
    let bench = niche();
    let found = findings(&bench, &["unlike_training", "errors_outside_coverage"]);
    for finding in found.values() {
        check(finding, FindingStatus::Found);
        assert!(finding.severity > 0.5, "{finding:#?}");
        let row = finding.remedy.as_ref().unwrap().rows[0] as usize - 1;
        assert!(bench.parts.test.contains(&row));
    }
    assert!(found["unlike_training"].severity > found["errors_outside_coverage"].severity);
}

/// Trainings without a topic that do badly on it and do not notice: found where such records come, and
/// told of where they do not.
#[test]
fn failing_unnoticed_on_unseen_topics_is_found_where_they_come() {
    for (bench, status) in [(niche(), FindingStatus::Found), (sound(), FindingStatus::NotFound)] {
        let request = request(&["fails_on_unseen_topics"], 20.0);
        let none = BTreeMap::new();
        let known = Known { bench: &bench, request: &request, outcomes: &none };
        let wanted = FailsOnUnseenTopics.wants(&known);
        assert!(!wanted.is_empty());
        let outcome = |topic: usize| {
            let test = bench.parts.test.iter().map(|record| (*record, false));
            let left_out = bench.of_topic(topic).into_iter().map(|record| (record, true));
            let mut outcome = Outcome::default();
            let places = (0..bench.parts.test.len()).chain(0..);
            for (place, (record, left_out)) in places.zip(test.chain(left_out)) {
                let wrong = place % 10 < if left_out { 4 } else { 1 };
                outcome.losses.push((record as u64, f64::from(u8::from(wrong))));
                outcome.flagged.push(left_out && place % 10 < 3);
            }
            Arc::new(outcome)
        };
        let outcomes: BTreeMap<String, SharedOutcome> =
            wanted.iter().enumerate().map(|(i, w)| (w.probe.key(), outcome(i))).collect();
        let known = Known { bench: &bench, request: &request, outcomes: &outcomes };
        let finding = FailsOnUnseenTopics.conclude(&known).unwrap();
        check(&finding, status);
        // About 60 %, by how many records each topic has.
        let told = (57..=63).any(|p| finding.statement.contains(&format!("right in {p} %")));
        assert!(told, "{}", finding.statement);
        assert!(finding.statement.contains("noticed in 3"), "{}", finding.statement);
    }
}

/// One word decides, of few: a typo in it leaves nothing.
#[test]
fn a_model_that_hangs_on_one_word_is_sensitive_to_typos() {
    let words = |record: usize, good: bool| {
        vec![if good { "fine" } else { "poor" }.to_owned(), format!("w{}", pick(record, "w", 4))]
    };
    // Ten labels, so that a guess is wrong.
    let mut table = texts(1200, words, split_of_record);
    for record in 0..1200 {
        let label = pick(record, "label", 10);
        let text = format!("kind{label} w{} n{record}", pick(record, "w", 4));
        table.inputs[0].cells[record] = Cell::Text(text);
        table.wanted[0][record] = Cell::Text(format!("label{label}"));
    }
    let found = findings(&bench(&spec_of_texts(), table), &["sensitive_to_typos"]);
    check(&found["sensitive_to_typos"], FindingStatus::Found);
}

/// Half of the texts are of words that stand nowhere else.
#[test]
fn a_vocabulary_that_misses_most_of_its_language_is_found() {
    let words = |record: usize, good: bool| match pick(record, "known", 2) {
        0 => about(0, record, good),
        _ => (0..6).map(|i| format!("r{record}w{i}")).collect(),
    };
    let bench = bench(&spec_of_texts(), texts(640, words, split_of_record));
    let found = findings(&bench, &["vocabulary_grows"]);
    check(&found["vocabulary_grows"], FindingStatus::Found);
}

/// Records like those that calibrated are called many that are not in one of a hundred models at most, and
/// errors that lie anywhere are found to lie somewhere as seldom.
#[test]
fn what_is_no_more_than_chance_is_seldom_found() {
    const TRIALS: u64 = 2_000;
    let (mut many, mut apart) = (0, 0);
    for trial in 0..TRIALS {
        let mut rng = random::stream(trial, "flags");
        let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random()).collect() };
        let (ranked, tested, wrong) = (draw(70), draw(280), draw(280));
        let p =
            |score: &f64| (1 + ranked.iter().filter(|other| *other >= score).count()) as f64 / 71.0;
        let p_values: Vec<f64> = tested.iter().map(p).collect();
        many += usize::from(Flags::among(&p_values, 70.0).are_many());
        let losses: Vec<f64> = wrong.iter().map(|w| f64::from(u8::from(*w < 0.15))).collect();
        let chosen: Vec<bool> = tested.iter().map(|score| *score < 0.1).collect();
        let found = Apart::of(&losses, &chosen).is_some_and(|apart| apart.z > super::SURE);
        apart += usize::from(found);
    }
    println!("{many} and {apart} of {TRIALS}");
    assert!(many <= 20 && apart <= 20, "{many} and {apart} of {TRIALS}");
}

/// A column says what records are about: those of a topic that training lacks are told of, before all else.
#[test]
fn a_topic_that_only_the_test_records_have_is_named() {
    let slices = |bench: &Workbench| -> Vec<Cell> {
        let of = |record: usize| {
            let away = split_of_record(record) == "test" && pick(record, "away", 10) < 4;
            format!("topic {}", if away { 3 } else { pick(record, "topic", 3) })
        };
        (0..bench.table.wanted[0].len()).map(|record| Cell::Text(of(record))).collect()
    };
    let bench = niche();
    let column = slices(&bench);
    let bench = bench.sliced(&column);
    let mut request = request(&KINDS, 20.0);
    request.remedies = 0;
    request.only.as_mut().unwrap().push("topics_missing_from_training".to_owned());
    let (report, _) = run(&bench, &request, ManualClock::at(0).as_ref()).unwrap();
    let found: Vec<&Finding> = report.found().collect();
    let first = found[0];
    assert!(first.statement.contains("topic 3"), "{first:#?}");
    let kinds = ["topics_missing_from_training", "unlike_training", "fails_on_unseen_topics"];
    assert!(kinds.contains(&first.kind.as_str()), "{first:#?}");
    let missing = found.iter().find(|f| f.kind == "topics_missing_from_training").unwrap();
    check(missing, FindingStatus::Found);
    let advice = &missing.remedy.as_ref().unwrap().advice;
    assert!(advice.starts_with("label records about topic 3"), "{advice}");
    let row = missing.remedy.as_ref().unwrap().rows[0] as usize - 1;
    assert_eq!(column[row], Cell::Text("topic 3".to_owned()));
    // A training without a topic of the column, not of the words.
    assert!(report.scope.probes.iter().any(|probe| probe.records.starts_with("without topic")));
}
