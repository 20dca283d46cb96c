//! What a training shows while it runs: warnings that need no probe, each told at most once, with the
//! epoch, the number and what to do. They rest on the losses of the epochs so far and, now and then, on
//! a look into the layers; nothing of the training depends on them.
//!
//! What is found here is seen, not tried: whether a change helps is what a diagnosis tells.

use serde::{Deserialize, Serialize};

use super::spec::{TrainSpec, Warning};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::trend::{TrendDirection, block_means, theil_sen};
use crate::learn::inspect::LayerReport;
use crate::learn::network::{Activation, Normalization};

/// The loss, or a gradient, is no finite number any more.
pub const DIVERGED: &str = "diverged";
/// The loss is far above where it began, or rises.
const DIVERGING: &str = "diverging";
/// Gradients are huge.
const EXPLODING: &str = "exploding_gradients";
/// The first layer's gradient is tiny beside the last one's.
const VANISHING: &str = "vanishing_gradients";
/// Units are 0 for every record.
const DEAD: &str = "dead_units";
/// The loss rests although hardly anything was learnt.
const PLATEAU: &str = "plateau";
/// The validation loss rises while the training loss falls.
const OVERFITTING: &str = "overfitting";

/// Every code that a training may be warned of while it runs.
pub const CODES: [&str; 7] =
    [DIVERGED, DIVERGING, EXPLODING, VANISHING, DEAD, PLATEAU, OVERFITTING];

/// How many times the loss before the first step an epoch's mean loss is that is about to diverge. Of
/// outputs of 0, that is the loss of who knows nothing.
const TIMES_FIRST: f64 = 2.0;
/// Points after the best one that a rise takes: fewer cannot show it at the confidence below.
const RISE_POINTS: usize = 6;
/// Confidence of a rise.
const CONFIDENCE: f64 = 0.99;
/// Blocks that a trend is judged by.
const BLOCKS: usize = 8;
/// Points whose mean is where a course is, so that a single one is not.
const FEW: usize = 3;
/// How many times the noise from point to point a rise is at least.
const NOISES: f64 = 4.0;
/// Share of what was gained that a rising training loss must have lost, ...
const LOST: f64 = 0.25;
/// ... and of the first loss.
const LOST_OF_FIRST: f64 = 0.1;
/// Share of the least validation loss that it must have risen by, ...
const RISE: f64 = 0.1;
/// ... and of that of who knows nothing.
const RISE_OF_NAIVE: f64 = 0.02;
/// Points that a plateau takes.
const PLATEAU_POINTS: usize = 10;
/// Share of the planned epochs before which no plateau is one yet.
const PLATEAU_SHARE: f64 = 0.2;
/// Fall over the second half, as a share of the first loss, below which the loss rests.
const REST: f64 = 0.02;
/// Share of the loss of who knows nothing that is left where hardly anything was learnt.
const UNLEARNT: f64 = 0.95;
/// Share of a layer's units that are dead.
const DEAD_SHARE: f64 = 0.5;
/// First layer's gradient over the last one's, ...
const VANISHING_RATIO: f64 = 1e-3;
/// ... and behind three and more sigmoids or tangents.
const VANISHING_RATIO_OF_SIGMOIDS: f64 = 1e-2;
/// Norm of a layer's gradient that is huge, for inputs and targets of unit scale.
const HUGE: f64 = 100.0;
/// Parameters of networks that are looked into at most: a look copies them.
const MOST_PARAMETERS: usize = 20_000_000;

/// What an epoch shows.
#[derive(Debug, Clone, Copy)]
pub struct EpochSigns<'a> {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Loss before the first step, or of outputs of 0 where that is larger.
    pub first_loss: f64,
    /// Mean training loss of the epoch.
    pub train_loss: f64,
    /// Validation loss as a share of that of who knows nothing: log loss over the entropy of the
    /// labels, squared error over the variance. `None` where nothing is validated.
    pub unexplained: Option<f64>,
    /// The layers after the epoch, where they were looked at.
    pub layers: Option<&'a [LayerReport]>,
}

/// Watches a training.
pub struct Watch {
    setting: Setting,
    state: State,
    /// What it was before the last epoch, which may turn out to be a part of one.
    before: State,
}

/// What the rules have to know of a training's spec.
struct Setting {
    epochs: usize,
    learning_rate: f64,
    clips: bool,
    /// Whether it has hidden layers.
    hidden: bool,
    /// Whether it is a stack of three and more bounded activations.
    stack: bool,
    /// Log loss of who knows nothing; `None` where numbers are predicted.
    entropy: Option<f64>,
}

