//! How many trainings it takes to say whether a change does better: few where the difference is huge, more
//! where it is not, and no more than the budget reaches for. Looking several times spends the level in
//! parts (Bonferroni), so that whoever looks until something shows errs no more often than the level says.

use super::gain::Gain;

/// Share of the errors that a change must take away to matter.
pub const MATTERS: f64 = 0.1;
/// Share of the errors of the best of the originals that is more than a lucky seed.
const HUGE: f64 = 0.5;
/// Seeds of the original that a change is compared with, and of the change where a single one does not tell.
pub const SEEDS: usize = 3;
/// Seeds of both where these do not tell.
pub const MORE_SEEDS: usize = 6;
/// Shares of the level that are spent on a look with one training of the change, with three, and on the
/// last one.
const SPENT: [f64; 3] = [0.1, 0.45, 0.45];
/// The chance of calling something better that is not, at most: ...
const USUAL: f64 = 0.05;
/// ... and of a change that undoes what is a power of ten from what is usual. Such a setting is likelier
/// wrong than right, so that less evidence makes it as sure (weighted p-values; Genovese et al. 2006).
const UNUSUAL: f64 = 0.2;

/// How far below the best of the originals a single training must lie, in ranges of the originals, to be
/// called better alone: for the usual level and for what is unusual (after Dixon 1950; where two were tried,
/// and however much seeds differ, each is exceeded by chance as often as the first look may err).
const APART: [f64; 2] = [4.0, 2.0];
/// The chance that three trainings with a change that does nothing all do better than three without.
const PARTED: f64 = 0.05;

/// How near the best of the original a training must come to be about as good, as a share of what the mean
/// is worse.
const NEAR: f64 = 0.25;

/// The level of a change, by how unusual is what it undoes, in (0, 1\].
pub fn level(weight: f64) -> f64 {
    if weight > 0.999 { UNUSUAL } else { USUAL }
}

/// What is known of a change.
pub trait Trainings {
    /// Seeds that the original and the change were trained with so far, at least one of each.
    fn at_hand(&self) -> (usize, usize);
    /// What the change does over so many of each, no more than are there.
    fn gain(&self, originals: usize, changed: usize) -> Option<Gain>;
    /// The error of each of so many of the original and of the change.
    fn errors(&self, originals: usize, changed: usize) -> Option<[Vec<f64>; 2]>;
    /// Whether the original is known to hang on its seed.
    fn hangs_on_seed(&self) -> bool;
}

/// What trainings show so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Look {
    /// It takes trainings with so many seeds of the original and so many of the change. `unclear` where
    /// three seeds did not tell.
    More {
        /// Of the original.
        originals: usize,
        /// Of the change.
        changed: usize,
        /// Whether three seeds of each did not tell.
        unclear: bool,
    },
    /// They tell.
    Told(Told),
}

/// What trainings say of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// What it does.
    pub gain: Gain,
    /// Whether it does better by more than chance explains.
    pub better: bool,
    /// The p-value that this took.
    pub level: f64,
    /// Seeds of the change.
    pub changed: usize,
}

fn promising(gain: &Gain) -> bool {
    gain.share() >= MATTERS && gain.leans()
}

fn worst(errors: &[f64]) -> f64 {
    errors.iter().copied().fold(0.0, f64::max)
}

