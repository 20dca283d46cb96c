//! The dashboard: a page, a style and scripts that are part of the binary and ask nothing of other hosts.

use std::sync::OnceLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::problem::respond;
use super::unknown_path;
use crate::problem::Problem;

/// What the page may load: scripts, styles, pictures and answers of this server, and nothing inline.
/// Pictures of a dataset come within its records.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the dashboard.
struct File {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($name:literal $kind:ident),* $(,)?) => {
        [$(File { name: $name, kind: $kind, text: include_str!(concat!("files/", $name)) }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// The files; the first is the page.
static FILES: &[File] = &files![
    "index.html" HTML,
    "style.css" CSS,
    "icon.svg" PICTURE,
    "dom.js" SCRIPT,
    "api.js" SCRIPT,
    "parts.js" SCRIPT,
    "scale.js" SCRIPT,
    "curves.js" SCRIPT,
    "shapes.js" SCRIPT,
    "figuretable.js" SCRIPT,
    "chart.js" SCRIPT,
    "app.js" SCRIPT,
    "jobs.js" SCRIPT,
    "job.js" SCRIPT,
    "runs.js" SCRIPT,
    "run.js" SCRIPT,
    "resume.js" SCRIPT,
    "records.js" SCRIPT,
    "models.js" SCRIPT,
    "monitoring.js" SCRIPT,
    "try.js" SCRIPT,
    "limitations.js" SCRIPT,
    "datasets.js" SCRIPT,
    "train.js" SCRIPT,
];

/// The page.
pub async fn page(headers: HeaderMap) -> Response {
    let mut response = serve(0, &headers);
    let policy = header::HeaderValue::from_static(POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    let quiet = header::HeaderValue::from_static("same-origin");
    response.headers_mut().insert(header::REFERRER_POLICY, quiet);
    response
}

/// A script, the style or the icon.
pub async fn asset(Path(name): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    match FILES.iter().position(|file| file.name == name).filter(|at| *at > 0) {
        Some(at) => serve(at, &headers),
        None => unknown_path(uri).await,
    }
}

/// A file, or that the reader has it already.
fn serve(at: usize, headers: &HeaderMap) -> Response {
    static TAGS: OnceLock<Vec<String>> = OnceLock::new();
    let tags = TAGS.get_or_init(|| FILES.iter().map(|file| tag(file.text)).collect());
    let (Some(file), Some(tag)) = (FILES.get(at), tags.get(at)) else {
        return respond(&Problem::not_found("file", "dashboard"));
    };
    // Asked for again each time, so that a new version of the server is never mixed with an old page.
    let fixed = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_TYPE, file.kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    let same = known.any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    if same {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    (fixed, file.text).into_response()
}

fn tag(text: &str) -> String {
    let digest = Sha256::digest(text);
    let short: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a script imports, and what that imports, itself included; what it loads only when a page is
    /// asked for is no import.
    fn with_imports(name: &'static str, found: &mut Vec<&'static File>) {
        let Some(file) = FILES.iter().find(|file| file.name == name) else {
            panic!("{name} is no file");
        };
        if found.iter().any(|known| known.name == name) {
            return;
        }
        found.push(file);
        for line in file.text.lines().filter(|line| line.starts_with("import ")) {
            let from = line.rsplit("\"./").next().and_then(|rest| rest.split('"').next());
            with_imports(from.unwrap(), found);
        }
    }

    /// What one visit loads: the page, its style, its icon, and every script that any of its places needs.
    #[test]
    fn each_page_is_small() {
        let shell: usize = FILES[..3].iter().map(|file| file.text.len()).sum();
        let pages = FILES.iter().find(|file| file.name == "app.js").unwrap();
        let pages = pages.text.split("import(\"./").skip(1);
        let pages: Vec<&str> = pages.filter_map(|rest| rest.split('"').next()).collect();
        assert!(pages.len() > 8, "{pages:?}");
        for page in pages {
            let mut loaded = Vec::new();
            with_imports("app.js", &mut loaded);
            with_imports("jobs.js", &mut loaded);
            with_imports(page, &mut loaded);
            let size = shell + loaded.iter().map(|file| file.text.len()).sum::<usize>();
            assert!(size < 150_000, "{page} loads {size} bytes");
        }
    }

    #[test]
    fn every_file_is_named() {
        for file in &FILES[1..] {
            // What a script imports is named by it, what the page needs first by the page.
            let named = FILES.iter().any(|other| other.text.contains(file.name));
            assert!(named, "{} is named nowhere", file.name);
        }
        let shell = FILES[0].text;
        for name in shell.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(FILES.iter().any(|file| file.name == name), "{name} is no file");
        }
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        let shell = FILES[0].text;
        for inline in ["<style", "style=", "onclick", "onload", "javascript:"] {
            assert!(!shell.contains(inline), "{inline}");
        }
        assert!(shell.split("<script").skip(1).all(|rest| rest.contains("src=\"/assets/")));
        for file in FILES {
            let elsewhere = file.text.split(['"', '\'', '`', ' ', '(']).filter(|word| {
                word.starts_with("http") && word.contains("://") && !word.contains("www.w3.org")
            });
            assert_eq!(elsewhere.collect::<Vec<_>>(), [""; 0], "{}", file.name);
        }
    }
}