/// What is kept of the epochs so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State {
    /// Epochs seen.
    epochs: usize,
    course: Course,
    told: Vec<Warning>,
}

impl Watch {
    /// Watches a training. `entropy` is the log loss of who always gives the labels' frequencies;
    /// `None` where numbers are predicted.
    pub fn new(spec: &TrainSpec, entropy: Option<f64>) -> Self {
        let dense = spec.network.dense();
        let bounded = matches!(dense.activation, Activation::Sigmoid | Activation::Tanh);
        let setting = Setting {
            epochs: spec.training.epochs,
            learning_rate: spec.optimizer.learning_rate(),
            clips: spec.training.clip_norm.is_some() || spec.training.clip_value.is_some(),
            hidden: !dense.hidden.is_empty(),
            stack: bounded && dense.hidden.len() > 2 && dense.normalization == Normalization::None,
            entropy,
        };
        Self { setting, state: State::default(), before: State::default() }
    }

    /// Whether the layers are wanted after an epoch: after the first, the second, the fourth and so
    /// on, of networks that have hidden ones and are not too large to copy.
    pub fn wants_layers(&self, epoch: usize, parameters: usize) -> bool {
        self.setting.hidden && epoch.is_power_of_two() && parameters <= MOST_PARAMETERS
    }

    /// What was told so far.
    pub fn told(&self) -> &[Warning] {
        &self.state.told
    }

    /// Sees a step; tells where its loss is no finite number.
    pub fn step(&mut self, epoch: usize, step: u64, loss: f64) -> Option<Warning> {
        (!loss.is_finite()).then(|| {
            let rate = self.setting.learning_rate;
            let warning = Warning::new(
                DIVERGED,
                format!(
                    "training diverged in epoch {epoch}: the loss of step {step} is no finite \
                     number; set optimizer.learning_rate to {} instead of {}, or training.clip_norm \
                     to 1",
                    short(rate / 10.0),
                    short(rate)
                ),
            );
            self.state.told.push(warning.clone());
            warning
        })
    }

    /// Sees an epoch; tells what it shows for the first time.
    pub fn epoch(&mut self, signs: &EpochSigns<'_>) -> Vec<Warning> {
        self.before = self.state.clone();
        self.state.epochs = signs.epoch;
        let fresh = self.state.course.push(signs);
        let course = fresh.then_some(&self.state.course);
        let found = [
            (DIVERGING, self.setting.diverging(signs, course)),
            (PLATEAU, course.and_then(|course| self.setting.plateau(signs, course))),
            (OVERFITTING, course.and_then(|course| self.setting.overfitting(course))),
            (EXPLODING, signs.layers.and_then(|layers| self.setting.exploding(signs, layers))),
            (VANISHING, signs.layers.and_then(|layers| self.setting.vanishing(signs, layers))),
            (DEAD, signs.layers.and_then(|layers| dead(signs, layers))),
        ];
        let fresh: Vec<Warning> = found
            .into_iter()
            .filter(|(code, _)| self.state.told.iter().all(|told| told.code != *code))
            .filter_map(|(code, message)| Some(Warning::new(code, message?)))
            .collect();
        self.state.told.extend(fresh.iter().cloned());
        fresh
    }

    /// Puts what it knows after so many whole epochs beside the state of a training, so that one that
    /// goes on from there is told the same.
    pub fn save(&self, epochs: usize, arrays: &mut Arrays) {
        let state = if self.state.epochs == epochs { &self.state } else { &self.before };
        // It has nothing that JSON could not hold: what is not finite is never kept.
        arrays.metadata = serde_json::to_string(state).unwrap_or_default();
    }

    /// Goes on from what [`Watch::save`] kept. A state without it, of an earlier version, is watched
    /// from there on.
    pub fn restore(mut self, arrays: &Arrays) -> Result<Self, ArraysError> {
        if !arrays.metadata.is_empty() {
            self.state = serde_json::from_str(&arrays.metadata)
                .map_err(|error| ArraysError::Format(error.to_string()))?;
        }
        self.before = self.state.clone();
        Ok(self)
    }
}

impl Setting {
    fn diverging(&self, signs: &EpochSigns<'_>, course: Option<&Course>) -> Option<String> {
        let EpochSigns { epoch, first_loss: first, train_loss: loss, .. } = *signs;
        let advice = format!(
            "set optimizer.learning_rate to {} instead of {}, or training.clip_norm to 1",
            short(self.learning_rate / 10.0),
            short(self.learning_rate)
        );
        if first > 0.0 && (loss > TIMES_FIRST * first || !loss.is_finite()) {
            return Some(format!(
                "training is about to diverge: in epoch {epoch} its mean loss is {}, and {} before the \
                 first step; {advice}",
                short(loss),
                short(first)
            ));
        }
        let course = course?;
        let Rise { best, least, now, .. } = course.rise(|point| Some(point.train))?;
        let lost = (LOST * (first - least)).max(LOST_OF_FIRST * first);
        (now - least > lost).then(|| {
            format!(
                "training is about to diverge: its loss has risen from {} at epoch {} to {} by epoch \
                 {epoch}; {advice}",
                short(least),
                course.points[best].epoch,
                short(now)
            )
        })
    }

