//! The figures of a half as tables.

use std::fmt::Write;

use whereof::eval::bootstrap;
use whereof::eval::interval::wilson;

use super::score::{HARM, OFF, Scored, Verdicts};

/// The figures of all cases.
pub fn figures(scored: &[Scored]) -> String {
    let faulty: Vec<&Scored> = scored.iter().filter(|s| !s.sound && s.counts()).collect();
    let sound: Vec<&Scored> = scored.iter().filter(|s| s.sound).collect();
    let mut out = String::new();
    overall(&mut out, scored, &faulty, &sound);
    out.push_str(
        "\n| planted | cases | no harm | found | first | rules: found | first | without | mended | by \
         rules | at random |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut groups: Vec<&str> = Vec::new();
    for scored in scored.iter().filter(|s| !s.sound) {
        if !groups.contains(&scored.group.as_str()) {
            groups.push(&scored.group);
        }
    }
    for group in groups {
        let of: Vec<&Scored> = faulty.iter().copied().filter(|s| s.group == group).collect();
        let harmless = scored.iter().filter(|s| s.group == group && !s.counts()).count();
        let count = |of_case: fn(&Scored) -> bool| of.iter().filter(|s| of_case(s)).count();
        writeln!(
            out,
            "| {group} | {} | {harmless} | {} | {} | {} | {} | {} | {} | {} | {} |",
            of.len(),
            count(|s| s.report.all),
            count(|s| s.report.first),
            count(|s| s.rules.all),
            count(|s| s.rules.first),
            mean(&of, |s| s.original),
            mean(&of, |s| s.report.quality),
            mean(&of, |s| s.rules.quality),
            mean(&of, |s| s.random),
        )
        .ok();
    }
    out
}

fn overall(out: &mut String, scored: &[Scored], faulty: &[&Scored], sound: &[&Scored]) {
    let harmless = scored.len() - faulty.len() - sound.len();
    let weak = scored.iter().filter(|s| s.strength < 1.0).count();
    writeln!(
        out,
        "{} cases: {} sound, {} with a fault, and {harmless} whose fault costs less than {HARM} of \
         accuracy or R² (a calibration: {OFF} of confidence) and is no limitation: they do not count. {weak} faults were planted less \
         strongly, so that a model came out.\n",
        scored.len(),
        sound.len(),
        faulty.len(),
    )
    .ok();
    out.push_str("| | diagnosis | AutoTrainer's rules | random changes |\n|---|---|---|---|\n");
    let share = |cases: &[&Scored], holds: &dyn Fn(&Scored) -> bool| {
        proportion(cases.iter().filter(|s| holds(s)).count(), cases.len())
    };
    let both = |of: fn(&Verdicts) -> bool| {
        (share(faulty, &|s| of(&s.report)), share(faulty, &|s| of(&s.rules)))
    };
    let rows = [
        ("all that was planted was found (recall)", both(|v| v.all)),
        ("what was planted is named first (top-1)", both(|v| v.first)),
        (
            "sound trainings with an alarm",
            (share(sound, &|s| s.alarms > 0), share(sound, &|s| !s.rules.found.is_empty())),
        ),
    ];
    for (name, (ours, rules)) in rows {
        writeln!(out, "| {name} | {ours} | {rules} | |").ok();
    }
    let alarms = sound.iter().map(|s| s.alarms).sum::<usize>() as f64 / sound.len().max(1) as f64;
    writeln!(out, "| false alarms per sound training | {alarms:.2} | | |").ok();
    let verified: Vec<f64> =
        scored.iter().flat_map(|s| s.verified.iter().map(|(_, gain)| *gain)).collect();
    let helped = verified.iter().filter(|gain| **gain > 0.0).count();
    let helped = proportion(helped, verified.len());
    writeln!(out, "| verified remedies that help on fresh seeds and records | {helped} | | |").ok();
    let won = |of: fn(&Scored) -> f64| mean(faulty, of);
    writeln!(
        out,
        "| accuracy or R² won, mean | {} | {} | {} |",
        won(|s| s.report.quality - s.original),
        won(|s| s.rules.quality - s.original),
        won(|s| s.random - s.original),
    )
    .ok();
    writeln!(
        out,
        "| won by the diagnosis above it, with 95 % interval over cases | | {} | {} |",
        paired(faulty, |s| s.report.quality - s.rules.quality),
        paired(faulty, |s| s.report.quality - s.random),
    )
    .ok();
    writeln!(out, "| trainings taken, mean | {} | | the same |", won(|s| s.runs)).ok();
}

fn mean(cases: &[&Scored], of: fn(&Scored) -> f64) -> String {
    match cases.len() {
        0 => "–".to_owned(),
        n => format!("{:.3}", cases.iter().map(|s| of(s)).sum::<f64>() / n as f64),
    }
}

fn paired(cases: &[&Scored], difference: fn(&Scored) -> f64) -> String {
    let differences: Vec<f64> = cases.iter().map(|s| difference(s)).collect();
    let interval = match bootstrap::mean_interval(&differences, 1) {
        Some([low, high]) => format!(" ({low:.3} to {high:.3})"),
        None => " (too few cases for an interval)".to_owned(),
    };
    mean(cases, difference) + &interval
}

/// A share with its 95 % interval (Wilson).
fn proportion(count: usize, of: usize) -> String {
    if of == 0 {
        return "–".to_owned();
    }
    let (low, high) = wilson(count as u64, of as u64);
    format!("{:.2} ({count} of {of}; {low:.2} to {high:.2})", count as f64 / of as f64)
}

/// A line for each case.
pub fn line(scored: &Scored) -> String {
    let Scored { name, harm, strength, original, report, rules, random, verified, runs, .. } =
        scored;
    let mark = match (scored.sound, scored.counts()) {
        (true, _) => ["sound", "ALARM"][usize::from(scored.alarms > 0)],
        (false, false) => "no harm",
        (false, true) if report.all && report.first => "first",
        (false, true) if report.all => "found",
        (false, true) => "MISSED",
    };
    let harm = harm.map_or(String::new(), |harm| format!(", harm {harm:.3}"));
    let strength = if *strength < 1.0 { format!(", strength {strength}") } else { String::new() };
    let verified: Vec<String> = verified.iter().map(|(k, g)| format!("{k} {g:+.3}")).collect();
    format!(
        "{mark:8} {name}{harm}{strength}: found [{}], verified [{}], rules {:?}, quality {original:.3} \
         → {:.3}, rules {:.3}, random {random:.3}, {runs:.1} runs",
        report.found.join(", "),
        verified.join(", "),
        rules.found,
        report.quality,
        rules.quality,
    )
}
