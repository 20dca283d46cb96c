//! Classes of normal clusters around the corners of a hypercube, as `make_classification` of
//! scikit-learn documents them: the design of the Madelon data (Guyon 2003).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::points::{self, Draws};
use super::{Generator, too_many_cells};
use crate::data::{DataError, Sink};
use crate::problem::FieldError;
use crate::random::{self, Rng};

/// Numbers that the mixing matrices of all clusters hold at most.
const MAX_MIXING: u64 = 10_000_000;

/// Settings of the classification problem. Each class is made of clusters; a cluster is a normal
/// cloud, mixed by a matrix of uniform draws from \[−1, 1\], around a corner of a hypercube of side
/// 2 · `class_sep` in the informative columns. Columns come in this order: informative ones,
/// redundant ones (random linear combinations of the informative), and normal noise. Unlike
/// scikit-learn's, columns are never shuffled, and always neither shifted nor scaled; its `shift`,
/// `scale` and `weights` are left at what they are by default there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MakeClassificationSpec {
    /// Records. Clusters are equally large, up to one record.
    #[schema(minimum = 2, maximum = 1_000_000)]
    pub samples: usize,
    /// Columns `x0`, `x1`, … in all.
    #[schema(minimum = 1, maximum = 500)]
    pub features: usize,
    /// Columns that tell the classes apart: the first ones.
    #[schema(minimum = 1, maximum = 500)]
    pub informative: usize,
    /// Columns that are linear combinations of the informative ones, with weights from \[−1, 1\]:
    /// those that follow them.
    #[schema(minimum = 0, maximum = 499)]
    pub redundant: usize,
    /// Classes 0, 1, …
    #[schema(minimum = 2, maximum = 1000)]
    pub classes: usize,
    /// Clusters of each class, each at another corner.
    #[schema(minimum = 1, maximum = 100)]
    pub clusters_per_class: usize,
    /// Half the side of the hypercube: the larger, the easier.
    #[schema(minimum = 0.0, maximum = 1000.0)]
    pub class_sep: f64,
    /// Label noise: share of the records whose label is drawn anew, from all classes alike.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub flip_y: f64,
    /// Seed of corners, mixing, points, label noise and order.
    pub seed: u64,
}

impl Default for MakeClassificationSpec {
    fn default() -> Self {
        Self {
            samples: 1_000,
            features: 20,
            informative: 2,
            redundant: 2,
            classes: 2,
            clusters_per_class: 2,
            class_sep: 1.0,
            flip_y: 0.01,
            seed: 1,
        }
    }
}

impl MakeClassificationSpec {
    fn clusters(&self) -> usize {
        self.classes * self.clusters_per_class
    }

    /// A corner for each cluster, none twice.
    fn corners(&self) -> Vec<Vec<f64>> {
        let mut rng = random::stream(self.seed, "generator.corners");
        let mut seen = HashSet::new();
        let mut corners = Vec::new();
        // There are at least as many corners as clusters: see `faults`.
        while corners.len() < self.clusters() {
            let corner: Vec<bool> = (0..self.informative).map(|_| rng.random()).collect();
            let place = |&high: &bool| if high { self.class_sep } else { -self.class_sep };
            let center = corner.iter().map(place).collect();
            if seen.insert(corner) {
                corners.push(center);
            }
        }
        corners
    }

    /// Uniform draws from \[−1, 1).
    fn uniform(&self, count: usize, name: &str) -> Vec<f64> {
        let mut rng = random::stream(self.seed, name);
        (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
    }
}

impl Generator for MakeClassificationSpec {
    fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::from_iter(too_many_cells("samples", self.samples, self.features + 1));
        if self.samples < self.classes {
            let message = format!("{} records do not fill {} classes", self.samples, self.classes);
            let hint = format!("use at least {}, or fewer classes", self.classes);
            faults.push(FieldError::new("samples", message).hint(hint));
        }
        let used = self.informative + self.redundant;
        if used > self.features {
            let message = format!(
                "is {}, but {} informative and {} redundant columns make {used}",
                self.features, self.informative, self.redundant
            );
            let hint = format!("use at least {used}, or fewer informative or redundant columns");
            faults.push(FieldError::new("features", message).hint(hint));
        }
        let clusters = self.clusters();
        let needed = clusters.next_power_of_two().ilog2() as usize;
        if self.informative < needed {
            let message = format!(
                "{} informative columns span {} corners, too few for {} classes of {} clusters",
                self.informative,
                1u64 << self.informative,
                self.classes,
                self.clusters_per_class
            );
            let hint = format!("use at least {needed}, or fewer classes or clusters_per_class");
            faults.push(FieldError::new("informative", message).hint(hint));
        }
        let mixing = clusters as u64 * (self.informative as u64).pow(2);
        if mixing > MAX_MIXING {
            let message = format!(
                "{clusters} clusters of {} columns are mixed by {mixing} numbers; at most \
                 {MAX_MIXING} are taken",
                self.informative
            );
            let hint = "use fewer informative columns, classes or clusters_per_class";
            faults.push(FieldError::new("informative", message).hint(hint));
        }
        faults
    }

    fn generate(&self, sink: &mut dyn Sink) -> Result<(), DataError> {
        let (informative, redundant) = (self.informative, self.redundant);
        let corners = self.corners();
        let mixing = self.uniform(self.clusters() * informative * informative, "generator.mixing");
        let combining = self.uniform(informative * redundant, "generator.combining");
        let mut normal = vec![0.0; informative];
        let size = (self.samples, self.features);
        points::write(sink, size, self.seed, |position, x, rng| {
            let cluster = position % self.clusters();
            normal.iter_mut().for_each(|z| *z = random::normal(rng));
            x[..informative].copy_from_slice(&corners[cluster]);
            let own = cluster * informative * informative;
            multiply_add(&normal, &mixing[own..own + informative * informative], x);
            let (known, rest) = x.split_at_mut(informative);
            rest.fill(0.0);
            let (combined, noise) = rest.split_at_mut(redundant);
            multiply_add(known, &combining, combined);
            noise.iter_mut().for_each(|z| *z = random::normal(rng));
            label(cluster % self.classes, self, rng)
        })
    }
}

/// y ← y + x A, for a matrix A of as many rows as x has numbers; as many numbers of y as A has
/// columns.
fn multiply_add(x: &[f64], matrix: &[f64], y: &mut [f64]) {
    let columns = matrix.len() / x.len();
    for (row, factor) in x.iter().enumerate() {
        let row = &matrix[row * columns..(row + 1) * columns];
        y.iter_mut().zip(row).for_each(|(y, a)| *y += factor * a);
    }
}

/// The class, or, with probability `flip_y`, any.
fn label(class: usize, spec: &MakeClassificationSpec, rng: Draws<'_>) -> usize {
    // Both are drawn in any case, so that the noise moves no other draw.
    let (share, other) = (rng.random::<f64>(), rng.random_range(0..spec.classes as u64));
    if share < spec.flip_y { other as usize } else { class }
}

#[cfg(test)]
#[path = "make_classification_tests.rs"]
mod tests;
