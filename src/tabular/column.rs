//! One fitted column: what it learnt from training, and how it writes a value as features.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::date::{CYCLES, Moment};
use super::error::shown;
use super::moments::Moments;
use super::{
    ColumnRange, EncoderError, FeatureKind, InputKind, OutsideReason, OutsideValue, TabularSpec,
    Unreadable, Value,
};

/// A value after reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    Missing,
    Number(f64),
    /// The category's place among the known ones.
    Category(Option<usize>),
    Date(Moment),
    /// Of a column that is left out.
    Ignored,
}

/// A fitted column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    pub name: String,
    pub kind: InputKind,
    /// Training records with a value.
    pub present: u64,
    /// Training records without.
    pub missing: u64,
    pub content: Content,
}

/// What a column learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    Unused,
    Number {
        moments: Moments,
    },
    Categories {
        /// Most frequent first, equally frequent ones by text.
        names: Vec<String>,
        counts: Vec<u64>,
        /// Training records that hold a category without a feature of its own.
        other: u64,
        /// Whether some category is written as a number, so that a number may be one.
        numbers: bool,
        #[serde(skip)]
        places: HashMap<String, usize>,
    },
    Date {
        moments: Moments,
        /// For each cycle that varies in training, the mean sine and cosine.
        cycles: [Option<[f64; 2]>; 3],
    },
}

impl Fitted {
    /// Whether the column says anything about a row, if only that it lies outside.
    pub fn is_used(&self) -> bool {
        self.content != Content::Unused
    }

    /// Names and kinds of its features, in order.
    pub fn features(&self) -> Vec<(String, FeatureKind)> {
        let name = &self.name;
        let mut features = Vec::new();
        match &self.content {
            Content::Unused => return features,
            Content::Number { moments } => {
                if moments.std > 0.0 {
                    features.push((name.clone(), FeatureKind::Number));
                }
            }
            Content::Categories { names, other, .. } => {
                if names.len() > 1 || *other > 0 || self.missing > 0 {
                    let of = |text: &String| (format!("{name} = {text}"), FeatureKind::Category);
                    features.extend(names.iter().map(of));
                }
                if *other > 0 {
                    features.push((format!("{name} = (other or unknown)"), FeatureKind::Unknown));
                }
            }
            Content::Date { moments, cycles } => {
                if moments.std > 0.0 {
                    features.push((format!("{name} in days"), FeatureKind::Number));
                }
                for (cycle, _) in CYCLES.iter().zip(cycles).filter(|(_, means)| means.is_some()) {
                    for part in ["sine", "cosine"] {
                        let feature = format!("{name}, {part} of the {cycle}");
                        features.push((feature, FeatureKind::Cycle));
                    }
                }
            }
        }
        if self.missing > 0 {
            features.push((format!("{name} is missing"), FeatureKind::Missing));
        }
        features
    }

    /// Reads a value.
    pub fn read(&self, value: &Value<'_>) -> Result<Reading, Unreadable> {
        Ok(match &self.content {
            Content::Unused => Reading::Ignored,
            _ if is_missing(value) => Reading::Missing,
            Content::Number { .. } => Reading::Number(self.number(value)?),
            Content::Date { .. } => Reading::Date(self.date(value)?),
            Content::Categories { numbers, places, .. } => {
                let place = category(value).and_then(|text| places.get(&text).copied());
                // A number among words is a mistake of the sender, not a category yet unseen.
                if place.is_none() && !numbers && matches!(value, Value::Number(_)) {
                    return Err(self.unreadable(value));
                }
                Reading::Category(place)
            }
        })
    }

    pub fn number(&self, value: &Value<'_>) -> Result<f64, Unreadable> {
        let number = match value {
            Value::Number(number) => Some(*number).filter(|number| number.is_finite()),
            Value::Text(text) => finite(text),
            Value::Missing => None,
        };
        number.ok_or_else(|| self.unreadable(value))
    }

    pub fn date(&self, value: &Value<'_>) -> Result<Moment, Unreadable> {
        let date = if let Value::Text(text) = value { Moment::parse(text) } else { None };
        date.ok_or_else(|| self.unreadable(value))
    }

