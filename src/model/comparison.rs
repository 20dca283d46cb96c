//! A batch beside the calibration records that a model keeps: how alike they are, and in what they
//! differ.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::content::{self, Content};
use super::encoder::Encoder;
use super::measured::{Recall, Recalled};
use super::{Model, Reading};
use crate::eval::Matrix;
use crate::eval::drift::{Change, Evidence, Kernel, Share, most_changed};
use crate::eval::prototypes::unit;
use crate::problem::Problem;
use crate::tabular::{FeatureKind, TabularEncoder};
use crate::text::Vectorizer;

/// Records of a batch that are compared at most; a seeded sample beyond that. So many show a shift
/// that a user would not mind.
const MAX_COMPARED: usize = 500;
/// Changes that are listed in each direction at most.
const MAX_CHANGES: usize = 10;
/// Texts, of both samples together, that hold a word which is compared. One that fewer hold can show
/// nothing, and would cost the others power.
const MIN_TEXTS: u64 = 5;

/// Calibration records and a batch.
pub(super) struct Comparison<'a> {
    model: &'a Model,
    reference: &'a Content,
    batch: Content,
    /// The text of each record that is compared; empty where it is none.
    texts: Vec<String>,
}

impl<'a> Comparison<'a> {
    /// With some of the `records` of a batch, which are looked at again. `None` where the model keeps no
    /// calibration records.
    pub fn new(
        model: &'a Model,
        records: usize,
        recall: &dyn Recall,
    ) -> Result<Option<Self>, Problem> {
        let Some(reference) = model.calibration.content.as_ref() else { return Ok(None) };
        let seed = model.spec.training.seed;
        let positions = content::sample(&model.reader, records, MAX_COMPARED, seed);
        let recalled = recall.recall(&positions)?;
        let read =
            |recalled: &Recalled<'_>| model.reader.read(recalled.encoded.clone().into_owned());
        let readings: Vec<Reading> = recalled.par_iter().map(read).collect();
        let readings: Vec<&Reading> = readings.iter().collect();
        let batch = Content::of(&model.reader, &readings, content::CommonWords::new());
        let text = |recalled: &Recalled<'_>| recalled.text.as_deref().unwrap_or("").to_owned();
        let texts = recalled.iter().map(text).collect();
        Ok(Some(Self { model, reference, batch, texts }))
    }

    /// Calibration records.
    pub fn reference_records(&self) -> usize {
        self.reference.records()
    }

    /// How alike the records are, the calibration records first: of texts the cosine of their words by
    /// tf-idf, each word of a text counted once; of rows and images a Gaussian of the distance.
    pub fn kernel(&self) -> Kernel {
        match (self.reference, &self.batch, &self.model.reader.encoder) {
            (
                Content::Words { texts: reference, .. },
                Content::Words { texts: batch, .. },
                Encoder::Text(vectorizer),
            ) => {
                let weigh = |words: &Vec<u32>| -> Vec<(u32, f64)> {
                    words.iter().map(|&word| (word, content::weight(vectorizer, word))).collect()
                };
                Kernel::cosine(reference.iter().chain(batch).map(weigh))
            }
            (Content::Vectors(reference), Content::Vectors(batch), encoder) => {
                Kernel::gaussian(&pooled(reference, batch, encoder))
            }
            // Content is checked to fit the encoder, and a batch is read by it.
            _ => Kernel::cosine([]),
        }
    }

    /// What differs most.
    pub fn changed(&self) -> Vec<Change> {
        match (self.reference, &self.batch, &self.model.reader.encoder) {
            (
                Content::Words { texts: reference, common },
                Content::Words { texts: batch, .. },
                Encoder::Text(vectorizer),
            ) => {
                let name = |word: &u32| {
                    let named = || self.named(*word, batch, vectorizer);
                    common.get(word).cloned().or_else(named)
                };
                most_changed(&words(reference, batch), MAX_CHANGES, name)
            }
            (Content::Vectors(reference), Content::Vectors(batch), Encoder::Table(encoder)) => {
                changed_columns(reference, batch, encoder)
            }
            _ => Vec::new(),
        }
    }

