//! Lists: a limit, an opaque cursor, and where the next page starts.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Code, FieldError, Problem};
use crate::store::Cursor;

/// Items of a page, where nothing else is asked for.
const DEFAULT_LIMIT: usize = 50;

/// Parameters of a plain list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Items at most. Default: 50.
    #[param(minimum = 1, maximum = 1_000, nullable = false)]
    pub limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(nullable = false)]
    pub cursor: Option<String>,
}

/// A page of a list, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Listed<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The limit of a request, whose bounds were checked with the query.
pub fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(DEFAULT_LIMIT)
}

/// A cursor as text that clients hand back as it is.
pub fn encode(cursor: &Cursor) -> String {
    let text = format!("{}:{}", cursor.time, cursor.id);
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The cursor of a request.
pub fn decode(text: Option<&str>) -> Result<Option<Cursor>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let parsed = bytes(text).and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| {
        let (time, id) = text.split_once(':')?;
        Some(Cursor { time: time.parse().ok()?, id: id.to_owned() })
    });
    parsed.map(Some).ok_or_else(|| {
        let error = FieldError::new("cursor", "is not a cursor of this list")
            .hint("send next_cursor of the page before, or none for the first page");
        Problem::fields(Code::InvalidQuery, vec![error])
    })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16).map(|d| d as u8);
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_nonsense_is_refused() {
        let cursor = Cursor { time: 17, id: "job_1".to_owned() };
        assert_eq!(decode(Some(&encode(&cursor))).unwrap(), Some(cursor));
        for nonsense in ["", "zz", "abc", "3a", "é"] {
            assert!(decode(Some(nonsense)).is_err(), "{nonsense}");
        }
    }
}
