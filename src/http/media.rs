//! What a body says it is: media type, character set, encoding; and which of several media types an
//! answer has.

use axum::extract::Request;
use axum::http::{HeaderMap, header};

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

/// The media type of an answer, by the request's `Accept` (RFC 9110, 12.5.1): of those that are `offered`
/// the one that is wanted most, and of those wanted alike the first. Without `Accept`, the first.
pub fn negotiate<'a>(headers: &HeaderMap, offered: &[&'a str]) -> Result<&'a str, Problem> {
    let accept = headers.get_all(header::ACCEPT);
    let accept: Vec<&str> = accept.iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    let ranges: Vec<MediaRange<'_>> = accept.split(',').filter_map(media_range).collect();
    let wish = |offered: &str| -> u16 {
        // The range that says most of a type decides, whatever else fits it.
        let fitting = ranges.iter().filter_map(|range| Some((range.fits(offered)?, range.quality)));
        fitting.max().map_or(0, |(_, quality)| quality)
    };
    // An empty `Accept` asks for nothing in particular.
    let unasked = accept.split(',').all(|range| range.trim().is_empty());
    let mut best: Option<(&str, u16)> = None;
    for &offer in offered {
        let quality = if unasked { 1000 } else { wish(offer) };
        if quality > best.map_or(0, |(_, quality)| quality) {
            best = Some((offer, quality));
        }
    }
    best.map(|(offer, _)| offer).ok_or_else(|| {
        let detail = format!("nothing here has a media type of `Accept: {accept}`");
        let hint = format!("accept one of {}", offered.join(", "));
        Problem::new(Code::NotAcceptable, detail).hint(hint)
    })
}

/// A range of media types, and how much it is wanted, in thousandths.
struct MediaRange<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: u16,
}

impl MediaRange<'_> {
    /// How closely it names a media type, or `None` where it does not.
    fn fits(&self, media_type: &str) -> Option<u8> {
        let (kind, subtype) = media_type.split_once('/')?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (k, "*") if k.eq_ignore_ascii_case(kind) => Some(1),
            (k, s) if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// An element of `Accept`; `None` where it is none. Parameters other than `q` say nothing here.
fn media_range(text: &str) -> Option<MediaRange<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let mut parameters = parts.filter_map(|parameter| parameter.split_once('='));
    let q = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let quality = match q {
        None => 1000,
        Some((_, value)) => {
            let value: f64 = value.trim().parse().ok()?;
            (0.0..=1.0).contains(&value).then(|| (value * 1000.0).round() as u16)?
        }
    };
    Some(MediaRange { kind: kind.trim(), subtype: subtype.trim(), quality })
}

/// Why a body that is encoded, such as a compressed one, is refused: nothing here decodes it.
pub fn refuse_encoded(request: &Request) -> Option<Problem> {
    let encodings = request.headers().get_all(header::CONTENT_ENCODING);
    let encodings = encodings.iter().map(|value| value.to_str().unwrap_or("?"));
    let mut encodings = encodings.flat_map(|value| value.split(',')).map(str::trim);
    let foreign =
        |encoding: &&str| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity");
    let encoding = encodings.find(foreign)?;
    let detail = format!("the body has the content encoding {encoding:?}");
    let hint = "send the body as it is, without Content-Encoding; Parquet is compressed in itself";
    Some(Problem::new(Code::UnsupportedMediaType, detail).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: [&str; 3] = ["application/json", "text/markdown", "text/html"];

    fn negotiated(accept: &[&str]) -> Result<&'static str, u16> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        negotiate(&headers, &OFFERED).map_err(|problem| problem.status)
    }

    #[test]
    fn the_type_that_is_wanted_most_is_chosen() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        for (accept, wanted) in [
            ("", "application/json"),
            ("*/*", "application/json"),
            ("application/json", "application/json"),
            ("text/markdown", "text/markdown"),
            ("Text/HTML; charset=utf-8", "text/html"),
            (browser, "text/html"),
            ("text/*", "text/markdown"),
            // What names a type decides of it, however little it is wanted.
            ("text/*, text/markdown;q=0.1", "text/html"),
            ("text/html;q=0.5, text/markdown;q=0.9", "text/markdown"),
            ("text/html;q=0.5,*/*;q=0.1", "text/html"),
            ("text/html ; q=0.7 , application/json;Q=0.7", "application/json"),
            ("*/*, application/json;q=0", "text/markdown"),
            ("image/png, */*;q=0.01", "application/json"),
            // What cannot be read is passed over.
            ("text/html;q=much, text/markdown", "text/markdown"),
            ("html, text/markdown;q=0.2", "text/markdown"),
        ] {
            assert_eq!(negotiated(&[accept]), Ok(wanted), "{accept}");
        }
        assert_eq!(negotiated(&[]), Ok("application/json"));
        assert_eq!(negotiated(&["image/png", "text/html"]), Ok("text/html"));
    }

    #[test]
    fn what_is_not_offered_is_refused_with_what_is() {
        for accept in
            ["image/png", "text/html;q=0", "text/plain, application/xml", "html", "a/b;q=2"]
        {
            assert_eq!(negotiated(&[accept]), Err(406), "{accept}");
        }
        let headers = HeaderMap::from_iter([(header::ACCEPT, "image/png".parse().unwrap())]);
        let problem = negotiate(&headers, &OFFERED).unwrap_err();
        assert!(problem.hint.unwrap().contains("text/markdown"));
    }

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
