//! Whether remedies help: each is trained with several seeds, and compared on the same test records with
//! the original and with random changes of equal cost.

use super::experiment::Outcome;
use super::finding::{Finding, FindingStatus, SeedDifference, Verdict, Verification};
use super::known::Known;
use super::probe::{Change, Probe};
use super::random_change::random_change;
use super::{Wanted, report};
use crate::eval::paired::holm;
use crate::eval::seeds::SeedComparison;
use crate::random::keyed;

/// p-value below which a difference counts, after correction.
const ALPHA: f64 = 0.05;

/// The trainings of a remedy that is tried.
struct Trial<'a> {
    original: Vec<(u64, &'a Outcome)>,
    remedy: Vec<(u64, &'a Outcome)>,
    random: Vec<(u64, &'a Outcome)>,
}

/// The findings whose remedies are tried: the most severe, no change twice.
pub fn candidates(findings: &[Finding], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by(|a, b| findings[*b].severity.total_cmp(&findings[*a].severity));
    let mut changes: Vec<&Change> = Vec::new();
    let mut chosen = Vec::new();
    for at in order {
        let Some(remedy) = &findings[at].remedy else { continue };
        let found = findings[at].status == FindingStatus::Found;
        let open = chosen.len() < most && found && !remedy.change.is_empty();
        if open && !changes.contains(&&remedy.change) {
            changes.push(&remedy.change);
            chosen.push(at);
        }
    }
    chosen
}

/// The random change that a seed's training of a remedy is compared with.
fn random_of(known: &Known<'_>, remedy: &Change, seed: u64) -> Change {
    let name: u64 = remedy.keys().flat_map(|path| path.bytes()).map(u64::from).sum();
    random_change(known.bench.spec(), remedy, keyed(known.request.seed ^ keyed(seed)) ^ name)
}

/// The trainings that trying a remedy still takes.
pub fn wants(known: &Known<'_>, remedy: &Change) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for seed in known.seeds() {
        let probes = [
            Probe::original(seed),
            Probe::original(seed).changed(remedy),
            Probe::original(seed).changed(&random_of(known, remedy, seed)),
        ];
        let missing = probes.into_iter().filter(|probe| known.of(probe).is_none());
        wanted.extend(missing.map(|probe| Wanted::new(probe, 1.0)));
    }
    wanted
}

/// Judges the remedies of `chosen` findings whose trainings are all there.
pub fn verify(known: &Known<'_>, findings: &mut [Finding], chosen: &[usize]) {
    let mut judged: Vec<(usize, Trial<'_>, SeedComparison, SeedComparison)> = Vec::new();
    for &at in chosen {
        let Some(remedy) = &findings[at].remedy else { continue };
        let arms = [
            known.over_seeds(|_| Change::new()),
            known.over_seeds(|_| remedy.change.clone()),
            known.over_seeds(|seed| random_of(known, &remedy.change, seed)),
        ];
        let [Some(original), Some(remedied), Some(random)] = arms else { continue };
        let trial = Trial { original, remedy: remedied, random };
        let compared = known
            .compare(&trial.original, &trial.remedy)
            .and_then(|original| Ok((original, known.compare(&trial.random, &trial.remedy)?)));
        match compared {
            Ok((original, random)) => judged.push((at, trial, original, random)),
            Err(reason) => findings[at].statement.push_str(&format!(
                " Whether its remedy helps could not be judged: {reason}."
            )),
        }
    }
    let adjusted = |of: fn(&(usize, Trial<'_>, SeedComparison, SeedComparison)) -> f64| {
        holm(&judged.iter().map(of).collect::<Vec<_>>())
    };
    let against_original = adjusted(|(.., original, _)| original.p_value);
    let against_random = adjusted(|(.., random)| random.p_value);
    let tried = judged.len();
    let both = against_original.into_iter().zip(against_random);
    for ((at, trial, original, random), (p_original, p_random)) in judged.into_iter().zip(both) {
        let change = findings[at].remedy.as_ref().map(|remedy| remedy.change.clone());
        let change = change.unwrap_or_default();
        findings[at].verification =
            Some(verification(known, &change, trial, (original, p_original), (random, p_random), tried));
    }
}

fn verification(
    known: &Known<'_>,
    remedy: &Change,
    trial: Trial<'_>,
    (original, p_original): (SeedComparison, f64),
    (random, p_random): (SeedComparison, f64),
    remedies_tried: usize,
) -> Verification {
    let labels = known.bench.output.head().is_some();
    let mean = |arm: &[(u64, &Outcome)]| {
        let losses: Vec<f64> = arm.iter().flat_map(|(_, outcome)| known.losses(outcome)).collect();
        let loss = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        if labels { 1.0 - loss } else { loss }
    };
    let better = |comparison: &SeedComparison, p: f64| comparison.difference < 0.0 && p < ALPHA;
    let worse = |comparison: &SeedComparison, p: f64| comparison.difference > 0.0 && p < ALPHA;
    let verdict = if worse(&original, p_original) || worse(&random, p_random) {
        Verdict::Refuted
    } else if better(&original, p_original) && random.difference < 0.0 {
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
    Verification {
        verdict,
        metric: report::metric(labels).to_owned(),
        lower_is_better: !labels,
        seeds: known.seeds(),
        records: original.records,
        original: mean(&trial.original),
        remedy: mean(&trial.remedy),
        random_change: mean(&trial.random),
        against_original: told(&original, p_original),
        against_random: told(&random, p_random),
        remedies_tried,
        random_changes: known.seeds().iter().map(|s| random_of(known, remedy, *s)).collect(),
        runs: trial.remedy.iter().map(|(_, outcome)| outcome.run.clone()).collect(),
    }
}