    fn unreadable(&self, value: &Value<'_>) -> Unreadable {
        let value = shown(&category(value).unwrap_or_default());
        Unreadable { column: self.name.clone(), value, expected: self.kind }
    }

    /// Writes a reading as features into `out`, which has a place for each and holds zeros.
    pub fn write(&self, spec: &TabularSpec, reading: &Reading, out: &mut [f32]) {
        if out.is_empty() {
            return;
        }
        let is_missing = *reading == Reading::Missing;
        match (&self.content, reading) {
            (Content::Number { moments }, _) if moments.std > 0.0 => {
                let number =
                    if let Reading::Number(number) = reading { *number } else { moments.mean };
                out[0] = scaled(spec, moments, number);
            }
            (Content::Categories { .. }, Reading::Category(Some(place))) => {
                out[*place] = 1.0;
            }
            (Content::Categories { names, counts, other, .. }, _) => {
                let is_unknown = matches!(reading, Reading::Category(None));
                if is_unknown && *other > 0 {
                    out[names.len()] = 1.0;
                } else if is_unknown || self.missing == 0 {
                    // Training knows no such feature: the average of what it does know.
                    for (feature, &count) in out.iter_mut().zip(counts) {
                        *feature = (count as f64 / self.present as f64) as f32;
                    }
                    if *other > 0 {
                        out[names.len()] = (*other as f64 / self.present as f64) as f32;
                    }
                }
            }
            (Content::Date { moments, cycles }, _) => {
                let date = if let Reading::Date(date) = reading { Some(date) } else { None };
                let mut place = 0;
                if moments.std > 0.0 {
                    out[0] = scaled(spec, moments, date.map_or(moments.mean, |date| date.days));
                    place = 1;
                }
                let values = date.map(Moment::cycles);
                for (cycle, means) in cycles.iter().enumerate() {
                    let Some(means) = means else { continue };
                    let parts = values.map_or(*means, |values| values[cycle]);
                    out[place..place + 2].copy_from_slice(&parts.map(|part| part as f32));
                    place += 2;
                }
            }
            _ => {}
        }
        if is_missing && self.missing > 0 {
            out[out.len() - 1] = 1.0;
        }
    }

    /// What [`Fitted::write`] scaled to the feature at `place`, in its own unit.
    pub fn in_its_unit(&self, spec: &TabularSpec, place: usize, value: f32) -> f64 {
        let value = f64::from(value);
        match &self.content {
            Content::Number { moments } | Content::Date { moments, .. }
                if spec.standardize && place == 0 && moments.std > 0.0 =>
            {
                moments.mean + value * moments.std
            }
            _ => value,
        }
    }

    /// Writes the mean of each feature over the training records into `out`, which has a place for
    /// each. Where numbers are clipped, that of the number before.
    pub fn write_mean(&self, spec: &TabularSpec, out: &mut [f32]) {
        if out.is_empty() {
            return;
        }
        let records = (self.present + self.missing).max(1) as f64;
        out.fill(0.0);
        match &self.content {
            Content::Categories { names, counts, other, .. } => {
                for (feature, &count) in out.iter_mut().zip(counts) {
                    *feature = (count as f64 / records) as f32;
                }
                if *other > 0 {
                    out[names.len()] = (*other as f64 / records) as f32;
                }
            }
            // A missing number or date is written as the mean.
            Content::Unused | Content::Number { .. } | Content::Date { .. } => {
                self.write(spec, &Reading::Missing, out);
            }
        }
        if self.missing > 0 {
            out[out.len() - 1] = (self.missing as f64 / records) as f32;
        }
    }

    /// What training saw; `None` for a column that is left out.
    pub fn range(&self) -> Option<ColumnRange> {
        let unknown = ColumnRange {
            column: self.name.clone(),
            min: None,
            max: None,
            earliest: None,
            latest: None,
            categories: None,
            may_be_missing: self.missing > 0,
        };
        Some(match &self.content {
            Content::Unused => return None,
            Content::Number { moments } => {
                ColumnRange { min: Some(moments.min), max: Some(moments.max), ..unknown }
            }
            Content::Date { moments, .. } => ColumnRange {
                earliest: Some(date_text(moments.min)),
                latest: Some(date_text(moments.max)),
                ..unknown
            },
            Content::Categories { names, .. } => {
                ColumnRange { categories: Some(names.clone()), ..unknown }
            }
        })
    }

