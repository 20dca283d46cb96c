//! Axes: which part of the numbers they show, and where their ticks are.

use super::words::number;
use crate::clock::Timestamp;

/// An axis: its ends and its ticks, in the unit of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    /// Ticks and what stands beside them, ascending, within the ends.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis over values, all finite; with `log`, above 0. About `most` ticks at most.
    pub fn linear(values: impl Iterator<Item = f64>, most: usize) -> Option<Self> {
        let (low, high) = ends(values)?;
        // A single value stands in the middle.
        let (low, high) = if high > low {
            (low, high)
        } else {
            let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            (low - room, high + room)
        };
        let step = nice_step((high - low) / most.max(2) as f64);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        // Ends beyond what numbers can tell apart, or infinitely far from one another, have no ticks.
        if !(last - first).is_finite() || last - first > 4.0 * most as f64 || !step.is_normal() {
            return Some(Self { low, high, log: false, ticks: Vec::new() });
        }
        let ticks = (0..=(last - first) as usize).map(|at| (first + at as f64) * step);
        let ticks = ticks.map(|value| (value, label(value, step))).collect();
        Some(Self { low: first * step, high: last * step, log: false, ticks })
    }

    /// An axis over moments: milliseconds since 1970, UTC. Its ticks are whole minutes, hours or days.
    pub fn times(values: impl Iterator<Item = f64>, most: usize) -> Option<Self> {
        let (low, high) = ends(values)?;
        let (low, high) = if high > low { (low, high) } else { (low - 1_000.0, high + 1_000.0) };
        let rough = (high - low) / most.max(2) as f64;
        let last = TIME_STEPS[TIME_STEPS.len() - 1];
        let step = TIME_STEPS.iter().copied().find(|step| *step >= rough);
        let step = step.unwrap_or_else(|| last * (rough / last).ceil());
        let (first, after) = ((low / step).ceil(), (high / step).floor());
        let ticks = (0..=(after - first).max(0.0) as usize).map(|at| (first + at as f64) * step);
        let ticks = ticks.filter(|at| (low..=high).contains(at)).map(|at| (at, moment(at, step)));
        Some(Self { low, high, log: false, ticks: ticks.collect() })
    }

    /// A logarithmic axis over values above 0.
    pub fn logarithmic(values: impl Iterator<Item = f64>, most: usize) -> Option<Self> {
        let (low, high) = ends(values.filter(|value| *value > 0.0))?;
        let (low, high) = if high > low { (low, high) } else { (low / 2.0, high * 2.0) };
        let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let decades = (to - from).max(1) as usize;
        let every = decades.div_ceil(most.max(2)) as i32;
        let within = |value: &f64| *value >= low * 0.999 && *value <= high * 1.001;
        let at = |steps: &[f64]| -> Vec<f64> {
            let decade = |exponent: i32| steps.iter().map(move |s| s * 10_f64.powi(exponent));
            let exponents = (from..=to).filter(|exponent| (exponent - from) % every == 0);
            exponents.flat_map(decade).filter(within).collect()
        };
        let mut ticks = at(&[1.0]);
        for finer in [&[1.0, 3.0][..], &[1.0, 2.0, 5.0]] {
            if ticks.len() < 3 {
                ticks = at(finer);
            }
        }
        if ticks.len() < 2 {
            ticks = vec![low, high];
        }
        let ticks = ticks.into_iter().map(|value| (value, number(value))).collect();
        Some(Self { low, high, log: true, ticks })
    }

    /// Where a value is, from 0 at the low end to 1 at the high end.
    pub fn place(&self, value: f64) -> f64 {
        if self.log {
            let (low, high) = (self.low.log10(), self.high.log10());
            (value.log10() - low) / (high - low)
        } else {
            // Halved first: the difference of two large numbers may be infinite.
            (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
        }
    }
}

