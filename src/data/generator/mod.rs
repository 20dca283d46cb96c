//! Generators: datasets that are made from a few numbers, so that an experiment needs no file.
//!
//! A new one is a file here that implements `Generator`, a variant of [`GeneratorSpec`] and a line
//! in `GeneratorSpec::generator`. The same spec gives the same records, bit for bit.

mod blobs;
mod circles;
mod make_classification;
mod moons;
mod points;
mod shapes;
mod sine;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use blobs::BlobsSpec;
pub use circles::CirclesSpec;
pub use make_classification::MakeClassificationSpec;
pub use moons::MoonsSpec;
pub use shapes::ShapesSpec;
pub use sine::SineSpec;

use super::{DataError, Sink};
use crate::problem::FieldError;

/// Cells that a generator makes at most.
const MAX_CELLS: u64 = 5_000_000;

/// How a dataset is made. Only `type` is required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GeneratorSpec {
    /// A sine curve: columns `x` and `y` = sin x, to learn as a regression.
    Sine(SineSpec),
    /// Classes of normal clusters around the corners of a hypercube, among columns that repeat them
    /// or say nothing, as `make_classification` of scikit-learn (Guyon 2003): columns `x0`, `x1`, …
    /// and `label`.
    MakeClassification(MakeClassificationSpec),
    /// Round clouds, one for each class: columns `x0`, `x1`, … and `label`.
    Blobs(BlobsSpec),
    /// A circle around a smaller one, which no line tells apart: columns `x0`, `x1` and `label`.
    Circles(CirclesSpec),
    /// Two half circles that interlock: columns `x0`, `x1` and `label`.
    Moons(MoonsSpec),
    /// Images that show several shapes at once: columns `image`, a PNG file as base64, and `labels`,
    /// the list of the kinds of shape in it (`circle`, `cross`, `square`, `triangle`).
    Shapes(ShapesSpec),
}

impl GeneratorSpec {
    fn generator(&self) -> (&'static str, &dyn Generator) {
        match self {
            Self::Sine(spec) => ("sine", spec),
            Self::MakeClassification(spec) => ("make_classification", spec),
            Self::Blobs(spec) => ("blobs", spec),
            Self::Circles(spec) => ("circles", spec),
            Self::Moons(spec) => ("moons", spec),
            Self::Shapes(spec) => ("shapes", spec),
        }
    }

    /// Its `type`.
    pub fn name(&self) -> &'static str {
        self.generator().0
    }

    /// What is wrong with fields that are each in range: those that do not go together, and more
    /// records than are generated.
    pub fn faults(&self) -> Vec<FieldError> {
        self.generator().1.faults()
    }

    /// Makes the records. The spec has no [`GeneratorSpec::faults`] and fits its schema.
    pub fn generate(&self, sink: &mut dyn Sink) -> Result<(), DataError> {
        self.generator().1.generate(sink)
    }
}

/// A way to make records.
trait Generator {
    /// See [`GeneratorSpec::faults`]; fields are named as in the spec.
    fn faults(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Makes the columns and the records.
    fn generate(&self, sink: &mut dyn Sink) -> Result<(), DataError>;
}

/// An error at `field`, if so many records of so many columns are too much.
fn too_many_cells(field: &str, records: usize, columns: usize) -> Option<FieldError> {
    let cells = (records as u64).saturating_mul(columns as u64);
    (cells > MAX_CELLS).then(|| {
        let message = format!("makes {cells} cells; at most {MAX_CELLS} are generated");
        let most = MAX_CELLS / columns as u64;
        FieldError::new(field, message)
            .hint(format!("use at most {most} records of {columns} columns"))
    })
}

#[cfg(test)]
#[path = "conformance_tests.rs"]
mod tests;