    /// What about a value training did not see.
    pub fn outside(&self, value: &Value<'_>, reading: &Reading) -> Option<OutsideValue> {
        let (reason, message) = match (&self.content, reading) {
            (_, Reading::Missing) if self.missing == 0 => {
                (OutsideReason::Missing, "is missing; no training record misses it".to_owned())
            }
            (Content::Number { moments }, Reading::Number(number)) => {
                beyond(moments, *number, |limit| limit.to_string())?
            }
            (Content::Date { moments, .. }, Reading::Date(date)) => {
                beyond(moments, date.days, date_text)?
            }
            (_, Reading::Category(None)) => {
                let message = "is not a category that training saw often enough to know";
                (OutsideReason::UnknownCategory, message.to_owned())
            }
            _ => return None,
        };
        let value = category(value).map(|text| shown(&text));
        let message = match &value {
            Some(value) => format!("{}: {value:?} {message}", self.name),
            None => format!("{} {message}", self.name),
        };
        Some(OutsideValue { column: self.name.clone(), value, reason, message })
    }

    /// Makes a stored column whole again, or says what about it cannot be.
    pub fn restore(&mut self) -> Result<(), EncoderError> {
        let reason = match (&mut self.content, self.kind) {
            (Content::Unused, _) => None,
            (Content::Number { moments }, InputKind::Numeric) => {
                (!moments.are_possible()).then_some("its range cannot be")
            }
            (Content::Date { moments, cycles }, InputKind::Date) => {
                let within = |part: &f64| (-1.0..=1.0).contains(part);
                let fine = moments.are_possible() && cycles.iter().flatten().flatten().all(within);
                (!fine).then_some("its range or its cycles cannot be")
            }
            (
                Content::Categories { names, counts, other, places: lookup, .. },
                InputKind::Categorical,
            ) => {
                *lookup = places(names);
                let sum = counts.iter().try_fold(*other, |sum, count| sum.checked_add(*count));
                let fine =
                    !names.is_empty() && lookup.len() == names.len() && counts.len() == names.len();
                (!fine || sum != Some(self.present))
                    .then_some("its categories and counts do not fit")
            }
            _ => Some("its content is not of its kind"),
        };
        let reason = reason.or((self.is_used() && self.present == 0).then_some("it has no value"));
        reason.map_or(Ok(()), |reason| {
            Err(EncoderError::Column { column: self.name.clone(), reason })
        })
    }
}

pub fn places(names: &[String]) -> HashMap<String, usize> {
    names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect()
}

/// A blank text is no value either.
pub fn is_missing(value: &Value<'_>) -> bool {
    match value {
        Value::Missing => true,
        Value::Number(_) => false,
        Value::Text(text) => text.trim().is_empty(),
    }
}

/// The value as a category: its text without white space around it.
pub fn category(value: &Value<'_>) -> Option<String> {
    match value {
        _ if is_missing(value) => None,
        Value::Missing => None,
        Value::Number(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.trim().to_owned()),
    }
}

pub fn finite(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The number as a feature; never infinite.
fn scaled(spec: &TabularSpec, &Moments { mean, std, .. }: &Moments, number: f64) -> f32 {
    let clip = spec.numeric_clip;
    let value = if spec.standardize {
        ((number - mean) / std).clamp(-clip, clip)
    } else {
        number.clamp(mean - clip * std, mean + clip * std)
    };
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

fn beyond(
    moments: &Moments,
    number: f64,
    show: impl Fn(f64) -> String,
) -> Option<(OutsideReason, String)> {
    if number < moments.min {
        let message = format!("lies below {}, the least in training", show(moments.min));
        Some((OutsideReason::Below, message))
    } else if number > moments.max {
        let message = format!("lies above {}, the most in training", show(moments.max));
        Some((OutsideReason::Above, message))
    } else {
        None
    }
}

pub fn date_text(days: f64) -> String {
    let time = chrono::DateTime::from_timestamp((days * 86_400.0).round() as i64, 0);
    time.map_or_else(|| format!("day {days}"), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
}
