//! Who may call: an API key where keys are set, and no page of a foreign origin.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::problem::{Code, Problem};

/// Paths that need no key: they tell nothing of what is stored. The dashboard asks for the key itself.
const OPEN: &[&str] =
    &["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/openapi.json", "/"];

/// Whether a path needs no key.
pub fn is_open(path: &str) -> bool {
    let open = ["/docs", "/problems", "/assets/"];
    OPEN.contains(&path) || open.iter().any(|start| path.starts_with(start))
}

/// Why a request may not pass (401 or 403), if it may not.
pub fn refuse(request: &Request, config: &Config) -> Option<Problem> {
    let path = request.uri().path();
    if !config.api_keys.is_empty() && !is_open(path) && !has_key(request.headers(), config) {
        let problem = Problem::new(Code::Unauthorized, "the request has no API key of this server");
        let hint = "send `Authorization: Bearer KEY` or `X-API-Key: KEY`";
        return Some(problem.hint(hint));
    }
    let origin = foreign_origin(request, config)?;
    let detail = format!("a page of {origin} may not call this server");
    let hint = "start the server with --cors-origin and that origin, if you trust it";
    Some(Problem::new(Code::ForeignOrigin, detail).hint(hint))
}

fn has_key(headers: &HeaderMap, config: &Config) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    let plain = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    let Some(sent) = bearer.or(plain) else { return false };
    // Digests of equal length are compared whole, so that the time taken tells nothing of the key.
    let sent = Sha256::digest(sent.as_bytes());
    config.api_keys.iter().fold(false, |found, key| {
        let differing =
            Sha256::digest(key.as_bytes()).iter().zip(&sent).fold(0, |d, (a, b)| d | (a ^ b));
        found | (differing == 0)
    })
}

/// The origin of a page that is neither this server's nor on the list. Browsers let any page send a
/// form to a local server, so what changes something is refused here and not only by CORS.
fn foreign_origin(request: &Request, config: &Config) -> Option<String> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let origin = request.headers().get(header::ORIGIN)?.to_str().ok()?;
    if config.cors_origins.iter().any(|allowed| allowed == origin) {
        return None;
    }
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let own = origin.split_once("://").map(|(_, host)| host);
    (host.is_none() || own != host).then(|| origin.to_owned())
}
