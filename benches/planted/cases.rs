//! The cases: sound trainings, and the same ones with a fault or two. Some are for development, others only
//! for final figures: each half has seeds of its own, and a seeded hash says which of them.

use whereof::random::{fnv1a, keyed};

use super::Failure;
use super::data::{Base, Setup};
use super::faults::{FAULTS, Fault, PAIRS, RECORDS, fault};

/// Seed of the halves.
const HALVES: u64 = 20_261_123;
/// Sound trainings of each problem, cases of each fault, and of each pair of faults.
const SOUND: usize = 6;
const OF_FAULT: usize = 4;
const OF_PAIR: usize = 2;

/// Which cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Those that may be looked at while diagnoses are worked on.
    Development,
    /// More of these, with other seeds, so that nothing is made to suit the first ones.
    Further,
    /// The final half of 1 December 2026, which has been looked at since and is for development too.
    Former,
    /// Those that may not be looked at before the end.
    Final,
}

impl Half {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Further => "further",
            Self::Former => "former",
            Self::Final => "final",
        }
    }

    /// The first seeds of its sound trainings, of a fault's and of a pair's. A final half that has been
    /// looked at gets others: 1, 101 and 201 were those of the one of 24 November.
    pub fn seeds(self) -> [u64; 3] {
        match self {
            Self::Development => [1, 101, 201],
            Self::Further => [21, 121, 221],
            Self::Former => [51, 151, 251],
            Self::Final => [81, 181, 281],
        }
    }
}

/// A training to be diagnosed.
#[derive(Clone)]
pub struct Case {
    /// What is planted, in words: the group that its figures go into.
    pub group: String,
    /// The problem.
    pub base: Base,
    /// Seed of its records, its network and its fault.
    pub seed: u64,
    /// What is planted; nothing in a sound one.
    pub faults: Vec<&'static Fault>,
}

impl Case {
    fn new(base: Base, seed: u64, faults: Vec<&'static Fault>) -> Self {
        let names: Vec<&str> = faults.iter().map(|fault| fault.name).collect();
        let group = if names.is_empty() { "nothing".to_owned() } else { names.join(" + ") };
        Self { group, base, seed, faults }
    }

    /// Its name.
    pub fn name(&self) -> String {
        format!("{} in {:?} {}", self.group, self.base, self.seed)
    }

    fn hash(&self) -> u64 {
        keyed(HALVES ^ fnv1a(self.name().as_bytes()))
    }

    /// The training without any fault; `None` where its data is not at hand.
    pub fn sound(&self) -> Result<Option<Setup>, Failure> {
        let records = self.faults.iter().map(|fault| fault.records);
        // Of two faults the rarer number of records is the one that a fault asked for.
        let records = records.max_by_key(|records| records.abs_diff(RECORDS)).unwrap_or(RECORDS);
        let Some(mut setup) = self.base.setup(records, self.seed)? else { return Ok(None) };
        setup.spec.training.seed = self.seed;
        Ok(Some(setup))
    }

    /// With its faults, at a strength in (0, 1].
    pub fn planted(&self, sound: &Setup, strength: f64) -> Result<Setup, Failure> {
        let mut setup = sound.clone();
        for fault in &self.faults {
            (fault.plant)(&mut setup, strength, self.seed)?;
        }
        Ok(setup)
    }
}

/// The cases of a half: of every group, one half of those with its seeds.
pub fn cases(half: Half) -> Result<Vec<Case>, Failure> {
    let mut groups: Vec<Vec<Case>> = Vec::new();
    let [sound, of_fault, of_pair] = half.seeds();
    for base in Base::SOUND {
        let seeds = (0..SOUND).map(|i| i as u64 + sound);
        groups.push(seeds.map(|seed| Case::new(base, seed, Vec::new())).collect());
    }
    for fault in FAULTS {
        let bases = fault.bases.iter().cycle().take(OF_FAULT).zip(of_fault..);
        groups.push(bases.map(|(base, seed)| Case::new(*base, seed, vec![fault])).collect());
    }
    for (names, base) in PAIRS {
        let mut pair = Vec::new();
        for name in names {
            pair.push(fault(name).ok_or_else(|| format!("no fault is called {name:?}"))?);
        }
        let seeds = (0..OF_PAIR).map(|i| i as u64 + of_pair);
        groups.push(seeds.map(|seed| Case::new(*base, seed, pair.clone())).collect());
    }
    let mut chosen = Vec::new();
    for mut group in groups {
        group.sort_by_key(Case::hash);
        let flipped = group.first().is_some_and(|case| case.hash() % 2 == 1);
        let wanted = usize::from(matches!(half, Half::Former | Half::Final) != flipped);
        let alternate = group.into_iter().enumerate();
        chosen.extend(alternate.filter(|(at, _)| at % 2 == wanted).map(|(_, case)| case));
    }
    Ok(chosen)
}
