//! Whether remedies help: each is trained with several seeds, and compared on the same test records with
//! the original and with random changes of equal cost.

use serde_json::Value;

use super::experiment::Outcome;
use super::finding::{Finding, FindingStatus, Remedy, SeedDifference, Verdict, Verification};
use super::known::Known;
use super::probe::{Change, Probe, Selection, changed};
use super::random_change::random_change;
use super::{Wanted, report};
use crate::eval::seeds::SeedComparison;
use crate::model::spec::TrainSpec;
use crate::random::keyed;

/// p-value below which a difference counts, after correction.
const ALPHA: f64 = 0.05;
/// Looks at a remedy: with the seeds asked for, and where that does not tell, with twice as many of the
/// remedy and the original. A p-value counts this many times in each, so that both together keep the
/// level (Bonferroni).
pub const LOOKS: [f64; 2] = [2.0, 2.0];

/// Share of the level that the first remedy is tried with.
const OF_FIRST: f64 = 0.8;
/// The field of the columns that a model reads.
const FEATURES: &str = "task.features";

/// The trainings of a remedy that is tried, with a number of seeds.
struct Trial<'a> {
    at: usize,
    seeds: usize,
    original: Vec<(u64, &'a Outcome)>,
    remedy: Vec<(u64, &'a Outcome)>,
    random: Vec<(u64, &'a Outcome)>,
    against_original: SeedComparison,
    against_random: SeedComparison,
}

/// The findings whose remedies are tried: the most severe, no change twice, and none that gives no
/// spec.
pub fn candidates(spec: &TrainSpec, findings: &[Finding], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by(|a, b| findings[*b].severity.total_cmp(&findings[*a].severity));
    let mut changes: Vec<&Change> = Vec::new();
    let mut chosen = Vec::new();
    for at in order {
        let Some(remedy) = &findings[at].remedy else { continue };
        let found = findings[at].status == FindingStatus::Found;
        let told = remedy.label
            || !remedy.change.is_empty() && !remedy.change.keys().any(|path| untold(path));
        // Where columns should not be known yet, the test records say nothing of anything else.
        let leaks = changes.iter().any(|change| change.contains_key(FEATURES));
        let some = changed(spec, &remedy.change).is_some();
        let open = chosen.len() < most && found && told && some && !leaks;
        if open && !changes.contains(&&remedy.change) {
            changes.push(&remedy.change);
            chosen.push(at);
        }
    }
    chosen
}

/// Whether training again cannot tell if a change helps: other columns or another split are other
/// measurements, and a calibrator changes no answer.
fn untold(path: &str) -> bool {
    let start = |start: &&str| path.starts_with(*start);
    path != FEATURES && ["task.", "split.", "calibrator"].iter().any(start)
}

/// What the original and random changes are judged on. A remedy that leaves out columns is judged as if
/// these were not known yet when a prediction is wanted, which is why it leaves them out.
fn judged_on(known: &Known<'_>, remedy: &Change) -> Selection {
    let Some(left) = remedy.get(FEATURES).and_then(Value::as_array) else { return Selection::All };
    let names = known.bench.table.inputs.iter().map(|column| &column.name);
    let gone = names.filter(|name| !left.iter().any(|left| left == *name));
    Selection::Lacking { columns: gone.cloned().collect() }
}

/// What the remedy itself is trained and judged on.
fn trained_on(known: &Known<'_>, remedy: &Remedy) -> Selection {
    if remedy.label { Selection::Labelled } else { judged_on(known, &remedy.change) }
}

/// The test records that all arms are compared on; all where there is no list.
fn compared_on(known: &Known<'_>, remedy: &Remedy) -> Option<Vec<usize>> {
    let labelled = remedy.label.then(|| known.bench.to_label())?;
    let mut rest = known.bench.of_missing_topics();
    rest.retain(|record| labelled.binary_search(record).is_err());
    Some(rest)
}

/// A training of an arm.
fn trained(records: &Selection, change: &Change, seed: u64) -> Probe {
    Probe::original(seed).changed(change).on(records.clone())
}

/// What came of an arm, if all of it ran.
fn arm<'a>(
    known: &Known<'a>,
    records: &Selection,
    seeds: usize,
    change: impl Fn(u64) -> Change,
) -> Option<Vec<(u64, &'a Outcome)>> {
    let of = |seed: u64| Some((seed, known.of(&trained(records, &change(seed), seed))?));
    known.seeds(seeds).into_iter().map(of).collect()
}

/// The random change that a seed's training of a remedy is compared with: the same for all remedies that
/// train as long.
fn random_of(known: &Known<'_>, remedy: &Change, seed: u64) -> Change {
    random_change(known.bench.spec(), remedy, keyed(known.request.seed ^ keyed(seed)))
}

/// The trainings that a look at a remedy with so many seeds still takes.
pub fn wants(known: &Known<'_>, remedy: &Remedy, seeds: usize) -> Vec<Wanted> {
    let (records, own) = (judged_on(known, &remedy.change), trained_on(known, remedy));
    let mut wanted = Vec::new();
    for (at, seed) in known.seeds(seeds).into_iter().enumerate() {
        let mut probes =
            vec![trained(&records, &Change::new(), seed), trained(&own, &remedy.change, seed)];
        if at < known.request.seeds {
            probes.push(trained(&records, &random_of(known, &remedy.change, seed), seed));
        }
        let missing = probes.into_iter().filter(|probe| known.of(probe).is_none());
        wanted.extend(missing.map(|probe| Wanted::new(probe, 1.0)));
    }
    wanted
}

/// p-values of remedies in the order in which they are tried, corrected by the fallback procedure (Wiens
/// 2003): most of the level is spent on the first, the rest is shared by those that may follow, and what is
/// not needed goes on to the next. So what is tried later does not take away from what was shown before.
fn in_order(p_values: &[f64], most: usize) -> Vec<f64> {
    let later = (1.0 - OF_FIRST) / most.saturating_sub(1).max(1) as f64;
    let mut left = 0.0;
    let each = p_values.iter().enumerate().map(|(at, p)| {
        let own = match (at, most) {
            (0, 0 | 1) => 1.0,
            (0, _) => OF_FIRST,
            _ => later,
        };
        let level = own + left;
        let adjusted = (p / level).min(1.0);
        left = if adjusted < ALPHA { level } else { 0.0 };
        adjusted
    });
    each.collect()
}

/// Judges the remedies of `chosen` findings whose trainings are there. Returns those that another look
/// may decide, with the seeds that it takes.
pub fn verify(
    known: &Known<'_>,
    findings: &mut [Finding],
    chosen: &[usize],
) -> Vec<(usize, usize)> {
    let first = known.request.seeds;
    let mut trials: Vec<Trial<'_>> = Vec::new();
    for &at in chosen {
        let Some(remedy) = &findings[at].remedy else { continue };
        let looks = (1..=LOOKS.len()).rev().map(|look| look * first);
        let trial = looks.into_iter().find_map(|seeds| {
            let (records, own) = (judged_on(known, &remedy.change), trained_on(known, remedy));
            let original = arm(known, &records, seeds, |_| Change::new())?;
            let remedied = arm(known, &own, seeds, |_| remedy.change.clone())?;
            let random =
                arm(known, &records, first, |seed| random_of(known, &remedy.change, seed))?;
            Some((seeds, original, remedied, random))
        });
        let records = compared_on(known, remedy);
        let Some((seeds, original, remedy, random)) = trial else { continue };
        let compared =
            known.compare_on(&original, &remedy, records.as_deref()).and_then(|against| {
                Ok((against, known.compare_on(&random, &remedy, records.as_deref())?))
            });
        match compared {
            Ok((against_original, against_random)) => trials.push(Trial {
                at,
                seeds,
                original,
                remedy,
                random,
                against_original,
                against_random,
            }),
            Err(reason) => findings[at]
                .statement
                .push_str(&format!(" Whether its remedy helps could not be judged: {reason}.")),
        }
    }
    let most = known.request.remedies;
    let adjusted = |of: fn(&Trial<'_>) -> f64| -> Vec<f64> {
        let spent = |trial: &Trial<'_>| LOOKS[trial.seeds / first - 1] * of(trial);
        in_order(&trials.iter().map(spent).collect::<Vec<_>>(), most)
    };
    let p_values = adjusted(|trial| trial.against_original.p_value)
        .into_iter()
        .zip(adjusted(|trial| trial.against_random.p_value));
    let p_values: Vec<(f64, f64)> = p_values.collect();
    let tried = trials.len();
    let mut open = Vec::new();
    for (trial, p_values) in trials.into_iter().zip(p_values) {
        let Trial { at, seeds, .. } = trial;
        let promising = trial.against_original.difference < 0.0;
        let remedy = findings[at].remedy.clone().unwrap_or_default();
        let judged = verification(known, &remedy, trial, p_values, tried);
        if judged.verdict == Verdict::Inconclusive && promising && seeds < LOOKS.len() * first {
            open.push((at, seeds + first));
        }
        findings[at].verification = Some(judged);
    }
    open
}

fn verification(
    known: &Known<'_>,
    tried: &Remedy,
    trial: Trial<'_>,
    (p_original, p_random): (f64, f64),
    remedies_tried: usize,
) -> Verification {
    let Trial { seeds, original, remedy, random, against_original, against_random, .. } = trial;
    let (change, records) = (&tried.change, compared_on(known, tried));
    let labels = known.bench.output.head().is_some();
    let mean = |arm: &[(u64, &Outcome)]| {
        let of = |outcome: &Outcome| known.losses_of(outcome, records.as_deref());
        let losses: Vec<f64> = arm.iter().flat_map(|(_, outcome)| of(outcome)).collect();
        let loss = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        if labels { 1.0 - loss } else { loss }
    };
    let better = |comparison: &SeedComparison, p: f64| comparison.difference < 0.0 && p < ALPHA;
    let worse = |comparison: &SeedComparison, p: f64| comparison.difference > 0.0 && p < ALPHA;
    let verdict = if worse(&against_original, p_original) || worse(&against_random, p_random) {
        Verdict::Refuted
    } else if better(&against_original, p_original) && against_random.difference < 0.0 {
        Verdict::Verified
    } else {
        Verdict::Inconclusive
    };
    // Losses fall where accuracy rises.
    let told = |comparison: &SeedComparison, p_value_adjusted: f64| {
        let SeedComparison { difference, interval: [low, high], p_value, .. } = *comparison;
        let (difference, interval) =
            if labels { (-difference, [-high, -low]) } else { (difference, [low, high]) };
        SeedDifference { difference, interval, p_value, p_value_adjusted }
    };
    let seeds = known.seeds(seeds);
    Verification {
        verdict,
        metric: report::metric(labels).to_owned(),
        lower_is_better: !labels,
        records: against_original.records,
        original: mean(&original),
        remedy: mean(&remedy),
        random_change: mean(&random),
        against_original: told(&against_original, p_original),
        against_random: told(&against_random, p_random),
        remedies_tried,
        random_changes: random.iter().map(|(seed, _)| random_of(known, change, *seed)).collect(),
        lacking: match judged_on(known, change) {
            Selection::Lacking { columns } => columns,
            _ => Vec::new(),
        },
        labelled: tried.label.then(|| known.bench.to_label().len()),
        runs: remedy.iter().map(|(_, outcome)| outcome.run.clone()).collect(),
        seeds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn what_is_shown_first_stays_shown() {
        assert_eq!(in_order(&[0.03], 1), [0.03]);
        let alone = in_order(&[0.03], 2)[0];
        assert!((alone - 0.0375).abs() < 1e-12, "{alone}");
        assert_eq!(in_order(&[0.03, 0.9], 2)[0], alone);
        // All of the level goes on to the second, or a fifth of it.
        assert!((in_order(&[0.03, 0.04], 2)[1] - 0.04).abs() < 1e-12);
        assert!((in_order(&[0.5, 0.02], 2)[1] - 0.1).abs() < 1e-12);
    }

    /// Of remedies none of which helps, one in twenty reports at most calls any verified.
    #[test]
    fn remedies_that_do_nothing_are_seldom_called_verified() {
        let mut rng = random::stream(4, "fallback");
        let mut false_claims = 0;
        let mut uncorrected = 0;
        for _ in 0..4_000 {
            let p = [(); 3].map(|()| random::Rng::random::<f64>(&mut rng));
            false_claims += usize::from(in_order(&p, 3).iter().any(|p| *p < ALPHA));
            uncorrected += usize::from(p.iter().any(|p| *p < ALPHA));
        }
        // 200 are due at most; three standard errors of 4,000 draws are 41.
        assert!(false_claims <= 241, "{false_claims}");
        assert!(uncorrected > 241, "{uncorrected}");
    }
}
