//! What a body says it is: media type, character set, encoding.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::respond;
use crate::problem::{Code, Problem};

/// Character sets of which every text is UTF-8 too.
const UTF8: &[&str] = &["utf-8", "utf8", "us-ascii", "ascii"];

/// The media type of a body, in lower case and without its parameters; empty where it has none.
pub fn media_type(headers: &HeaderMap) -> Result<String, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    essence(value.unwrap_or(""))
}

/// The same of a content type as text. One that names another character set than UTF-8 is refused:
/// its texts would be read wrongly.
pub fn essence(content_type: &str) -> Result<String, Problem> {
    let mut parts = content_type.split(';');
    let essence = parts.next().unwrap_or("").trim().to_ascii_lowercase();
    for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        if name.trim().eq_ignore_ascii_case("charset") && !UTF8.contains(&value.as_str()) {
            let detail = format!("the body is in the character set {value:?}, not UTF-8");
            let hint = "convert the body to UTF-8 and say charset=utf-8, or leave charset out";
            return Err(Problem::new(Code::UnsupportedMediaType, detail).hint(hint));
        }
    }
    Ok(essence)
}

/// Refuses bodies that are encoded, such as compressed ones: nothing here decodes them.
pub async fn refuse_encoded(request: Request, next: Next) -> Response {
    let encodings = request.headers().get_all(header::CONTENT_ENCODING);
    let encodings = encodings.iter().map(|value| value.to_str().unwrap_or("?"));
    let mut encodings = encodings.flat_map(|value| value.split(',')).map(str::trim);
    let foreign =
        |encoding: &&str| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity");
    if let Some(encoding) = encodings.find(foreign) {
        let detail = format!("the body has the content encoding {encoding:?}");
        let hint =
            "send the body as it is, without Content-Encoding; Parquet is compressed in itself";
        return respond(&Problem::new(Code::UnsupportedMediaType, detail).hint(hint));
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_left_out_and_other_character_sets_are_refused() {
        for utf8 in [
            "text/csv",
            "Text/CSV; charset=UTF-8",
            "text/csv;header=present; Charset=\"utf-8\"",
            "text/csv; charset = us-ascii",
        ] {
            assert_eq!(essence(utf8).unwrap(), "text/csv", "{utf8}");
        }
        for other in ["text/csv; charset=latin1", "text/csv;charset=\"UTF-16\"", "a/b;charset="] {
            assert_eq!(essence(other).unwrap_err().status, 415, "{other}");
        }
    }
}
