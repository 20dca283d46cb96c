//! The settings that a sweep tries: points of a grid, or random draws.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::eval::importance::Levels;
use crate::problem::FieldError;
use crate::random::{self, Rng};

/// What a field may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// A number between two, drawn evenly on the logarithmic scale; both above 0.
    Log([f64; 2]),
    /// A number between two, drawn evenly.
    Linear([f64; 2]),
    /// A whole number from one to another, both included, drawn evenly.
    Integer([i64; 2]),
    /// One of several values of any type.
    Choice(Vec<Value>),
}

/// One of each field.
pub type Setting = BTreeMap<String, Value>;

/// Draws of settings that were drawn before, one after another, at which a space counts as used up.
const PATIENCE: usize = 200;

impl Range {
    /// What is wrong with it, if anything.
    pub fn check(&self, field: &str) -> Option<FieldError> {
        let error = |message: String, hint: &str| Some(FieldError::new(field, message).hint(hint));
        match self {
            Self::Log([low, _]) if *low <= 0.0 => {
                error(format!("{low} has no logarithm"), "start the range above 0, or use linear")
            }
            Self::Log([low, high]) | Self::Linear([low, high])
                if !(low < high && (high - low).is_finite()) =>
            {
                error(format!("{low} to {high} is no range"), "put the smaller number first")
            }
            Self::Integer([low, high]) if low >= high || high.checked_sub(*low).is_none() => {
                error(format!("{low} to {high} is no range"), "put the smaller number first")
            }
            Self::Choice(values) if values.is_empty() || values.len() > 1_000 => {
                error(format!("has {} values", values.len()), "name 1 to 1000 values")
            }
            Self::Choice(values) => {
                let (_, twice) =
                    values.iter().enumerate().find(|(i, v)| values[..*i].contains(v))?;
                error(format!("names {twice} twice"), "name each value once")
            }
            _ => None,
        }
    }

    /// Its ends, or all of its values.
    pub fn extremes(&self) -> Vec<Value> {
        match self {
            Self::Log(ends) | Self::Linear(ends) => ends.iter().map(|end| (*end).into()).collect(),
            Self::Integer(ends) => ends.iter().map(|end| (*end).into()).collect(),
            Self::Choice(values) => values.clone(),
        }
    }

    /// Points of a grid.
    fn points(&self, points: usize) -> Vec<Value> {
        let share = |i: usize| i as f64 / (points.max(2) - 1) as f64;
        let mut values: Vec<Value> = match self {
            Self::Choice(values) => return values.clone(),
            _ => (0..points.max(2)).map(|i| self.at(share(i))).collect(),
        };
        values.dedup();
        values
    }

    /// The value at a share of the way, in \[0, 1\].
    fn at(&self, share: f64) -> Value {
        match self {
            Self::Log([low, high]) => {
                let value = (low.ln() + (high.ln() - low.ln()) * share).exp();
                rounded(value).clamp(*low, *high).into()
            }
            Self::Linear([low, high]) => {
                rounded(low + (high - low) * share).clamp(*low, *high).into()
            }
            Self::Integer([low, high]) => {
                let count = (high - low) as f64 + 1.0;
                (low + ((count * share) as i64).min(high - low)).into()
            }
            Self::Choice(values) => {
                let place = (values.len() as f64 * share) as usize;
                values[place.min(values.len() - 1)].clone()
            }
        }
    }

    /// What each trial had of it, on the scale on which it was drawn.
    pub fn levels(&self, values: &[&Value]) -> Levels {
        let number = |value: &&Value| value.as_f64().unwrap_or_default();
        match self {
            Self::Log(_) => Levels::Numbers(values.iter().map(|v| number(v).ln()).collect()),
            Self::Linear(_) | Self::Integer(_) => {
                Levels::Numbers(values.iter().map(number).collect())
            }
            Self::Choice(all) => {
                let place = |value: &&Value| all.iter().position(|v| v == *value).unwrap_or(0);
                Levels::Categories(values.iter().map(place).collect())
            }
        }
    }
}

/// To six digits: what is drawn need not be told to sixteen.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// How many settings a grid has; `None` beyond what can be counted.
pub fn grid_size(space: &BTreeMap<String, Range>, points: usize) -> Option<usize> {
    space.values().try_fold(1usize, |size, range| size.checked_mul(range.points(points).len()))
}