/// Milliseconds between the ticks of an axis of moments.
const TIME_STEPS: [f64; 16] = {
    let (second, minute, hour, day) = (1e3, 6e4, 36e5, 864e5);
    [
        second,
        5.0 * second,
        15.0 * second,
        minute,
        5.0 * minute,
        15.0 * minute,
        hour,
        3.0 * hour,
        6.0 * hour,
        12.0 * hour,
        day,
        2.0 * day,
        7.0 * day,
        14.0 * day,
        28.0 * day,
        364.0 * day,
    ]
};

/// What stands beside a moment's tick: the day, or the time of day.
fn moment(at: f64, step: f64) -> String {
    let text = Timestamp::from_millis(at as i64).to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    let midnight = time.starts_with("00:00:00");
    match time.get(..if step < 6e4 { 8 } else { 5 }) {
        Some(time) if !midnight => time.to_owned(),
        _ => day.to_owned(),
    }
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0].into_iter();
    factors.map(|factor| factor * power).find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power)
}

/// A tick's number, with the digits that tell it from its neighbours.
fn label(value: f64, step: f64) -> String {
    if !(1e-5..1.0).contains(&step) || value.abs() >= 1e5 {
        return number(value);
    }
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let text = format!("{value:.decimals$}");
    let zero = text.chars().all(|letter| matches!(letter, '-' | '0' | '.'));
    if zero { "0".to_owned() } else { text.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let axis = Axis::linear([0.12, 0.43].into_iter(), 5).unwrap();
        assert_eq!(labels(&axis), ["0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert!((axis.place(0.3) - 0.5).abs() < 1e-12);
        let axis = Axis::linear([-3.0, 12.0].into_iter(), 4).unwrap();
        assert_eq!(labels(&axis), ["−5", "0", "5", "10", "15"]);
        let axis = Axis::linear([900.0, 38_000.0].into_iter(), 4).unwrap();
        assert_eq!(labels(&axis), ["0", "10,000", "20,000", "30,000", "40,000"]);
        assert!(Axis::linear(std::iter::empty(), 5).is_none());
    }

    #[test]
    fn one_value_and_extreme_values_have_an_axis() {
        for values in [&[7.0][..], &[0.0], &[-f64::MAX, f64::MAX], &[1.0, 1.0 + f64::EPSILON]] {
            let axis = Axis::linear(values.iter().copied(), 5).unwrap();
            for value in values {
                assert!((0.0..=1.0).contains(&axis.place(*value)), "{values:?} {axis:?}");
            }
            assert!(axis.ticks.len() < 22, "{axis:?}");
        }
    }

    #[test]
    fn moments_have_whole_hours_or_days() {
        let hour = 36e5;
        let start = Timestamp::parse("2026-11-23T20:10:00Z").unwrap().millis() as f64;
        let axis = Axis::times([start, start + 9.0 * hour].into_iter(), 4).unwrap();
        assert_eq!(labels(&axis), ["21:00", "2026-11-24", "03:00"]);
        assert!((axis.place(start + 4.5 * hour) - 0.5).abs() < 1e-9);
        let axis = Axis::times([start, start + 90.0 * 24.0 * hour].into_iter(), 5).unwrap();
        assert!(axis.ticks.len() >= 2 && labels(&axis).iter().all(|label| label.len() == 10));
        assert!(Axis::times([start].into_iter(), 5).is_some());
    }

    #[test]
    fn logarithmic_ticks_are_decades_or_finer() {
        let axis = Axis::logarithmic([1e-4, 1.0].into_iter(), 5).unwrap();
        assert_eq!(labels(&axis), ["0.0001", "0.001", "0.01", "0.1", "1"]);
        assert!((axis.place(0.01) - 0.5).abs() < 1e-12);
        let axis = Axis::logarithmic([100.0, 1000.0].into_iter(), 5).unwrap();
        assert_eq!(labels(&axis), ["100", "300", "1,000"]);
        let axis = Axis::logarithmic([1e-300, 1e300].into_iter(), 5).unwrap();
        assert!(axis.ticks.len() <= 6, "{axis:?}");
        assert!(Axis::logarithmic([0.0, -1.0].into_iter(), 5).is_none());
    }
}
