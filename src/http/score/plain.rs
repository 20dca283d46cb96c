//! The bodies that most requests have, read straight to their type. What is anything else, or not valid, is
//! left to the reader that checks bodies against their schema and says all that is wrong.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Detail, ScoreRequest};

/// Texts that the schema allows.
const MOST_TEXTS: usize = 10_000;

/// The fields of such a body; each may be absent, and none is `null`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    #[serde(default, deserialize_with = "given")]
    text: Option<String>,
    #[serde(default, deserialize_with = "given")]
    texts: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "given")]
    detail: Option<String>,
    #[serde(default, deserialize_with = "given")]
    top_labels: Option<usize>,
    #[serde(default, deserialize_with = "given")]
    monitor: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    max_false_alarm: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    min_confidence: Option<f64>,
}

fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A value that is a text.
struct Text(Value);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Value::String(text)))
    }
}

/// The request that a body is, if it is a plain and valid one.
pub(super) fn read(bytes: &[u8]) -> Option<ScoreRequest> {
    // A list of its fields' values would be one to serde too.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let plain: Plain = serde_json::from_slice(bytes).ok()?;
    let detail = match plain.detail.as_deref() {
        None => None,
        Some("full") => Some(Detail::Full),
        Some("prediction") => Some(Detail::Prediction),
        Some(_) => return None,
    };
    let valid = plain.texts.as_ref().is_none_or(|texts| texts.len() <= MOST_TEXTS)
        && plain.max_false_alarm.is_none_or(|rate| (0.0..1.0).contains(&rate))
        && plain.min_confidence.is_none_or(|least| (0.0..=1.0).contains(&least));
    valid.then(|| ScoreRequest {
        text: plain.text,
        texts: plain.texts.map(|texts| texts.into_iter().map(|Text(text)| text).collect()),
        detail,
        top_labels: plain.top_labels,
        monitor: plain.monitor,
        max_false_alarm: plain.max_false_alarm,
        min_confidence: plain.min_confidence,
        ..ScoreRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::extract::parse;

    /// What is read here, the schema allows, and it is the same request.
    fn agrees(body: &str) -> bool {
        let checked = parse::<ScoreRequest>(body.as_bytes());
        match read(body.as_bytes()) {
            Some(request) => {
                let checked = checked.unwrap_or_else(|problem| panic!("{body}: {problem:?}"));
                assert_eq!(json!(request), json!(checked), "{body}");
                true
            }
            None => false,
        }
    }

    #[test]
    fn plain_bodies_are_read() {
        for body in [
            r#"{"text": "a \"quoted\" caf\u00e9"}"#,
            r#" {"texts": [], "monitor": false} "#,
            r#"{"texts": ["a", ""], "top_labels": 0, "max_false_alarm": 0, "min_confidence": 1}"#,
            r#"{"text": "a", "detail": "prediction"}"#,
            r#"{"text": "a", "texts": ["b"], "detail": "full", "min_confidence": 0.25}"#,
            r#"{}"#,
        ] {
            assert!(agrees(body), "{body}");
        }
    }

    #[test]
    fn all_else_is_left_to_the_schema() {
        let many = json!({"texts": vec!["a"; MOST_TEXTS + 1]}).to_string();
        for body in [
            r#"{"text": null}"#,
            r#"{"texts": ["a", 1]}"#,
            r#"{"texts": ["a", null]}"#,
            r#"{"text": "a", "text": "b"}"#,
            r#"{"text": "a", "detail": "short"}"#,
            r#"{"text": "a", "detail": null}"#,
            r#"{"text": "a", "detail": {"prediction": null}}"#,
            r#"{"text": "a", "txet": "b"}"#,
            r#"{"text": "a", "max_false_alarm": 1}"#,
            r#"{"text": "a", "max_false_alarm": -0.1}"#,
            r#"{"text": "a", "min_confidence": 1.1}"#,
            r#"{"text": "a", "top_labels": -1}"#,
            r#"{"text": "a", "top_labels": 1.0}"#,
            r#"{"text": "a", "max_risk": 0.1}"#,
            r#"{"records": [{"text": "a"}]}"#,
            r#"{"text": "a"} x"#,
            r#"{"text": "a""#,
            "[]",
            r#"["a"]"#,
            "",
            &many,
        ] {
            assert!(!agrees(body), "{body}");
        }
    }
}
