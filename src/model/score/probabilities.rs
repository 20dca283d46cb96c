//! Probabilities of labels, as a JSON object, without a copy of the labels' names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The probability of some of the labels, in the order of their names. Answers of one model share the
/// names.
#[derive(Clone)]
pub struct Probabilities {
    /// Sorted.
    names: Arc<[String]>,
    /// Position of a name, and the probability; ascending, none twice.
    entries: Vec<(u32, f32)>,
}

impl Probabilities {
    /// Of the `limit` most probable labels, of equals the first, or of all. `names` are sorted, and
    /// each has its probability in `p`.
    pub(super) fn of(names: Arc<[String]>, p: &[f64], limit: Option<usize>) -> Self {
        let mut order: Vec<u32> = Vec::new();
        let all = limit.is_none_or(|limit| limit >= p.len());
        if let (false, Some(limit)) = (all, limit) {
            order = largest(p, limit);
            order.sort_unstable();
        } else {
            order.extend(0..p.len() as u32);
        }
        let entries = order.into_iter().map(|label| (label, p[label as usize] as f32)).collect();
        Self { names, entries }
    }

    /// Names and probabilities, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f32)> {
        self.entries.iter().map(|(label, p)| (self.names[*label as usize].as_str(), *p))
    }
}

/// The positions of the largest values, in any order; of equals the first.
fn largest(p: &[f64], limit: usize) -> Vec<u32> {
    if limit == 1 {
        return vec![crate::eval::argmax(p) as u32];
    }
    let mut order: Vec<u32> = (0..p.len() as u32).collect();
    if limit > 0 {
        let value = |label: u32| p[label as usize];
        order.select_nth_unstable_by(limit - 1, |&a, &b| {
            value(b).total_cmp(&value(a)).then(a.cmp(&b))
        });
    }
    order.truncate(limit);
    order
}

impl fmt::Debug for Probabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Probabilities {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for Probabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Probabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_name = BTreeMap::<String, f32>::deserialize(deserializer)?;
        let entries = (0..).zip(by_name.values().copied()).collect();
        Ok(Self { names: by_name.into_keys().collect(), entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(p: &[f64], limit: Option<usize>) -> Probabilities {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        Probabilities::of(Arc::new(names), p, limit)
    }

    #[test]
    fn the_most_probable_ones_in_the_order_of_names() {
        let p = [0.125, 0.25, 0.5, 0.125];
        let names = |limit| of(&p, limit).iter().map(|(name, _)| name).collect::<String>();
        assert_eq!([None, Some(4), Some(9)].map(names), ["abcd"; 3]);
        assert_eq!([Some(0), Some(1), Some(2), Some(3)].map(names), ["", "c", "bc", "abc"]);
        assert_eq!(of(&[0.25; 4], Some(1)).iter().next(), Some(("a", 0.25)));
        assert_eq!(of(&[0.25; 4], Some(2)).iter().last(), Some(("b", 0.25)));
    }

    #[test]
    fn they_are_a_json_object() {
        let p = of(&[0.125, 0.25, 0.5, 0.125], Some(2));
        let json = serde_json::to_string(&p).unwrap();
        assert_eq!(json, r#"{"b":0.25,"c":0.5}"#);
        let read: Probabilities = serde_json::from_str(&json).unwrap();
        assert_eq!(read, p);
        assert_ne!(read, of(&[0.125, 0.25, 0.5, 0.125], Some(1)));
    }
}
