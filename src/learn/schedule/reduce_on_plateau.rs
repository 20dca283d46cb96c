//! PyTorch's `ReduceLROnPlateau` with an absolute threshold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Position, ScheduleSettings, Shape, Warmup};
use crate::arrays::{Arrays, ArraysError};

/// Times `factor` once more than `patience` epochs in a row have not improved the metric that
/// `training.early_stopping` names (the log loss without it) on the validation split. It needs one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PlateauSchedule {
    /// Factor of a cut, in (0, 1); smaller cuts more.
    #[schema(exclusive_minimum = 0.0, exclusive_maximum = 1.0)]
    pub factor: f64,
    /// Epochs without improvement that are let pass; the next one cuts. Less than the patience of
    /// early stopping, or training ends first.
    #[schema(minimum = 0, maximum = 100_000)]
    pub patience: u64,
    /// Smallest change that counts as an improvement, in units of the metric.
    #[schema(minimum = 0.0, maximum = 1_000_000.0)]
    pub min_delta: f64,
    /// Below this share of the optimiser's rate it never falls, in \[0, 1\].
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub min_factor: f64,
    /// A rise from a small rate before it.
    pub warmup: Option<Warmup>,
}

impl Default for PlateauSchedule {
    fn default() -> Self {
        Self { factor: 0.5, patience: 1, min_delta: 0.0, min_factor: 0.0, warmup: None }
    }
}

/// The schedule with what it has heard.
struct Plateau {
    spec: PlateauSchedule,
    now: f64,
    best: f64,
    /// Epochs since the last improvement or cut.
    waited: u64,
}

impl ScheduleSettings for PlateauSchedule {
    fn warmup(&self) -> Option<Warmup> {
        self.warmup
    }

    fn depends_on_length(&self) -> bool {
        false
    }

    fn shape(&self) -> Box<dyn Shape> {
        Box::new(Plateau::new(self))
    }
}

impl Plateau {
    fn new(spec: &PlateauSchedule) -> Self {
        Self { spec: spec.clone(), now: 1.0, best: f64::INFINITY, waited: 0 }
    }
}

impl Shape for Plateau {
    fn factor(&self, _: Position) -> f64 {
        self.now
    }

    fn measured(&mut self, value: f64) {
        if value < self.best - self.spec.min_delta {
            self.best = value;
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        if self.waited > self.spec.patience {
            self.now = (self.now * self.spec.factor).max(self.spec.min_factor);
            self.waited = 0;
        }
    }

    fn save(&self, into: &mut Arrays) {
        into.put("schedule.plateau", vec![self.now, self.best]);
        into.put("schedule.plateau.waited", vec![self.waited]);
    }

    fn restore(&mut self, from: &Arrays) -> Result<(), ArraysError> {
        let numbers = from.get_exact::<f64>("schedule.plateau", 2)?;
        (self.now, self.best) = (numbers[0], numbers[1]);
        self.waited = from.scalar::<u64>("schedule.plateau.waited")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Position = Position { step: 0, steps: 1, steps_per_epoch: 1 };

    /// The factor after each value.
    fn course(plateau: &mut Plateau, values: &[f64]) -> Vec<f64> {
        let mut factor = |value: &f64| {
            plateau.measured(*value);
            plateau.factor(HERE)
        };
        values.iter().map(&mut factor).collect()
    }

    #[test]
    fn cuts_by_a_table() {
        let spec = PlateauSchedule { factor: 0.1, patience: 2, ..PlateauSchedule::default() };
        // As PyTorch counts: the third epoch in a row without improvement cuts, and counting begins
        // anew.
        let values = [1.0, 0.9, 0.9, 0.95, 0.9, 1.0, 1.0, 1.0, 0.5];
        let factors = course(&mut Plateau::new(&spec), &values);
        let expected = [1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1 * 0.1, 0.1 * 0.1];
        assert_eq!(factors, expected);

        let delta = PlateauSchedule { min_delta: 0.2, patience: 0, ..PlateauSchedule::default() };
        assert_eq!(course(&mut Plateau::new(&delta), &[1.0, 0.9, 0.7]), [1.0, 0.5, 0.5]);

        let floor = PlateauSchedule { min_factor: 0.4, patience: 0, ..PlateauSchedule::default() };
        assert_eq!(course(&mut Plateau::new(&floor), &[1.0; 4]), [1.0, 0.5, 0.4, 0.4]);
    }

    #[test]
    fn a_value_that_is_no_number_is_no_improvement() {
        let spec = PlateauSchedule { patience: 0, ..PlateauSchedule::default() };
        assert_eq!(course(&mut Plateau::new(&spec), &[f64::NAN, 1.0]), [0.5, 0.5]);
    }

    #[test]
    fn what_it_heard_survives_a_checkpoint() {
        let spec = PlateauSchedule::default();
        let values = [1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9, 0.9];
        let whole = course(&mut Plateau::new(&spec), &values);
        for split in 0..values.len() {
            let mut first = Plateau::new(&spec);
            course(&mut first, &values[..split]);
            let mut state = Arrays::default();
            first.save(&mut state);
            let mut second = Plateau::new(&spec);
            second.restore(&state).unwrap();
            assert_eq!(course(&mut second, &values[split..]), whole[split..]);
        }
        assert!(Plateau::new(&spec).restore(&Arrays::default()).is_err());
    }
}