/// Every setting of a grid; the last field changes fastest.
pub fn grid(space: &BTreeMap<String, Range>, points: usize) -> Vec<Setting> {
    let mut settings = vec![Setting::new()];
    for (field, range) in space {
        let values = range.points(points);
        let with = |setting: &Setting| {
            let with = |value: &Value| {
                let mut setting = setting.clone();
                setting.insert(field.clone(), value.clone());
                setting
            };
            values.iter().map(with).collect::<Vec<_>>()
        };
        settings = settings.iter().flat_map(with).collect();
    }
    settings
}

/// Up to `count` settings drawn at random, none twice; fewer where the space has no more. Each field
/// has draws of its own, so that another field beside it does not move them.
pub fn draw(space: &BTreeMap<String, Range>, count: usize, seed: u64) -> Vec<Setting> {
    let mut draws: Vec<_> = space
        .iter()
        .map(|(field, range)| (field, range, random::stream(seed, &format!("sweep.{field}"))))
        .collect();
    let mut settings: Vec<Setting> = Vec::with_capacity(count);
    let mut repeats = 0;
    while settings.len() < count && repeats < PATIENCE {
        let one = draws.iter_mut().map(|(field, range, rng)| {
            let value = match range {
                Range::Integer([low, high]) => rng.random_range(*low..=*high).into(),
                Range::Choice(values) => {
                    values[rng.random_range(0..values.len() as u64) as usize].clone()
                }
                _ => range.at(rng.random()),
            };
            ((*field).clone(), value)
        });
        let setting: Setting = one.collect();
        if settings.contains(&setting) {
            repeats += 1;
        } else {
            repeats = 0;
            settings.push(setting);
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn space() -> BTreeMap<String, Range> {
        let space = json!({
            "a": {"log": [0.001, 1.0]}, "b": {"integer": [1, 3]}, "c": {"choice": [[], [10]]},
            "d": {"linear": [-1.0, 1.0]},
        });
        serde_json::from_value(space).unwrap()
    }

    #[test]
    fn a_grid_has_every_combination_and_both_ends() {
        let settings = grid(&space(), 4);
        assert_eq!(settings.len(), 4 * 3 * 2 * 4);
        assert_eq!(grid_size(&space(), 4), Some(settings.len()));
        let of = |field: &str| {
            let mut values: Vec<String> = settings.iter().map(|s| s[field].to_string()).collect();
            values.sort();
            values.dedup();
            values
        };
        assert_eq!(of("a"), ["0.001", "0.01", "0.1", "1.0"]);
        assert_eq!(of("b"), ["1", "2", "3"]);
        assert_eq!(of("d").len(), 4);
        assert!(settings.iter().enumerate().all(|(i, s)| !settings[..i].contains(s)));
    }

    #[test]
    fn draws_repeat_by_seed_and_never_twice() {
        let (one, two) = (draw(&space(), 50, 1), draw(&space(), 50, 1));
        assert_eq!(one, two);
        assert_ne!(one, draw(&space(), 50, 2));
        for setting in &one {
            let a = setting["a"].as_f64().unwrap();
            assert!(
                (0.001..=1.0).contains(&a) && (1..=3).contains(&setting["b"].as_i64().unwrap())
            );
        }
        // Half of the draws of a logarithmic range lie below its geometric middle.
        let low = one.iter().filter(|s| s["a"].as_f64().unwrap() < 0.0316).count();
        assert!((15..=35).contains(&low), "{low}");
        let mut small = space();
        small.retain(|name, _| name == "b" || name == "c");
        assert_eq!(draw(&small, 50, 1).len(), 6, "all there are");
        // Another field beside it does not move a field's draws.
        small.remove("b");
        let alone = draw(&BTreeMap::from([("a".to_owned(), space()["a"].clone())]), 5, 1);
        assert!(alone.iter().zip(&one).all(|(alone, one)| alone["a"] == one["a"]));
    }

    #[test]
    fn ranges_that_are_none_are_named() {
        for range in [
            json!({"log": [0.0, 1.0]}),
            json!({"linear": [1.0, 1.0]}),
            json!({"integer": [3, 2]}),
            json!({"choice": []}),
            json!({"choice": [1, 2, 1]}),
        ] {
            let parsed: Range = serde_json::from_value(range.clone()).unwrap();
            assert!(parsed.check("space.x").is_some(), "{range}");
        }
        assert!(space().values().all(|range| range.check("x").is_none()));
    }
}