    fn plateau(&self, signs: &EpochSigns<'_>, course: &Course) -> Option<String> {
        let early = (signs.epoch as f64) < PLATEAU_SHARE * self.epochs as f64;
        if early || course.points.len() < PLATEAU_POINTS || signs.first_loss <= 0.0 {
            return None;
        }
        let half = &course.points[course.points.len() / 2..];
        let losses: Vec<f64> = half.iter().map(|point| point.train).collect();
        let blocks = block_means(&losses, BLOCKS);
        let trend = theil_sen(&blocks, 0.95)?;
        let moved = trend.slope.abs() * half.len() as f64 / signs.first_loss;
        let left = match course.least(|point| point.unexplained) {
            Some((_, least)) => least,
            None => course.least(|point| Some(point.train))?.1 / signs.first_loss,
        };
        let rests = trend.direction() == TrendDirection::Flat && moved < REST;
        (rests && left > UNLEARNT).then(|| {
            format!(
                "training sits on a plateau: since epoch {} its loss stays at {}, and it is hardly \
                 better than who knows nothing ({:.0} % of their loss is left in epoch {}); a job of \
                 the kind range_test finds a learning rate (it is {}), or the inputs say nothing of \
                 the target",
                half[0].epoch,
                short(losses.iter().sum::<f64>() / losses.len() as f64),
                100.0 * left,
                signs.epoch,
                short(self.learning_rate)
            )
        })
    }

    fn overfitting(&self, course: &Course) -> Option<String> {
        let Rise { best, least, now, late } = course.rise(|point| point.unexplained)?;
        let train = |points: &[Point]| {
            points.iter().map(|point| point.train).sum::<f64>() / points.len() as f64
        };
        let last = course.points.len();
        let before = train(&course.points[best..best + FEW]);
        let later = train(&course.points[last - late..]);
        let rises = now - least > (RISE * least).max(RISE_OF_NAIVE);
        (rises && later < before).then(|| {
            let (what, unit) = match self.entropy {
                Some(entropy) => ("log loss", entropy),
                None => ("error (as a share of the variance)", 1.0),
            };
            format!(
                "overfitting has begun: since epoch {} the validation {what} has risen from {} to {} by \
                 epoch {}, while the training loss fell from {} to {}; set training.early_stopping, \
                 more dropout or weight decay, or add training records",
                course.points[best].epoch,
                short(unit * least),
                short(unit * now),
                course.points[last - 1].epoch,
                short(before),
                short(later)
            )
        })
    }

    fn exploding(&self, signs: &EpochSigns<'_>, layers: &[LayerReport]) -> Option<String> {
        if self.clips {
            return None;
        }
        let norm = |layer: &LayerReport| layer.gradient_norm.unwrap_or(f64::INFINITY);
        let largest = layers.iter().max_by(|a, b| norm(a).total_cmp(&norm(b)))?;
        (norm(largest) > HUGE).then(|| {
            format!(
                "gradients explode: after epoch {} that of {} has a norm of {}, where {HUGE:.0} is \
                 much; set training.clip_norm to 1",
                signs.epoch,
                layer_name(largest),
                short(norm(largest))
            )
        })
    }

    fn vanishing(&self, signs: &EpochSigns<'_>, layers: &[LayerReport]) -> Option<String> {
        let mut dense = dense(layers);
        let first = dense.next()?;
        let (first, last) = (first.gradient_norm?, dense.last()?.gradient_norm?);
        let most = if self.stack { VANISHING_RATIO_OF_SIGMOIDS } else { VANISHING_RATIO };
        (last > 0.0 && first < most * last).then(|| {
            format!(
                "gradients vanish on their way back: after epoch {} that of the first layer is {} times \
                 that of the last; set network.activation to relu, or network.normalization to layer",
                signs.epoch,
                short(first / last)
            )
        })
    }
}

fn dead(signs: &EpochSigns<'_>, layers: &[LayerReport]) -> Option<String> {
    let share = |layer: &LayerReport| layer.dead.unwrap_or(0.0);
    let worst = dense(layers).max_by(|a, b| share(a).total_cmp(&share(b)))?;
    (share(worst) >= DEAD_SHARE).then(|| {
        format!(
            "units are dead: after epoch {} {:.0} % of those of {} are 0 for every record that was \
             looked at; set network.activation to leaky_relu, or a lower optimizer.learning_rate",
            signs.epoch,
            100.0 * share(worst),
            layer_name(worst)
        )
    })
}

