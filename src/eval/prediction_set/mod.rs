//! Prediction sets: the classes that cannot be excluded at an error rate α, for any α and any
//! method at scoring time.
//!
//! Each method gives every class a nonconformity score; higher is less likely. A class is in the
//! set where its score is at most q̂, the ⌈(n + 1)(1 − α)⌉-th smallest score that the true classes
//! of the n calibration records had. The true class of a record that is exchangeable with them is
//! then in the set with probability at least 1 − α (Vovk et al. 2005). The most probable class is
//! always in the set, so that no set is empty; that can only add to the coverage.
//!
//! A new method is a file here, a variant of [`SetMethod`] and a line in `scores` and `thresholds`.

mod aps;
mod lac;
mod mondrian;
mod raps;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::argmax;
use super::conformal::{CalibrationScores, records_needed};
use crate::arrays::{Arrays, ArraysError};
use crate::random::Quick;

/// Which prediction sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetMethod {
    /// Every class that is probable enough: the smallest sets on average, and often the same size
    /// for hard records as for easy ones (Sadinle et al. 2019).
    #[default]
    Lac,
    /// The most probable classes up to a mass: larger sets, which grow where the record is hard
    /// (Romano et al. 2020).
    Aps,
    /// As `aps`, with a price on every class beyond the fifth, which keeps sets short where there
    /// are many classes (Angelopoulos et al. 2021).
    Raps,
    /// As `lac`, with a threshold for each class: the coverage holds for the records of each class
    /// by itself (Vovk et al. 2005). Needs enough calibration records of every class.
    Mondrian,
}

impl SetMethod {
    /// All of them.
    pub const ALL: &[SetMethod] = &[Self::Lac, Self::Aps, Self::Raps, Self::Mondrian];

    /// Whether its scores depend on a record's share `u` of a class's own mass.
    pub fn reads_share(self) -> bool {
        matches!(self, Self::Aps | Self::Raps)
    }

    /// The nonconformity of each class, by position; higher is less likely. `u` in \[0, 1) is the
    /// share of a class's own mass that counts.
    fn scores(self, probabilities: &[f64], u: f64) -> Vec<f64> {
        match self {
            Self::Lac | Self::Mondrian => lac::scores(probabilities),
            Self::Aps => aps::scores(probabilities, &ranked(probabilities), u),
            Self::Raps => raps::scores(probabilities, &ranked(probabilities), u),
        }
    }
}

/// Why there is no set: too few calibration records for the error rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// The class that has the fewest records, where each class needs enough; `None` where only all
    /// records together count.
    pub class: Option<usize>,
    /// Calibration records there are (of the class).
    pub records: usize,
    /// Calibration records that would do (of each class): ⌈1/α⌉ − 1. `None` where no number would,
    /// for α ≤ 0.
    pub needed: Option<usize>,
}

/// The calibration scores of every method: what sets of any method and any α rest on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PredictionSets {
    lac: CalibrationScores,
    aps: CalibrationScores,
    raps: CalibrationScores,
    /// 1 − p of the true class, class by class.
    by_class: Vec<CalibrationScores>,
}

/// What excludes classes by one method at one error rate, for any number of records.
#[derive(Debug, Clone, PartialEq)]
pub struct SetThresholds {
    method: SetMethod,
    /// q̂ of each class.
    of_class: Vec<f64>,
}

impl PredictionSets {
    /// Fits every method to calibration records: the probability of each class, record by record
    /// (all rows of one length), and the true class. `seed` draws the u of each record. A record
    /// whose class has no probability is left out.
    ///
    /// The probabilities must not know these records' classes. Those of a calibrator that was
    /// fitted to the same records do, and the sets then cover too little: give the network's own,
    /// here and in [`SetThresholds::set`], or keep records apart.
    pub fn fit(probabilities: &[Vec<f64>], classes: &[u32], seed: u64) -> Self {
        let mut rng = Quick::stream(seed, "prediction_sets");
        let (mut aps, mut raps) = (Vec::new(), Vec::new());
        let mut by_class = vec![Vec::new(); probabilities.first().map_or(0, Vec::len)];
        for (p, &class) in probabilities.iter().zip(classes) {
            let (class, u) = (class as usize, uniform(rng.bits()));
            if class >= p.len() || class >= by_class.len() {
                continue;
            }
            by_class[class].push(SetMethod::Lac.scores(p, u)[class]);
            aps.push(SetMethod::Aps.scores(p, u)[class]);
            raps.push(SetMethod::Raps.scores(p, u)[class]);
        }
        Self {
            lac: CalibrationScores::new(by_class.concat()),
            aps: CalibrationScores::new(aps),
            raps: CalibrationScores::new(raps),
            by_class: by_class.into_iter().map(CalibrationScores::new).collect(),
        }
    }

