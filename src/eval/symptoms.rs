//! AutoTrainer's symptom rules (Zhang, Zhai, Ma and Shen, ICSE 2021), with the thresholds that its authors
//! published: what a tool sees that looks at a training's history alone. They are here to be compared
//! with: a benchmark sets them beside findings that rest on probes. Nothing else should conclude from
//! them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// ‖g_first‖/‖g_last‖ below this, ...
const VANISHING_RATIO: f64 = 1e-3;
/// ... and ‖g_first‖ below this: vanishing.
const VANISHING_NORM: f64 = 1e-4;
/// ‖g_first‖/‖g_last‖ above this: exploding.
const EXPLODING_RATIO: f64 = 70.0;
/// Share of gradients that are exactly 0, from which units are dying.
const ZERO_SHARE: f64 = 0.7;
/// A fall of the accuracy from a peak to the next trough that is a swing, ...
const SWING: f64 = 0.03;
/// ... and the share of epochs that have one.
const SWING_SHARE: f64 = 0.2;
/// The largest gain of one epoch, ...
const LEAST_GAIN: f64 = 0.01;
/// ... and the accuracy, below which a training does not converge.
const LEAST_ACCURACY: f64 = 0.6;
/// Epochs before the rules on accuracy say anything.
const MIN_EPOCHS: usize = 4;

/// What one epoch shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochSigns {
    /// Training accuracy, in \[0, 1\].
    pub accuracy: f64,
    /// Validation accuracy, in \[0, 1\].
    pub validation_accuracy: f64,
    /// Training loss; not finite where it diverged.
    pub loss: f64,
    /// L2 norm of the loss's gradient by the first layer's weights; `None` where it was not measured.
    pub first_layer_gradient: Option<f64>,
    /// The same of the last layer.
    pub last_layer_gradient: Option<f64>,
    /// Share of all gradients that are exactly 0, in \[0, 1\].
    pub zero_gradient_share: Option<f64>,
}

/// What the rules can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Symptom {
    /// The first layer's gradient is tiny beside the last layer's.
    VanishingGradient,
    /// The first layer's gradient is huge beside the last layer's, or no number.
    ExplodingGradient,
    /// Most gradients are exactly 0.
    DyingRelu,
    /// The accuracy swings from epoch to epoch.
    OscillatingLoss,
    /// The accuracy is low and does not rise, or the loss is no number.
    NotConverging,
}

/// A symptom and where it shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundSymptom {
    /// Which.
    pub symptom: Symptom,
    /// The first epoch that shows it, from 1; the last epoch for rules on the whole history.
    pub epoch: usize,
    /// What the rule compares: the ratio of norms, the share of zeros, the share of epochs with a swing, the
    /// largest gain. `null` where it is no number.
    pub value: Option<f64>,
}

/// The symptoms of a training, at most one of a kind, in the order of [`Symptom`]. The rules on gradients
/// fire at the first epoch where they hold, as the original watches a training while it runs; the rules on
/// accuracy look at the whole history and need four epochs. No symptom is found from what was not measured.
pub fn training_symptoms(history: &[EpochSigns]) -> Vec<FoundSymptom> {
    let mut found = Vec::new();
    for symptom in [Symptom::VanishingGradient, Symptom::ExplodingGradient, Symptom::DyingRelu] {
        let first = history.iter().enumerate().find_map(|(place, signs)| {
            let value = gradient_sign(symptom, signs)?;
            let value = value.is_finite().then_some(value);
            Some(FoundSymptom { symptom, epoch: place + 1, value })
        });
        found.extend(first);
    }
    let diverged = history.iter().position(|signs| !signs.loss.is_finite());
    if let Some(place) = diverged {
        let symptom = Symptom::NotConverging;
        found.push(FoundSymptom { symptom, epoch: place + 1, value: None });
        return found;
    }
    if history.len() < MIN_EPOCHS {
        return found;
    }
    let mut over_all = |symptom, value, holds| {
        if holds {
            found.push(FoundSymptom { symptom, epoch: history.len(), value: Some(value) });
        }
    };
    let swings = swing_share(history);
    over_all(Symptom::OscillatingLoss, swings, swings >= SWING_SHARE);
    let (gain, accuracy) = gain_and_accuracy(history);
    let stuck = gain < LEAST_GAIN && accuracy < LEAST_ACCURACY;
    over_all(Symptom::NotConverging, gain, stuck);
    found
}

/// The value with which an epoch shows a symptom of gradients.
fn gradient_sign(symptom: Symptom, signs: &EpochSigns) -> Option<f64> {
    // The first layer's norm and the ratio; a last layer without gradient has none, and shows nothing.
    let norms = || {
        let (first, last) = (signs.first_layer_gradient?, signs.last_layer_gradient?);
        (last != 0.0).then(|| (first, if last.is_finite() { first / last } else { f64::NAN }))
    };
    match symptom {
        Symptom::DyingRelu => signs.zero_gradient_share.filter(|share| *share >= ZERO_SHARE),
        Symptom::VanishingGradient => {
            let (first, ratio) = norms()?;
            (ratio < VANISHING_RATIO && first < VANISHING_NORM).then_some(ratio)
        }
        Symptom::ExplodingGradient => {
            let (_, ratio) = norms()?;
            (!ratio.is_finite() || ratio > EXPLODING_RATIO).then_some(ratio)
        }
        Symptom::OscillatingLoss | Symptom::NotConverging => None,
    }
}