/// The dense layers, from the input on.
fn dense(layers: &[LayerReport]) -> impl Iterator<Item = &LayerReport> {
    layers.iter().filter(|layer| layer.name.starts_with("layers."))
}

/// `layers.0` in words.
fn layer_name(layer: &LayerReport) -> String {
    match layer.name.strip_prefix("layers.").and_then(|place| place.parse::<usize>().ok()) {
        Some(place) => format!("layer {}", place + 1),
        None => format!("the layer {:?}", layer.name),
    }
}

/// Three digits, or a power of ten.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        1e-3..1e4 => {
            let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
            let text = format!("{value:.digits$}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
        _ => format!("{value:.1e}"),
    }
}

/// The losses of the epochs so far: each of them up to [`Course::MOST`] epochs, means of ever more
/// neighbours after that, so that a look costs the same after ten epochs and after a million.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Course {
    /// Epochs of a point.
    width: usize,
    points: Vec<Point>,
    /// Of the point that is not full yet: its epochs, and their sum.
    open: (usize, Point),
}

impl Default for Course {
    fn default() -> Self {
        Self { width: 1, points: Vec::new(), open: Default::default() }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Point {
    /// Its last epoch.
    epoch: usize,
    /// Mean training loss.
    train: f64,
    /// See [`EpochSigns::unexplained`].
    unexplained: Option<f64>,
}

impl Course {
    /// Points at most; an even number.
    const MOST: usize = 256;

    /// Adds an epoch; returns whether a point is full. What is not finite is left out.
    fn push(&mut self, signs: &EpochSigns<'_>) -> bool {
        if !signs.train_loss.is_finite() {
            return false;
        }
        let unexplained = signs.unexplained.filter(|share| share.is_finite());
        let (count, sum) = &mut self.open;
        sum.epoch = signs.epoch;
        sum.train += signs.train_loss;
        sum.unexplained = match (*count, sum.unexplained, unexplained) {
            (0, _, share) => share,
            (_, Some(sum), Some(share)) => Some(sum + share),
            _ => None,
        };
        *count += 1;
        if *count < self.width {
            return false;
        }
        let of = self.width as f64;
        let unexplained = sum.unexplained.map(|sum| sum / of);
        self.points.push(Point { epoch: sum.epoch, train: sum.train / of, unexplained });
        self.open = Default::default();
        if self.points.len() == Self::MOST {
            let merged = self.points.chunks_exact(2).map(|two| Point {
                epoch: two[1].epoch,
                train: (two[0].train + two[1].train) / 2.0,
                unexplained: two[0].unexplained.zip(two[1].unexplained).map(|(a, b)| (a + b) / 2.0),
            });
            self.points = merged.collect();
            self.width *= 2;
        }
        true
    }

    /// The least value of something, and where it is.
    fn least(&self, of: impl Fn(&Point) -> Option<f64>) -> Option<(usize, f64)> {
        let values = self.points.iter().enumerate().filter_map(|(i, p)| Some((i, of(p)?)));
        values.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// How something has risen since it was least, if it has: the points after the least one, which
    /// is low by chance, rise among themselves, and by more than their noise.
    fn rise(&self, of: impl Fn(&Point) -> Option<f64>) -> Option<Rise> {
        let (best, _) = self.least(&of)?;
        let course: Vec<f64> = self.points[best..].iter().map(&of).collect::<Option<_>>()?;
        let after = &course[1..];
        if after.len() < RISE_POINTS {
            return None;
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let late = FEW.max(after.len() / 2);
        let (least, now) = (mean(&course[..FEW]), mean(&after[after.len() - late..]));
        let steps: Vec<f64> = after.windows(2).map(|two| two[1] - two[0]).collect();
        let usual = mean(&steps);
        let squares: Vec<f64> = steps.iter().map(|step| (step - usual).powi(2)).collect();
        let noise = mean(&squares).sqrt();
        let trend = theil_sen(&block_means(after, BLOCKS), CONFIDENCE)?;
        let rises = trend.direction() == TrendDirection::Rising && now - least > NOISES * noise;
        rises.then_some(Rise { best, least, now, late })
    }
}

/// A rise of something.
struct Rise {
    /// The point where it was least.
    best: usize,
    /// Its mean over the first [`FEW`] points from there on, ...
    least: f64,
    /// ... and over so many of the last.
    now: f64,
    late: usize,
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