    /// A word as it stands in the first text that holds it.
    fn named(&self, word: u32, batch: &[Vec<u32>], vectorizer: &Vectorizer) -> Option<String> {
        let holding = batch.iter().position(|words| words.binary_search(&word).is_ok())?;
        content::word_of(vectorizer, self.texts.get(holding)?, word)
    }
}

/// The share of texts that hold each word which enough of them hold.
fn words(reference: &[Vec<u32>], batch: &[Vec<u32>]) -> Vec<(u32, Evidence<'static>)> {
    let mut holding: BTreeMap<u32, [u64; 2]> = BTreeMap::new();
    for (sample, texts) in [reference, batch].into_iter().enumerate() {
        for &word in texts.iter().flatten() {
            holding.entry(word).or_default()[sample] += 1;
        }
    }
    let share = |count: u64, texts: &[Vec<u32>]| Share { count, of: texts.len() as u64 };
    let enough = holding.into_iter().filter(|(_, counts)| counts[0] + counts[1] >= MIN_TEXTS);
    let evidence = |(word, counts): (u32, [u64; 2])| {
        let (reference, batch) = (share(counts[0], reference), share(counts[1], batch));
        (word, Evidence::Shares { reference, batch })
    };
    enough.map(evidence).collect()
}

/// Both samples in one piece, in a scale in which distances compare: the numbers of a row have a
/// standard deviation of 1 over both samples and its flags stay 0 and 1, so that two categories are as
/// far apart as two numbers on average; what a network makes of an image has length 1.
fn pooled(reference: &Matrix, batch: &Matrix, encoder: &Encoder) -> Matrix {
    let rows = || reference.rows().chain(batch.rows());
    let mut pooled = Matrix::new(reference.columns());
    let Encoder::Table(encoder) = encoder else {
        rows().for_each(|row| pooled.push(&unit(row).unwrap_or_else(|| row.to_vec())));
        return pooled;
    };
    let n = (reference.len() + batch.len()) as f64;
    let scale = |(feature, (_, kind)): (usize, (String, FeatureKind))| {
        if kind != FeatureKind::Number {
            return 1.0;
        }
        let values = || rows().map(|row| f64::from(row[feature]));
        let mean = values().sum::<f64>() / n;
        let spread = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        if spread > 0.0 { spread.recip() as f32 } else { 1.0 }
    };
    let scales: Vec<f32> = encoder.features().into_iter().enumerate().map(scale).collect();
    for row in rows() {
        let scaled: Vec<f32> =
            row.iter().zip(&scales).map(|(value, scale)| value * scale).collect();
        pooled.push(&scaled);
    }
    pooled
}