fn least(errors: &[f64]) -> f64 {
    errors.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Where the original hangs on its seed, the chance that a change which does nothing looks as if it steadied
/// it: all of its trainings are about as good as the best of the original, take away half of the errors, and
/// those that fail are all of the original (Fisher's exact test). `None` where it does not look so.
fn steadies(of: &impl Trainings, originals: usize, changed: usize) -> Option<f64> {
    let [before, after] = of.errors(originals, changed).filter(|_| of.hangs_on_seed())?;
    let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
    let best = least(&before);
    let about = best + NEAR * (mean(&before) - best);
    let bad = before.iter().filter(|error| **error > about).count();
    let steady = after.iter().all(|error| *error <= about);
    let huge = mean(&after) <= (1.0 - HUGE) * mean(&before);
    let chance = |drawn: usize| (originals - drawn) as f64 / (originals + changed - drawn) as f64;
    (steady && huge).then(|| (0..bad).map(chance).product())
}

/// The same as a look that has told, where it is unlikely enough.
fn told_to_steady(level: f64, of: &impl Trainings, gain: Gain) -> Option<Look> {
    let (originals, changed) = of.at_hand();
    let p_value = steadies(of, originals, changed).filter(|p| level >= UNUSUAL && *p <= level)?;
    let gain = Gain { p_value, ..gain };
    Some(Look::Told(Told { gain, better: true, level, changed }))
}

/// Looks at a change; `None` where it cannot be compared.
pub fn look(level: f64, of: &impl Trainings) -> Option<Look> {
    let (originals, changed) = of.at_hand();
    let told = |gain: Gain, better: bool, level: f64, changed: usize| {
        Some(Look::Told(Told { gain, better, level, changed }))
    };
    // Compared with all seeds of the original that are there, so that a lucky one hides nothing.
    let first = of.gain(originals.min(SEEDS), 1)?;
    let [alone, few, _] = SPENT.map(|share| share * level);
    if !promising(&first) {
        return told(first, false, alone, 1);
    }
    if originals < SEEDS {
        return Some(Look::More { originals: SEEDS, changed: 1, unclear: false });
    }
    let own = of.gain(1, 1)?;
    let [before, _] = of.errors(SEEDS, 1)?;
    let best = least(&before);
    let range = worst(&before) - best;
    let apart = APART[usize::from(level >= UNUSUAL)];
    let far = first.changed <= ((1.0 - HUGE) * best).min(best - apart * range);
    if own.p_value <= alone && far {
        return told(first, true, alone, 1);
    }
    if changed < SEEDS {
        return Some(Look::More { originals: SEEDS, changed: SEEDS, unclear: false });
    }
    let second = of.gain(SEEDS, SEEDS)?;
    if let Some(steadies) = told_to_steady(level, of, second) {
        return Some(steadies);
    }
    let [before, after] = of.errors(SEEDS, SEEDS)?;
    // Of three and three in any order one in twenty is parted like this, whatever the errors' distribution
    // (the rank sum test); a mean that one failure makes large has a standard error as large.
    let parted = level >= UNUSUAL && worst(&after) < least(&before);
    if parted {
        let p_value = second.p_value.min(PARTED);
        return told(Gain { p_value, ..second }, true, PARTED, SEEDS);
    }
    let few = if level >= UNUSUAL { few - PARTED } else { few };
    if second.p_value <= few || !promising(&second) {
        return told(second, second.p_value <= few, few, SEEDS);
    }
    if originals < MORE_SEEDS || changed < MORE_SEEDS {
        return Some(Look::More { originals: MORE_SEEDS, changed: MORE_SEEDS, unclear: true });
    }
    last(level, of)
}

/// The last look, with what is at hand: where there is not enough for more.
pub fn last(level: f64, of: &impl Trainings) -> Option<Look> {
    let (originals, changed) = of.at_hand();
    let spent = level * SPENT[2];
    let gain = of.gain(originals, changed)?;
    if let Some(steadies) = told_to_steady(level, of, gain).filter(|_| changed >= SEEDS) {
        return Some(steadies);
    }
    // A single seed may be a lucky one.
    let better = changed > 1 && originals > 1 && gain.p_value <= spent;
    Some(Look::Told(Told { gain, better, level: spent, changed }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::gain::paired_error;
    use crate::eval::distribution::normal_cdf;
    use crate::random::{self, Rng};

    /// Losses of runs on the same records, 1 where wrong.
    struct Simulated {
        originals: Vec<Vec<f64>>,
        changed: Vec<Vec<f64>>,
        hangs: bool,
    }

    /// So many of them.
    struct SoFar<'a> {
        of: &'a Simulated,
        at_hand: (usize, usize),
    }

    fn error(run: &[f64]) -> f64 {
        run.iter().sum::<f64>() / run.len() as f64
    }

    impl Simulated {
        /// Runs that get a record wrong by how hard it is, and by a seed's luck of a deviation. Of two
        /// changes the one is tried further that does better at first. All are alike, but for what the
        /// change takes away.
        fn draw(trial: u64, (luck, less): (f64, f64)) -> Self {
            let mut rng = random::stream(trial, "looks");
            let hard: Vec<f64> = (0..200).map(|_| random::normal(&mut rng) - 1.6).collect();
            let mut run = |less: f64| -> Vec<f64> {
                let shift = luck * random::normal(&mut rng) - less;
                let wrong = |hard: &f64| {
                    f64::from(u8::from(rng.random::<f64>() < normal_cdf(hard + shift)))
                };
                hard.iter().map(wrong).collect()
            };
            let originals: Vec<Vec<f64>> = (0..MORE_SEEDS).map(|_| run(0.0)).collect();
            let mut changed: Vec<Vec<f64>> = (0..MORE_SEEDS).map(|_| run(less)).collect();
            let other = run(less);
            if error(&other) < error(&changed[0]) {
                changed[0] = other;
            }
            Self { originals, changed, hangs: false }
        }

        /// Whether the change is called better, and how many trainings that took. `reach` are those that
        /// can be afforded.
        fn decide(&self, level: f64, reach: usize) -> (bool, usize) {
            // That it hangs on the seed is known of three.
            let originals = if self.hangs { SEEDS } else { 1 };
            let mut so_far = SoFar { of: self, at_hand: (originals, 1) };
            loop {
                let taken = so_far.at_hand.0 + so_far.at_hand.1;
                match look(level, &so_far).unwrap() {
                    Look::Told(told) => return (told.better, taken),
                    Look::More { originals, changed, .. } if originals + changed <= reach => {
                        so_far.at_hand = (originals, changed);
                    }
                    Look::More { .. } => {
                        let told = last(level, &so_far).unwrap();
                        return (matches!(told, Look::Told(Told { better: true, .. })), taken);
                    }
                }
            }
        }
    }

    impl Trainings for SoFar<'_> {
        fn at_hand(&self) -> (usize, usize) {
            self.at_hand
        }

        fn gain(&self, originals: usize, changed: usize) -> Option<Gain> {
            let (a, b) = (&self.of.originals[..originals], &self.of.changed[..changed]);
            let errors = |runs: &[Vec<f64>]| runs.iter().map(|run| error(run)).collect();
            let paired = paired_error(&a[0], &b[0], true);
            let single = Gain::of_normal([error(&a[0]), error(&b[0])], paired);
            Some(Gain::over_seeds(&single, &[errors(a), errors(b)], [a, b]))
        }

        fn errors(&self, originals: usize, changed: usize) -> Option<[Vec<f64>; 2]> {
            let of = |runs: &[Vec<f64>]| runs.iter().map(|run| error(run)).collect();
            Some([of(&self.of.originals[..originals]), of(&self.of.changed[..changed])])
        }

        fn hangs_on_seed(&self) -> bool {
            self.of.hangs
        }
    }

    const TRIALS: u64 = 400;

    fn draws(world: (f64, f64)) -> Vec<Simulated> {
        (0..TRIALS).map(|trial| Simulated::draw(trial, world)).collect()
    }

    /// Share of draws in which the change is called better, and the mean of the trainings taken.
    fn called_better(draws: &[Simulated], level: f64, reach: usize) -> (f64, f64) {
        let each = draws.iter().map(|draw| draw.decide(level, reach));
        let (better, taken) = each.fold((0, 0), |(better, taken), (is, trainings)| {
            (better + usize::from(is), taken + trainings)
        });
        (better as f64 / TRIALS as f64, taken as f64 / TRIALS as f64)
    }

    /// However often one looks, and wherever the budget ends, a change that does nothing is called better
    /// no more often than the level says, whether seeds differ much or not.
    #[test]
    fn looking_again_does_not_find_what_is_not_there() {
        for luck in [0.0, 0.3, 1.0] {
            let draws = draws((luck, 0.0));
            for (level, reach) in
                [USUAL, UNUSUAL].into_iter().flat_map(|l| [(l, 12), (l, 9), (l, 6)])
            {
                let (better, taken) = called_better(&draws, level, reach);
                println!("{level} {luck} {reach}: {better:.3}, {taken:.1} trainings");
                // Three standard errors of the draws above it.
                let most = level + 3.0 * (level * (1.0 - level) / TRIALS as f64).sqrt();
                assert!(better <= most, "{level} {luck} {reach}: {better}");
            }
        }
    }

    /// Trainings of which some fail altogether, by their seeds. A change that steadies them is named where
    /// they fail often enough to tell; one that does nothing no more often than the level says, though only
    /// trainings that are seen to fail are asked.
    #[test]
    fn what_steadies_trainings_that_fail_by_chance_is_named() {
        let named = |fails: f64, of_changed: f64| {
            let draw = |trial: u64| {
                let mut rng = random::stream(trial, "fails");
                let mut run = |fails: f64| -> Vec<f64> {
                    let rate = if rng.random::<f64>() < fails { 0.6 } else { 0.03 };
                    (0..200).map(|_| f64::from(u8::from(rng.random::<f64>() < rate))).collect()
                };
                let originals: Vec<Vec<f64>> = (0..MORE_SEEDS).map(|_| run(fails)).collect();
                let changed = (0..MORE_SEEDS).map(|_| run(of_changed)).collect();
                let errors = originals[..SEEDS].iter().map(|run| error(run));
                let hangs = errors.clone().fold(0.0, f64::max) - least(&errors.collect::<Vec<_>>());
                let trainings = Simulated { originals, changed, hangs: true };
                (hangs > 0.2).then(|| trainings.decide(UNUSUAL, 12).0)
            };
            let hanging: Vec<bool> = (0..400).filter_map(draw).collect();
            let share =
                hanging.iter().filter(|named| **named).count() as f64 / hanging.len() as f64;
            (share, 3.0 * (UNUSUAL * (1.0 - UNUSUAL) / hanging.len() as f64).sqrt())
        };
        for fails in [0.15, 0.4, 0.7] {
            let ((nothing, errors), (steadies, _)) = (named(fails, fails), named(fails, 0.0));
            println!("{fails}: {nothing:.3} of what does nothing, {steadies:.3} of what steadies");
            // Three standard errors of the draws above it.
            assert!(nothing <= UNUSUAL + errors, "{fails}: {nothing}");
            assert!(steadies > if fails < 0.2 { 0.1 } else { 0.5 }, "{fails}: {steadies}");
        }
    }

    #[test]
    fn what_is_there_is_found_with_few_trainings_where_it_is_large() {
        let large = called_better(&draws((0.1, 1.5)), USUAL, 12);
        let small = called_better(&draws((0.1, 0.4)), USUAL, 12);
        println!("{large:?} {small:?}");
        assert!(large.0 > 0.9 && large.1 < 6.0, "{large:?}");
        assert!(small.0 > 0.6 && small.1 > 6.0, "{small:?}");
    }
}
