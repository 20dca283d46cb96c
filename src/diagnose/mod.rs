//! What are the limitations of a model? Each diagnosis looks for one: it names the probes that it
//! needs, and concludes from what came of them. An [`investigation`] runs them in order of what they
//! are worth within a budget, and tries the remedies.
//!
//! Adding a diagnosis is a file in one of the folders here and a line of [`ALL`].

mod cache;
pub mod experiment;
pub mod finding;
pub mod gain;
pub mod investigation;
pub mod known;
mod looks;
pub mod probe;
pub mod random_change;
mod readings;
pub mod render;
pub mod report;
pub mod request;
mod signs;
mod steadiness;
mod suspect;
mod topics;
mod usual;
mod verify;
pub mod workbench;

mod capacity;
mod confidence;
mod data;
mod generalization;
mod optimization;

use finding::{Area, Finding, FindingStatus};
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
    /// What it concludes from what is known, where no more of what it wants is affordable; `None` where
    /// that says nothing.
    fn settle(&self, _known: &Known<'_>) -> Option<Finding> {
        None
    }
    /// That it was not measured, and why, in words.
    fn not_measured(&self, why: &str) -> Finding {
        let statement = format!("Not measured: {} ({why})", self.about());
        Finding::new(self.kind(), self.area(), FindingStatus::NotMeasured, statement)
    }
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
    // What makes the measured errors themselves untrue first, then what is set far from what is usual:
    // the order breaks ties.
    &data::target_leak::TargetLeak,
    &data::duplicates::DuplicatesAcrossSplits,
    &optimization::features_not_scaled::FeaturesNotScaled,
    &optimization::momentum_too_high::MomentumTooHigh,
    &optimization::weight_decay_too_high::WeightDecayTooHigh,
    &optimization::dropout_too_high::DropoutTooHigh,
    &optimization::poor_initialization::PoorInitialization,
    &optimization::vanishing_gradients::Vanishing,
    &optimization::learning_rate::TooHigh,
    &optimization::learning_rate_too_low::TooLow,
    &optimization::batch_too_large::BatchTooLarge,
    &optimization::batch_too_small::BatchTooSmall,
    &optimization::too_few_epochs::TooFewEpochs,
    &capacity::capacity_too_small::TooSmall,
    &capacity::capacity_too_large::TooLarge,
    &optimization::dead_units::DeadUnits,
    &optimization::saturated_units::Saturated,
    &optimization::exploding_gradients::Exploding,
    &optimization::loss_unsuited::LossUnsuited,
    &optimization::diverged::Diverged,
    &optimization::plateau::Plateau,
    &optimization::unstable_over_seeds::UnstableOverSeeds,
    &capacity::memorizes::Memorizes,
    &data::label_noise::LabelNoise,
    &data::class_imbalance::ClassImbalance,
    &data::too_little_data::TooLittleData,
    &generalization::missing_topics::TopicsMissing,
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
