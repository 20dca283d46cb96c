//! Whether a batch without labels has shifted from a model's calibration records, and what in it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Model;
use super::comparison::Comparison;
use super::coverage::RecordCoverage;
use super::encoder::Encoder;
use super::measured::{Measured, Recall};
use crate::eval::detector::DetectorKind;
use crate::eval::drift::{Change, Evidence, Share, Shift, permutations, shift};
use crate::problem::Problem;

/// Whether a batch has shifted, and what in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftReport {
    /// The tests.
    #[serde(flatten)]
    pub shift: Shift,
    /// What differs most between the calibration records and the batch, at most ten terms in each
    /// direction, the clearest first: of texts the words that more or fewer of them hold, of rows the
    /// columns and categories. Terms are listed whether or not the batch has shifted: one with a large
    /// `adjusted_p_value` may be chance. Empty for images, and where the model keeps no calibration
    /// records (`keep_training_vectors`).
    pub changed: Vec<Change>,
}

/// What is compared of each record, on one axis.
struct Axis {
    name: &'static str,
    reference: Vec<f64>,
    batch: Vec<f64>,
}

impl Axis {
    fn evidence(&self) -> Evidence<'_> {
        Evidence::Values { reference: &self.reference, batch: &self.batch }
    }
}

impl Model {
    fn shift(
        &self,
        records: &[Measured],
        comparison: Option<&Comparison<'_>>,
        alpha: f64,
    ) -> Option<Shift> {
        if self.calibration.records() == 0 {
            return None;
        }
        let axes = self.compared(records);
        let mut evidence: Vec<(&str, Evidence<'_>)> =
            axes.iter().map(|axis| (axis.name, axis.evidence())).collect();
        let known = self.calibration.coverage.iter().map(|record| record.has_outside);
        let shares = Evidence::Shares {
            reference: Share::of_flags(known),
            batch: Share::of_flags(records.iter().map(|record| record.coverage.has_outside)),
        };
        match self.reader.encoder {
            Encoder::Text(_) => evidence.push(("texts_with_unknown", shares)),
            Encoder::Table(_) => evidence.push(("rows_with_outside", shares)),
            Encoder::Image(_) => {}
        }
        let kernel = comparison.map(Comparison::kernel);
        if let (Some(kernel), Some(comparison)) = (&kernel, comparison) {
            let content = Evidence::Records {
                kernel,
                reference: comparison.reference_records(),
                permutations: permutations(evidence.len() + 1, alpha),
                seed: self.spec.training.seed,
            };
            evidence.push(("content", content));
        }
        Some(shift(&evidence, alpha))
    }

    /// Tests a batch of independent records against the calibration records, axis by axis, and all
    /// axes at level `alpha` in (0, 1) by Bonferroni. `None` without calibration records.
    ///
    /// The axes: each detector; `confidence` before calibration; `ngram_coverage` or
    /// `column_coverage`, and `representation_coverage`; the share of `texts_with_unknown` words
    /// or of `rows_with_outside` values; and `content`, the records themselves, where the model keeps
    /// calibration records. What a detector says already is left out, since a second
    /// look at the same numbers costs power: `confidence` where `coverage_msp` is a detector (1 − the
    /// same), and, but for rows, `representation_coverage` where `prototypes` is.
    ///
    /// And what has shifted. Some of the records are looked at again.
    pub fn drift(
        &self,
        records: &[Measured],
        alpha: f64,
        recall: &dyn Recall,
    ) -> Result<Option<DriftReport>, Problem> {
        let comparison = Comparison::new(self, records.len(), recall)?;
        let Some(shift) = self.shift(records, comparison.as_ref(), alpha) else { return Ok(None) };
        let changed = comparison.map_or_else(Vec::new, |comparison| comparison.changed());
        Ok(Some(DriftReport { shift, changed }))
    }

    fn compared(&self, records: &[Measured]) -> Vec<Axis> {
        let detectors = &self.reader.detectors;
        let has = |wanted: DetectorKind| detectors.iter().any(|(kind, _)| *kind == wanted);
        let scores = self.calibration.combination.iter().flat_map(|c| c.scores());
        let mut axes: Vec<Axis> = detectors
            .iter()
            .zip(scores)
            .enumerate()
            .map(|(i, ((kind, _), scores))| Axis {
                name: kind.name(),
                reference: scores.to_vec(),
                batch: records.iter().map(|record| record.axes[i]).collect(),
            })
            .collect();
        if self.reader.output.head().is_some() && !has(DetectorKind::CoverageMsp) {
            let confidence = records.iter().filter_map(|record| record.raw_confidence);
            axes.push(Axis {
                name: "confidence",
                reference: self.calibration.decisions.iter().map(|(c, _)| *c).collect(),
                batch: confidence.collect(),
            });
        }
        let calibrated = &self.calibration.coverage;
        let mut push = |name, of: fn(&RecordCoverage) -> Option<f64>| {
            axes.push(Axis {
                name,
                reference: calibrated.iter().filter_map(of).collect(),
                batch: records.iter().filter_map(|record| of(&record.coverage)).collect(),
            });
        };
        match self.reader.encoder {
            Encoder::Text(_) => push("ngram_coverage", |record| record.ngrams),
            Encoder::Table(_) => push("column_coverage", |record| record.columns),
            Encoder::Image(_) => {}
        }
        // For rows, that detector looks at the features instead.
        let is_row = matches!(self.reader.encoder, Encoder::Table(_));
        if is_row || !has(DetectorKind::Prototypes) {
            push("representation_coverage", |record| Some(record.representation));
        }
        axes
    }
}
