//! Dates as numbers.

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// A point in time, and where it stands in the cycles of the calendar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Days since 1970-01-01T00:00:00Z, with the time as the fraction.
    pub days: f64,
    /// Share of the cycle that has passed, in \[0, 1), in the order of [`CYCLES`], by the calendar
    /// and clock of the place: the offset as written.
    pub phases: [f64; 3],
}

/// The cycles of a date: as they are named in features.
pub const CYCLES: [&str; 3] = ["day of week", "month", "time of day"];

impl Moment {
    /// Reads the forms that a dataset's profile takes for dates.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, offset) = if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            (time.naive_local(), f64::from(time.offset().local_minus_utc()))
        } else if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            (date.and_time(NaiveTime::MIN), 0.0)
        } else {
            (NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()?, 0.0)
        };
        let date = local.date();
        let seconds =
            f64::from(local.num_seconds_from_midnight()) + f64::from(local.nanosecond()) * 1e-9;
        // Days are counted from the common era: 1970-01-01 is day 719,163.
        let days = f64::from(date.num_days_from_ce() - 719_163) + (seconds - offset) / 86_400.0;
        let weekday = f64::from(date.weekday().num_days_from_monday()) / 7.0;
        // A leap second still belongs to its day.
        let time = (seconds / 86_400.0).min(1.0 - f64::EPSILON);
        Some(Self { days, phases: [weekday, f64::from(date.month0()) / 12.0, time] })
    }

    /// Sine and cosine of each cycle, in the order of [`CYCLES`].
    pub fn cycles(&self) -> [[f64; 2]; 3] {
        self.phases.map(|phase| [(phase * TAU).sin(), (phase * TAU).cos()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_date() {
        let days = |text: &str| Moment::parse(text).map(|moment| moment.days);
        assert_eq!(days("1970-01-01"), Some(0.0));
        assert_eq!(days("2026-11-23"), Some(20_780.0));
        assert_eq!(days("1969-12-31"), Some(-1.0));
        assert_eq!(days(" 1970-01-02 12:00:00 "), Some(1.5));
        assert_eq!(days("1970-01-01T01:00:00+01:00"), Some(0.0));
        assert_eq!(days("1970-01-01T00:00:00.250Z"), Some(0.25 / 86_400.0));
        for text in ["", "yesterday", "2026-02-30", "23.11.2026", "2026-11-23T10:00:00"] {
            assert_eq!(days(text), None, "{text}");
        }
    }

    #[test]
    fn the_cycles_are_those_of_the_place() {
        // A Monday; in UTC it is still Sunday.
        let monday = Moment::parse("2026-11-23T00:30:00+02:00").unwrap();
        assert_eq!(monday.phases, [0.0, 10.0 / 12.0, 0.5 / 24.0]);
        assert_eq!(monday.cycles()[0], [0.0, 1.0]);
        let noon = Moment::parse("2026-01-29 12:00:00").unwrap();
        assert_eq!(noon.phases, [3.0 / 7.0, 0.0, 0.5]);
    }

    #[test]
    fn the_ends_of_the_calendar_are_finite() {
        for text in ["-262142-01-01", "+262142-12-31", "2016-12-31T23:59:60Z", "0000-01-01"] {
            if let Some(moment) = Moment::parse(text) {
                let cycles = moment.cycles();
                assert!(
                    moment.days.is_finite() && cycles.as_flattened().iter().all(|c| c.is_finite())
                );
            }
        }
        assert!(Moment::parse("2016-12-31T23:59:60Z").unwrap().phases[2] < 1.0);
    }
}