/// Of numbers the values in their own units, of categories the share of rows that hold them.
fn changed_columns(reference: &Matrix, batch: &Matrix, encoder: &TabularEncoder) -> Vec<Change> {
    let features = encoder.features();
    let values = |sample: &Matrix, feature: usize| -> Vec<f64> {
        sample.rows().map(|row| encoder.in_its_unit(feature, row[feature])).collect()
    };
    let held = |sample: &Matrix, feature: usize| {
        Share::of_flags(sample.rows().map(|row| row[feature] > 0.5))
    };
    let is_flag = |kind: FeatureKind| match kind {
        FeatureKind::Number | FeatureKind::Cycle => false,
        FeatureKind::Category | FeatureKind::Unknown | FeatureKind::Missing => true,
    };
    let of_numbers: Vec<[Vec<f64>; 2]> = (0..features.len())
        .map(|feature| match is_flag(features[feature].1) {
            true => [Vec::new(), Vec::new()],
            false => [values(reference, feature), values(batch, feature)],
        })
        .collect();
    let evidence = |(feature, (name, kind)): (usize, &(String, FeatureKind))| {
        let evidence = if is_flag(*kind) {
            Evidence::Shares { reference: held(reference, feature), batch: held(batch, feature) }
        } else {
            let [reference, batch] = &of_numbers[feature];
            Evidence::Values { reference, batch }
        };
        (name.clone(), evidence)
    };
    let compared: Vec<(String, Evidence<'_>)> = features.iter().enumerate().map(evidence).collect();
    most_changed(&compared, MAX_CHANGES, |name| Some(name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::drift::{Direction, ShiftTest};
    use crate::image::ImageSize;
    use crate::tabular::{Column, InputKind, TabularSpec, Value};

    #[test]
    fn words_that_enough_texts_hold_are_compared() {
        let reference = vec![vec![1, 2], vec![1], vec![1, 3], vec![]];
        let batch = vec![vec![1, 2], vec![1, 2]];
        let found = words(&reference, &batch);
        assert_eq!(found.len(), 1);
        let (word, Evidence::Shares { reference, batch }) = found[0] else { panic!("no shares") };
        assert_eq!((word, reference.value(), batch.value()), (1, 0.75, 1.0));
    }

    /// Rows of a number and a category.
    fn rows(n: usize, number: impl Fn(usize) -> f64, red: impl Fn(usize) -> bool) -> [Matrix; 2] {
        let colour = |i: usize| if red(i) { "red" } else { "blue" };
        let values: Vec<[Value<'static>; 2]> =
            (0..n).map(|i| [Value::Number(number(i)), Value::Text(colour(i))]).collect();
        let encoder = encoder();
        let mut all = [Matrix::new(encoder.width()), Matrix::new(encoder.width())];
        for (i, row) in values.iter().enumerate() {
            all[usize::from(i >= n / 2)].push(&encoder.encode(row).unwrap().features);
        }
        all
    }

    fn encoder() -> TabularEncoder {
        let ages = [10.0, 20.0, 30.0, 40.0].map(Value::Number).to_vec();
        let colours = ["red", "blue", "red", "blue"].map(Value::Text).to_vec();
        let columns = [
            Column { name: "age", kind: InputKind::Numeric, values: ages },
            Column { name: "colour", kind: InputKind::Categorical, values: colours },
        ];
        TabularEncoder::fit(&TabularSpec::default(), &columns).unwrap().0
    }

    #[test]
    fn columns_change_in_their_own_units() {
        let [reference, batch] = rows(
            80,
            |i| if i < 40 { 20.0 } else { 35.0 } + (i % 3) as f64,
            |i| i < 40 || i % 8 == 0,
        );
        let found = changed_columns(&reference, &batch, &encoder());
        let of = |term: &str| found.iter().find(|change| change.term == term).unwrap();
        let age = of("age");
        assert_eq!((age.test, age.direction), (ShiftTest::KolmogorovSmirnov, Direction::Higher));
        assert!((age.reference - 21.0).abs() < 1e-4 && (age.batch - 36.0).abs() < 1e-4, "{age:?}");
        let red = of("colour = red");
        assert_eq!((red.test, red.direction), (ShiftTest::FisherExact, Direction::Lower));
        assert_eq!((red.reference, red.batch), (1.0, 0.125));
        assert_eq!(of("colour = blue").batch, 0.875);
    }

    #[test]
    fn samples_are_brought_to_one_scale() {
        let encoder = Encoder::Table(encoder());
        let [reference, batch] = rows(40, |i| i as f64, |i| i % 2 == 0);
        let pooled_rows = pooled(&reference, &batch, &encoder);
        let ages: Vec<f64> = pooled_rows.rows().map(|row| f64::from(row[0])).collect();
        let mean = ages.iter().sum::<f64>() / 40.0;
        let variance = ages.iter().map(|age| (age - mean).powi(2)).sum::<f64>() / 40.0;
        assert!((variance - 1.0).abs() < 1e-5, "{variance}");
        assert!(pooled_rows.rows().all(|row| row[1] + row[2] == 1.0));
        let image = Encoder::Image(ImageSize { channels: 1, height: 1, width: 1 });
        let reference = Matrix::from_values(2, vec![3.0, 4.0, 0.0, 0.0]);
        let found = pooled(&reference, &Matrix::from_values(2, vec![0.0, 2.0]), &image);
        assert_eq!(found.values(), [0.6, 0.8, 0.0, 0.0, 0.0, 1.0]);
    }
}