    /// What excludes classes by this method at error rate α. `None` where
    /// [`PredictionSets::shortfall`] says why.
    pub fn at(&self, method: SetMethod, alpha: f64) -> Option<SetThresholds> {
        if self.shortfall(method, alpha).is_some() {
            return None;
        }
        let scores = match method {
            SetMethod::Lac => &self.lac,
            SetMethod::Aps => &self.aps,
            SetMethod::Raps => &self.raps,
            SetMethod::Mondrian => {
                let of_class = mondrian::thresholds(&self.by_class, alpha)?;
                return Some(SetThresholds { method, of_class });
            }
        };
        let of_class = vec![scores.quantile(alpha)?; self.by_class.len()];
        Some(SetThresholds { method, of_class })
    }

    /// Why there is no set of this method at error rate α; `None` where there is one.
    pub fn shortfall(&self, method: SetMethod, alpha: f64) -> Option<Shortfall> {
        let needed = records_needed(alpha);
        let (class, records) = match method {
            SetMethod::Mondrian => {
                let fewest = self.by_class.iter().map(CalibrationScores::len).enumerate();
                fewest.min_by_key(|(_, n)| *n).map_or((None, 0), |(class, n)| (Some(class), n))
            }
            SetMethod::Lac | SetMethod::Aps | SetMethod::Raps => (None, self.lac.len()),
        };
        // Without any record there is no threshold, whatever α.
        let enough = needed.is_some_and(|needed| records >= needed.max(1));
        (!enough).then_some(Shortfall { class, records, needed })
    }

    /// Its numbers.
    pub fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        let counts = self.by_class.iter().map(|scores| scores.len() as u64).collect();
        let by_class: Vec<&[f64]> = self.by_class.iter().map(|class| class.ascending()).collect();
        arrays.put("counts", counts);
        arrays.put("lac", by_class.concat());
        arrays.put("aps", self.aps.ascending().to_vec());
        arrays.put("raps", self.raps.ascending().to_vec());
        arrays
    }

    /// Takes up what [`PredictionSets::save`] gave.
    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let lac = arrays.get::<f64>("lac")?;
        let read = |name| {
            let scores = arrays.get_exact::<f64>(name, lac.len())?;
            Ok(CalibrationScores::new(scores.to_vec()))
        };
        let (mut rest, mut by_class) = (lac, Vec::new());
        let wrong = |found: &str| ArraysError::Shape {
            name: "counts".to_owned(),
            expected: format!("a sum of {}", lac.len()),
            found: found.to_owned(),
        };
        for &count in arrays.get::<u64>("counts")? {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let (class, others) = rest.split_at_checked(count).ok_or_else(|| wrong("more"))?;
            by_class.push(CalibrationScores::new(class.to_vec()));
            rest = others;
        }
        if !rest.is_empty() {
            return Err(wrong("less"));
        }
        let lac = CalibrationScores::new(lac.to_vec());
        Ok(Self { lac, aps: read("aps")?, raps: read("raps")?, by_class })
    }
}

impl SetThresholds {
    /// The classes that cannot be excluded, most probable first, the most probable one always among
    /// them; none of no probabilities.
    ///
    /// `u` in \[0, 1) must be as good as a draw that knows nothing of the true class, and the same
    /// whenever the record is scored: derive it from the record's bytes and the model, as
    /// [`uniform`] of a hash of both, so that one text scored alone has the set that it has in a
    /// batch. Only `aps` and `raps` read it.
    pub fn set(&self, probabilities: &[f64], u: f64) -> Vec<usize> {
        if probabilities.is_empty() {
            return Vec::new();
        }
        let (scores, top) = (self.method.scores(probabilities, u), argmax(probabilities));
        let kept = |&class: &usize| {
            class == top || self.of_class.get(class).is_some_and(|q| scores[class] <= *q)
        };
        let mut set: Vec<usize> = (0..scores.len()).filter(kept).collect();
        by_probability(&mut set, probabilities);
        set
    }
}

/// 64 even bits as a number in \[0, 1).
pub fn uniform(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// All classes, most probable first.
fn ranked(probabilities: &[f64]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    by_probability(&mut classes, probabilities);
    classes
}

/// Sorts ascending classes so that the most probable is first; of equals, the lower.
fn by_probability(classes: &mut [usize], probabilities: &[f64]) {
    classes.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
}