/// Peaks of the training accuracy that stand at least [`SWING`] above the trough of the same rank, as a
/// share of the epochs.
fn swing_share(history: &[EpochSigns]) -> f64 {
    let (mut peaks, mut troughs) = (Vec::new(), Vec::new());
    for three in history.windows(3) {
        let [before, here, after] = [0, 1, 2].map(|place| three[place].accuracy);
        if here >= before && here >= after {
            peaks.push(here);
        }
        if here < before && here < after {
            troughs.push(here);
        }
    }
    let swings = peaks.iter().zip(&troughs).filter(|(peak, trough)| *peak - *trough >= SWING);
    swings.count() as f64 / history.len() as f64
}

/// The largest gain of one epoch in training or validation accuracy, and the best accuracy of either.
fn gain_and_accuracy(history: &[EpochSigns]) -> (f64, f64) {
    let of = |accuracy: fn(&EpochSigns) -> f64| {
        let gains = history.windows(2).map(move |two| accuracy(&two[1]) - accuracy(&two[0]));
        (gains.fold(0.0, f64::max), history.iter().map(accuracy).fold(0.0, f64::max))
    };
    let (train, validation) = (of(|signs| signs.accuracy), of(|signs| signs.validation_accuracy));
    (train.0.max(validation.0), train.1.max(validation.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epochs with these accuracies and nothing else to note.
    fn epochs(accuracies: &[f64]) -> Vec<EpochSigns> {
        let sound = |&accuracy: &f64| EpochSigns {
            accuracy,
            validation_accuracy: accuracy - 0.02,
            loss: 1.0 - accuracy,
            first_layer_gradient: Some(0.1),
            last_layer_gradient: Some(0.2),
            zero_gradient_share: Some(0.3),
        };
        accuracies.iter().map(sound).collect()
    }

    fn kinds(history: &[EpochSigns]) -> Vec<Symptom> {
        training_symptoms(history).iter().map(|found| found.symptom).collect()
    }

    const SOUND: [f64; 6] = [0.5, 0.6, 0.7, 0.75, 0.78, 0.8];

    #[test]
    fn a_sound_training_has_none() {
        assert_eq!(kinds(&epochs(&SOUND)), []);
        assert_eq!(kinds(&[]), []);
        // A plateau at a good accuracy is none.
        assert_eq!(kinds(&epochs(&[0.9; 8])), []);
    }

    #[test]
    fn gradients_at_and_beside_their_thresholds() {
        let with = |first: f64, last: f64| {
            let mut history = epochs(&SOUND);
            history[2].first_layer_gradient = Some(first);
            history[2].last_layer_gradient = Some(last);
            training_symptoms(&history)
        };
        let found = with(9e-5, 0.1);
        assert_eq!((found[0].symptom, found[0].epoch), (Symptom::VanishingGradient, 3));
        assert!((found[0].value.unwrap() - 9e-4).abs() < 1e-12);
        // Both conditions are needed.
        assert!(with(2e-4, 1.0).is_empty() && with(9e-5, 0.08).is_empty());
        assert_eq!(with(7.1, 0.1)[0].symptom, Symptom::ExplodingGradient);
        assert!(
            with(6.9, 0.1).is_empty() && with(0.0, 0.0).is_empty() && with(1.0, 0.0).is_empty()
        );
        assert_eq!(with(0.0, 0.1)[0].symptom, Symptom::VanishingGradient);
        assert_eq!(with(0.1, f64::INFINITY)[0].symptom, Symptom::ExplodingGradient);
        let no_number = with(f64::NAN, 0.1);
        assert_eq!((no_number[0].symptom, no_number[0].value), (Symptom::ExplodingGradient, None));
        let zeros = |share: f64| {
            let mut history = epochs(&SOUND);
            history[4].zero_gradient_share = Some(share);
            kinds(&history)
        };
        assert_eq!((zeros(0.7), zeros(0.69)), (vec![Symptom::DyingRelu], vec![]));
        let mut unmeasured = epochs(&SOUND);
        for signs in &mut unmeasured {
            signs.first_layer_gradient = None;
            signs.zero_gradient_share = None;
        }
        assert_eq!(kinds(&unmeasured), []);
    }

    #[test]
    fn accuracies_that_swing_or_stay_low() {
        let swings = [0.5, 0.62, 0.55, 0.66, 0.56, 0.7, 0.6, 0.72, 0.62, 0.74];
        let found = training_symptoms(&epochs(&swings));
        // Peaks .62 .66 .7 .72 over troughs .55 .56 .6 .62: four in ten epochs.
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].symptom, found[0].value), (Symptom::OscillatingLoss, Some(0.4)));
        let calm = [0.5, 0.62, 0.6, 0.64, 0.63, 0.7, 0.69, 0.72, 0.71, 0.74];
        assert_eq!(kinds(&epochs(&calm)), []);
        let low = [0.500, 0.505, 0.509, 0.510, 0.512];
        assert_eq!(kinds(&epochs(&low)), [Symptom::NotConverging]);
        assert_eq!(kinds(&epochs(&low[..3])), []);
        let rising = [0.50, 0.52, 0.53, 0.54, 0.55];
        assert_eq!(kinds(&epochs(&rising)), []);
        let mut diverged = epochs(&SOUND);
        diverged[1].loss = f64::INFINITY;
        let found = training_symptoms(&diverged);
        assert_eq!((found[0].symptom, found[0].epoch), (Symptom::NotConverging, 2));
    }
}
