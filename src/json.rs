//! JSON from outside, read strictly: a key that stands twice in an object is refused instead of
//! losing its first value, and what a text of JSON may unfold to in memory is bounded.

use std::cell::{Cell, RefCell};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Values that one text of JSON may hold: lists, objects and what is in them. Each takes some 70
/// bytes of memory, where a text takes as few as two.
pub const MAX_VALUES: usize = 1_000_000;

/// Characters of a key that are shown.
const SHOWN: usize = 100;

/// Why a text is not taken as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonError {
    /// What is wrong, with line and column.
    pub message: String,
    /// The key that stands twice, as a path such as `training.epochs`, if that is what is wrong.
    pub twice: Option<String>,
}

/// Reads a whole text.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let strict = Strict::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = strict.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| JsonError { message: describe(&error), twice: strict.twice.take() })
}

/// What is wrong, in the words of a reader and not of a parser.
pub fn describe(error: &serde_json::Error) -> String {
    error.to_string().replace("recursion limit exceeded", "it is nested deeper than 128 levels")
}

/// Sets a field by its path. Objects on the way that are not there are taken from `resolved`, so that
/// what has a type keeps it; where there is none either, they are made.
pub fn set(value: &mut Value, path: &str, to: &Value, resolved: &Value) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    if !value.is_object() {
        *value =
            if resolved.is_object() { resolved.clone() } else { Value::Object(Default::default()) };
    }
    let Some(fields) = value.as_object_mut() else { return };
    match rest {
        None => drop(fields.insert(name.to_owned(), to.clone())),
        Some(rest) => {
            let field = fields.entry(name).or_insert(Value::Null);
            set(field, rest, to, &resolved[name]);
        }
    }
}

/// Reads one value; [`parse`] for a value within a text that something else reads.
#[derive(Default)]
pub struct Strict {
    values: Cell<usize>,
    path: RefCell<String>,
    twice: RefCell<Option<String>>,
}

impl Strict {
    /// Does `inner` with the path of one step more.
    fn within<T>(&self, step: &str, inner: impl FnOnce() -> T) -> T {
        let length = self.path.borrow().len();
        self.path.borrow_mut().push_str(step);
        let outcome = inner();
        self.path.borrow_mut().truncate(length);
        outcome
    }

    fn step(&self, key: &str) -> String {
        let shown = match key.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &key[..end]),
            None => key.to_owned(),
        };
        if self.path.borrow().is_empty() { shown } else { format!(".{shown}") }
    }
}

impl<'de> DeserializeSeed<'de> for &Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let values = self.values.get() + 1;
        self.values.set(values);
        if values > MAX_VALUES {
            return Err(D::Error::custom(format!("it holds more than {MAX_VALUES} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Strict {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let step = format!("[{}]", values.len());
            match self.within(&step, || seq.next_element_seed(self))? {
                Some(value) => values.push(value),
                None => return Ok(values.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let step = self.step(&key);
            if map.contains_key(&key) {
                let path = self.within(&step, || self.path.borrow().clone());
                let message = format!("the key {path:?} stands there twice");
                *self.twice.borrow_mut() = Some(path);
                return Err(A::Error::custom(message));
            }
            let value = self.within(&step, || entries.next_value_seed(self))?;
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

/// Writes a 32-bit number by the fewest digits that tell it: 0.3, not 0.30000001192092896.
pub fn decimal<S: serde::Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(shortest(*value))
}

/// The 64-bit number that is written by the fewest digits that tell a 32-bit one.
pub fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_set_by_its_path() {
        let resolved = json!({"network": {"type": "mlp", "hidden": [64]}, "training": {}});
        let mut value = json!({"network": null, "training": {"epochs": 3}});
        set(&mut value, "network.hidden", &json!([1]), &resolved);
        set(&mut value, "training.early_stopping.patience", &json!(2), &resolved);
        assert_eq!(
            value,
            json!({"network": {"type": "mlp", "hidden": [1]},
                   "training": {"epochs": 3, "early_stopping": {"patience": 2}}})
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_named() {
        let twice = |text: &str| parse(text.as_bytes()).unwrap_err().twice;
        assert_eq!(twice(r#"{"a": 1, "b": 2, "a": 1}"#).unwrap(), "a");
        assert_eq!(twice(r#"{"a": {"b": [0, {"c": 1, "c": 2}]}}"#).unwrap(), "a.b[1].c");
        let error = parse(br#"{"a": 1, "a": 2}"#).unwrap_err();
        assert_eq!(error.message, r#"the key "a" stands there twice at line 1 column 12"#);
        // In two objects it may.
        assert!(parse(br#"[{"a": 1}, {"a": 2, "b": {"a": 3}}]"#).is_ok());
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        let message = |text: &str| parse(text.as_bytes()).unwrap_err().message;
        assert!(message("{\n\"a\":").ends_with("at line 2 column 4"));
        assert!(message("1 2").contains("trailing characters"));
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(message(&deep), "it is nested deeper than 128 levels at line 1 column 128");
        assert!(message("1e999").contains("number out of range"));
        assert_eq!(parse(b"").unwrap_err().twice, None);
    }

    #[test]
    fn what_unfolds_too_far_is_refused() {
        let zeros = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert!(parse(zeros(MAX_VALUES - 1).as_bytes()).is_ok());
        let error = parse(zeros(MAX_VALUES).as_bytes()).unwrap_err();
        assert!(error.message.starts_with("it holds more than 1000000 values"), "{error}");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300..1e300f64).prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..5).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        /// What has no key twice is read as by anyone else.
        #[test]
        fn values_are_what_serde_reads(value in any_value()) {
            prop_assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
        }
    }
}
