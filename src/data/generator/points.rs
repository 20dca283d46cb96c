//! Labelled points: columns `x0`, `x1`, … and `label`, in a random order.

use crate::data::{Cell, DataError, Sink};
use crate::random::{self, RngCore};

/// What a generator of points draws from.
pub type Draws<'a> = &'a mut dyn RngCore;

/// Writes the points 0 to `count` in a seeded order. `point` fills in the coordinates of a point and
/// returns its class.
pub fn write(
    sink: &mut dyn Sink,
    (count, dimension): (usize, usize),
    seed: u64,
    mut point: impl FnMut(usize, &mut [f64], Draws<'_>) -> usize,
) -> Result<(), DataError> {
    let mut names: Vec<String> = (0..dimension).map(|i| format!("x{i}")).collect();
    names.push("label".to_owned());
    sink.columns(&names)?;
    let mut order: Vec<usize> = (0..count).collect();
    random::shuffle(&mut order, &mut random::stream(seed, "generator.order"));
    let mut rng = random::stream(seed, "generator.points");
    let mut coordinates = vec![0.0; dimension];
    let mut cells = Vec::with_capacity(dimension + 1);
    for position in order {
        let class = point(position, &mut coordinates, &mut rng);
        cells.clear();
        cells.extend(coordinates.iter().copied().map(Cell::Number));
        cells.push(Cell::Integer(class as i64));
        sink.record(&cells)?;
    }
    Ok(())
}

/// Adds normal noise to coordinates. Draws the same number of times whatever the deviation.
pub fn add_noise(coordinates: &mut [f64], deviation: f64, rng: Draws<'_>) {
    coordinates.iter_mut().for_each(|x| *x += deviation * random::normal(rng));
}
