//! A report in the media type that was asked for.

use std::sync::OnceLock;

use axum::Json;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::diagnose::render::Subject;
use crate::diagnose::render::html::{REFRESH_SECONDS, STYLE, html};
use crate::diagnose::render::markdown::markdown;
use crate::diagnose::report::LimitationsReport;
use crate::http::media::negotiate;
use crate::problem::Problem;
use crate::store::models::ModelInfo;

/// The forms that a report has, the first where none is asked for.
const FORMS: &[(&str, Format)] = &[
    ("application/json", Format::Json),
    ("text/markdown", Format::Markdown),
    ("text/html", Format::Html),
];

/// A form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For programs.
    Json,
    /// For issues and model cards.
    Markdown,
    /// For a browser.
    Html,
}

/// The form that a request asks for.
pub fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let offered: Vec<&str> = FORMS.iter().map(|(media_type, _)| *media_type).collect();
    let chosen = negotiate(headers, &offered)?;
    let form = FORMS.iter().find(|(media_type, _)| *media_type == chosen);
    Ok(form.map_or(Format::Json, |(_, format)| *format))
}

/// What a page says of a model, and where it can be called: where this request came to.
pub fn subject(
    model: ModelInfo,
    diagnosis: String,
    config: &Config,
    uri: &Uri,
    headers: &HeaderMap,
) -> Subject {
    Subject {
        id: model.id,
        name: model.name,
        task: model.task,
        dataset: model.dataset,
        made: model.created_at.to_string(),
        diagnosis,
        server: server(uri, headers),
        needs_key: !config.api_keys.is_empty(),
    }
}

/// The address that a request was sent to; empty where it names none.
fn server(uri: &Uri, headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = uri.authority().cloned().or_else(|| text("host")?.parse::<Authority>().ok());
    let Some(host) = host else { return String::new() };
    // A server behind a proxy hears of the proxy's scheme, and of no other.
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    match host.port() {
        Some(port) => format!("{scheme}://{}:{port}", host.host()),
        None => format!("{scheme}://{}", host.host()),
    }
}

/// A report as JSON.
pub fn json(report: LimitationsReport) -> Response {
    ([(header::VARY, "accept")], Json(report)).into_response()
}

/// A report as a text to read. JSON has its own function.
pub fn answer(report: &LimitationsReport, subject: &Subject, format: Format) -> Response {
    let vary = (header::VARY, "accept");
    match format {
        Format::Json => json(report.clone()),
        Format::Markdown => {
            let kind = (header::CONTENT_TYPE, "text/markdown; charset=utf-8");
            ([vary, kind], markdown(report, subject)).into_response()
        }
        Format::Html => {
            let headers = [
                vary,
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, policy()),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            let mut response = (headers, html(report, subject)).into_response();
            if !report.complete {
                response.headers_mut().insert(header::REFRESH, REFRESH_SECONDS.into());
            }
            response
        }
    }
}

/// What a page may load: nothing but its one style, told by its hash.
fn policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        )
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        of.iter().map(header).collect()
    }

    #[test]
    fn each_form_can_be_asked_for() {
        let asked = |accept: &str| format(&headers(&[("accept", accept)])).map_err(|p| p.status);
        assert_eq!(asked("*/*"), Ok(Format::Json));
        assert_eq!(asked("text/markdown"), Ok(Format::Markdown));
        assert_eq!(asked("text/html,*/*;q=0.8"), Ok(Format::Html));
        assert_eq!(asked("image/png"), Err(406));
        assert_eq!(format(&HeaderMap::new()).unwrap(), Format::Json);
    }

    #[test]
    fn the_address_is_the_one_that_was_called() {
        let at =
            |uri: &str, of: &[(&'static str, &str)]| server(&uri.parse().unwrap(), &headers(of));
        assert_eq!(at("/v1", &[("host", "localhost:8080")]), "http://localhost:8080");
        let proxied = [("host", "whereof.example"), ("x-forwarded-proto", "https")];
        assert_eq!(at("/v1", &proxied), "https://whereof.example");
        assert_eq!(at("/v1", &[("host", "[::1]:80")]), "http://[::1]:80");
        assert_eq!(at("http://a.example:1/v1", &[("host", "b.example")]), "http://a.example:1");
        // Credentials are no part of where it is, and what is no host is none.
        assert_eq!(at("/v1", &[("host", "user:word@a.example")]), "http://a.example");
        for none in [&[][..], &[("host", "a b")], &[("host", "a/b")]] {
            assert_eq!(at("/v1", none), "", "{none:?}");
        }
    }

    #[test]
    fn the_policy_allows_the_style_and_nothing_else() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let hash = policy.split("sha256-").nth(1).and_then(|rest| rest.split('\'').next());
        let hash = STANDARD.decode(hash.unwrap()).unwrap();
        assert_eq!(hash, Sha256::digest(STYLE.as_bytes()).to_vec());
    }
}
