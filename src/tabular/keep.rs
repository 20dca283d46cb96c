//! An encoder whose numbers stay on the scale of another one's, so that a layer which came along from
//! there sees the inputs that it learnt on.

use super::TabularEncoder;
use super::column::Content;
use super::moments::Moments;

impl TabularEncoder {
    /// The same encoder with the scale of another one for every column of numbers or dates that both
    /// have, by name. Ranges are those of both together; categories are this one's own.
    pub fn with_scale_of(mut self, other: &Self) -> Self {
        for column in &mut self.columns {
            let mut named = other.columns.iter().filter(|c| c.name == column.name);
            let Some(source) = named.find(|c| c.kind == column.kind) else { continue };
            match (&mut column.content, &source.content) {
                (Content::Number { moments }, Content::Number { moments: kept }) => {
                    *moments = joined(moments, kept);
                }
                (
                    Content::Date { moments, cycles },
                    Content::Date { moments: kept, cycles: kept_cycles },
                ) => {
                    *moments = joined(moments, kept);
                    for (cycle, kept) in cycles.iter_mut().zip(kept_cycles) {
                        *cycle = kept.or(*cycle);
                    }
                }
                _ => {}
            }
        }
        Self::new(self.spec, self.columns)
    }
}

/// The range of both and the scale of the second, unless that never varied.
fn joined(own: &Moments, kept: &Moments) -> Moments {
    let scale = if kept.std > 0.0 { kept } else { own };
    let (min, max) = (own.min.min(kept.min), own.max.max(kept.max));
    if own.std == 0.0 && kept.std == 0.0 {
        return *own;
    }
    Moments { min, max, ..*scale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabular::{Column, InputKind, TabularSpec, Value};

    fn encoder(columns: &[(&str, &[f64])]) -> TabularEncoder {
        let columns: Vec<Column<'_>> = columns
            .iter()
            .map(|(name, values)| Column {
                name,
                kind: InputKind::Numeric,
                values: values.iter().map(|v| Value::Number(*v)).collect(),
            })
            .collect();
        TabularEncoder::fit(&TabularSpec::default(), &columns).unwrap().0
    }

    #[test]
    fn columns_that_both_have_keep_their_scale_and_new_ones_have_their_own() {
        let source = encoder(&[("a", &[0.0, 2.0]), ("b", &[5.0, 7.0])]);
        let own = encoder(&[("c", &[1.0, 3.0]), ("a", &[10.0, 30.0])]);
        let kept = own.clone().with_scale_of(&source);
        let features = |encoder: &TabularEncoder, row: &[f64]| {
            let row: Vec<Value<'_>> = row.iter().map(|v| Value::Number(*v)).collect();
            encoder.encode(&row).unwrap()
        };
        // c by its own mean 2 and deviation 1, a by the source's 1 and 1.
        assert_eq!(features(&kept, &[3.0, 4.0]).features, [1.0, 3.0]);
        assert_eq!(features(&own, &[3.0, 30.0]).features, [1.0, 1.0]);
        // What either has seen is inside.
        for a in [0.0, 30.0] {
            assert_eq!(features(&kept, &[1.0, a]).coverage.columns, 1.0, "{a}");
        }
        let stored = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<TabularEncoder>(&stored).unwrap(), kept);
    }
}
