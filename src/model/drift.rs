//! Whether a batch without labels has shifted from a model's calibration records.

use super::Model;
use super::coverage::RecordCoverage;
use super::encoder::Encoder;
use super::measured::Measured;
use crate::eval::detector::DetectorKind;
use crate::eval::drift::{Evidence, Share, Shift, shift};

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
    /// Tests a batch of independent records against the calibration records, axis by axis, and all
    /// axes at level `alpha` in (0, 1) by Bonferroni. `None` without calibration records.
    ///
    /// The axes: each detector; `confidence` before calibration; `ngram_coverage` or
    /// `column_coverage`, and `representation_coverage`; and the share of `texts_with_unknown` words
    /// or of `rows_with_outside` values. What a detector says already is left out, since a second
    /// look at the same numbers costs power: `confidence` where `coverage_msp` is a detector (1 − the
    /// same), and, but for rows, `representation_coverage` where `prototypes` is.
    pub fn drift(&self, records: &[Measured], alpha: f64) -> Option<Shift> {
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
        Some(shift(&evidence, alpha))
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
