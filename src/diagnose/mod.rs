//! What are the limitations of a model? Each diagnosis looks for one: it names the probes that it
//! needs, and concludes from what came of them. An [`investigation`] runs them in order of what they
//! are worth within a budget, and tries the remedies.
//!
//! Adding a diagnosis is a file in one of the folders here and a line of [`ALL`].

pub mod experiment;
pub mod finding;
pub mod investigation;
pub mod known;
pub mod probe;
mod random_change;
mod readings;
pub mod report;
pub mod request;
mod topics;
mod verify;
pub mod workbench;

mod confidence;
mod data;
mod generalization;
mod optimization;

use finding::{Area, Finding};
use known::Known;
use probe::Probe;

/// Looks for one limitation.
pub trait Diagnosis: Sync {
    /// Stable name of the limitation.
    fn kind(&self) -> &'static str;
    /// Which kind of limit it is.
    fn area(&self) -> Area;
    /// What it looks for, in a sentence.
    fn about(&self) -> &'static str;
    /// Whether it can be there at all in this model; where not, the report does not mention it.
    fn applies(&self, _known: &Known<'_>) -> bool {
        true
    }
    /// The probes that it still needs, given what is known. None once it can conclude.
    fn wants(&self, known: &Known<'_>) -> Vec<Wanted>;
    /// What it concludes; `None` while what is known does not suffice.
    fn conclude(&self, known: &Known<'_>) -> Option<Finding>;
}

/// A probe that a diagnosis needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The probe.
    pub probe: Probe,
    /// How much it is expected to tell, in (0, 1]: about the chance that the limitation is there,
    /// given the symptoms that are known. Probes run by this over their cost.
    pub worth: f64,
}

impl Wanted {
    /// A probe that is worth this much.
    pub fn new(probe: Probe, worth: f64) -> Self {
        Self { probe, worth }
    }
}

/// Every diagnosis.
pub static ALL: &[&dyn Diagnosis] = &[
    &optimization::learning_rate::TooHigh,
    &data::target_leak::TargetLeak,
    &data::duplicates::DuplicatesAcrossSplits,
    &data::label_noise::LabelNoise,
    &data::class_imbalance::ClassImbalance,
    &data::too_little_data::TooLittleData,
    &generalization::unlike_training::UnlikeTraining,
    &generalization::outside_coverage::ErrorsOutsideCoverage,
    &generalization::unseen_topics::FailsOnUnseenTopics,
    &generalization::typos::SensitiveToTypos,
    &generalization::vocabulary::VocabularyGrows,
    &confidence::miscalibrated::Miscalibrated,
    &confidence::calibration_data::TooLittleCalibrationData,
];

#[cfg(test)]
pub mod tests;
