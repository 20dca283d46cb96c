//! What went wrong, in the one form that HTTP answers, failed jobs and the command line share:
//! RFC 9457 problem details with a stable `type` and `code`.
//!
//! [`Code`] is the only table from an error to its status, type and title. It stands at the bottom
//! of the house, because a worker stores for a failed job the very problem that HTTP would return.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Declares the codes: variant, HTTP status, slug (the end of `type`), title, and what it means.
macro_rules! codes {
    ($($variant:ident $status:literal $slug:literal $title:literal $meaning:literal;)*) => {
        /// The kinds of problem. The slug is stable: clients may match on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The HTTP status that goes with this code.
            pub fn status(self) -> u16 { match self { $(Code::$variant => $status,)* } }
            /// The stable name, as it ends the problem's `type`.
            pub fn slug(self) -> &'static str { match self { $(Code::$variant => $slug,)* } }
            /// A short summary, the same for every occurrence.
            pub fn title(self) -> &'static str { match self { $(Code::$variant => $title,)* } }
            /// What the code means and what to do about it.
            pub fn meaning(self) -> &'static str { match self { $(Code::$variant => $meaning,)* } }
        }
    };
}

codes! {
    InvalidJson 400 "invalid-json" "The body is not valid JSON" "The request body could not be parsed as JSON, is nested deeper than 128 levels, or names a key twice in one object. The detail names the line and column.";
    InvalidRequest 422 "invalid-request" "The request is not valid" "One or more fields are unknown, missing, of the wrong type or out of range. Every problem found is listed in `errors`.";
    InvalidQuery 400 "invalid-query" "The query string is not valid" "A query parameter is unknown, of the wrong type or out of range.";
    InvalidPath 400 "invalid-path" "The path is not valid" "What the path names is not UTF-8 once its percent-encoding is decoded.";
    InvalidSpec 422 "invalid-spec" "The training spec cannot be run on this dataset" "The spec names a column that is not there, asks for splits the records cannot fill, or needs more memory than a job may use.";
    InvalidDataset 422 "invalid-dataset" "The dataset cannot be read" "The upload is empty, ragged, not UTF-8 or not of the format it claims. `errors` names the row and the column. Nothing was stored.";
    UnsupportedMediaType 415 "unsupported-media-type" "The content type is not supported" "Datasets are accepted as CSV, JSON Lines, JSON, Parquet or a zip archive of images; every other body is JSON. Text is UTF-8, and no body has a content encoding such as gzip.";
    NotAcceptable 406 "not-acceptable" "No answer has an accepted media type" "None of the media types that the request's `Accept` names is one in which this can be answered. The hint lists those that are.";
    BodyTooLarge 413 "body-too-large" "The body is larger than this server accepts" "Send less at once, or start the server with a larger limit.";
    TooMuch 413 "too-much" "The request asks for more than one request may" "The body could be read, but answering all of it at once would take too long or too much memory. The detail names the limit; send less at once.";
    Unauthorized 401 "unauthorized" "An API key is needed" "Send a key of this server as `Authorization: Bearer KEY` or `X-API-Key: KEY`.";
    ForeignOrigin 403 "foreign-origin" "A page of another origin may not call this server" "Start the server with --cors-origin and that origin, if you trust it.";
    NotFound 404 "not-found" "Nothing is stored under that name" "The id, alias or path does not exist on this server.";
    MethodNotAllowed 405 "method-not-allowed" "The path does not accept that method" "The `Allow` header lists the methods that the path accepts.";
    Conflict 409 "conflict" "The state of the resource does not allow this" "The detail names the state and what it allows.";
    ModelNotReady 409 "model-not-ready" "The job that trains this model has not ended" "Wait for the job to succeed, then score.";
    InUse 409 "in-use" "Something that has not ended still needs this" "Cancel or wait for the jobs that the detail names.";
    IdempotencyMismatch 409 "idempotency-mismatch" "The idempotency key was used with another request" "Use a new key for a new request; repeat the same body to have the same answer.";
    InvalidArtifact 422 "invalid-artifact" "The model artifact cannot be loaded" "The file is truncated, was altered after it was written, or comes from a newer version of Whereof.";
    RequestTimeout 408 "request-timeout" "The request took too long" "The body arrived too slowly, or the work outlasted the server's request limit.";
    TooManyJobs 429 "queue-full" "The queue is full" "Wait as long as `Retry-After` says, then submit again.";
    TooBusy 503 "too-busy" "Every scoring thread is busy" "Wait as long as `Retry-After` says, then send the request again.";
    ShuttingDown 503 "shutting-down" "The server is stopping" "Jobs already accepted are kept; send the request again once the server is back.";
    NotReady 503 "not-ready" "The server cannot do its work" "The database or the data folder does not answer; the server's log says why.";
    StorageFull 507 "storage-full" "No space is left in the data folder" "Free disk space, then try again. What was stored before is intact.";
    TrainingDiverged 422 "training-diverged" "Training diverged" "The loss or a parameter became infinite or undefined before there was an epoch to keep. Lower the learning rate.";
    DeviceMemory 507 "device-memory" "The device has no memory left" "The GPU could not hold what the training needs. Make training.batch_size or the network smaller, wait until other jobs have ended, or train on the cpu.";
    AttemptsSpent 500 "attempts-spent" "The job's process died too often" "Each attempt ended with the death of its process, which often means that memory ran out.";
    ArtifactMissing 500 "artifact-missing" "A stored file is missing or damaged" "A dataset or model that the database knows has no readable file in the data folder.";
    Panicked 500 "panicked" "The job hit a defect of Whereof" "A thread panicked. The other jobs go on. Report it with the request id and the server's log.";
    Internal 500 "internal" "The server failed" "An unexpected failure. The request id finds it in the server's log.";
}

/// One thing that is wrong with a request, located as closely as possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Path of the field at fault, such as `training.epochs` or `texts[3]`; empty for the body as a
    /// whole.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Record at fault, counted from 1; the header line is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Name of the column at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl FieldError {
    /// An error at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), hint: None, row: None, column: None }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the record (from 1) and the column at fault.
    pub fn at(mut self, row: Option<u64>, column: Option<&str>) -> Self {
        self.row = row;
        self.column = column.map(str::to_owned);
        self
    }
}

/// Problem details (RFC 9457), served as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Stable URI reference of the kind of problem; `GET` it for an explanation.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid-request")]
    pub kind: String,
    /// Short summary of the kind.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable short name of the kind, for programs.
    #[schema(example = "invalid-request")]
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Every field at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The request, to be found again in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Seconds after which a repeat may succeed; also sent as `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem of a kind, with what happened this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{}", code.slug()),
            title: code.title().to_owned(),
            status: code.status(),
            code: code.slug().to_owned(),
            detail: detail.into(),
            hint: None,
            errors: Vec::new(),
            request_id: None,
            retry_after_seconds: None,
        }
    }

    /// A problem whose detail is its list of field errors.
    pub fn fields(code: Code, errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] if only.field.is_empty() => format!("the body {}", only.message),
            [only] => format!("{}: {}", only.field, only.message),
            many => {
                let (count, shown) = names(many);
                let (fields, are) = if count == 1 { ("field", "is") } else { ("fields", "are") };
                format!("{count} {fields} {are} at fault: {shown}")
            }
        };
        let hint = match errors.as_slice() {
            [only] => only.hint.clone(),
            _ => None,
        };
        Self { errors, hint, ..Self::new(code, detail) }
    }

    /// Nothing of `what` is stored under `name`.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(Code::NotFound, format!("no {what} named {name:?} is stored here"))
    }

    /// Whether the same request may succeed another time: it failed for no fault of its own.
    pub fn may_pass(&self) -> bool {
        self.status >= 500
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds after how many seconds to try again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What names a single field says no more than that field's error, which follows.
        let told = self.errors.len() == 1 && !self.errors[0].field.is_empty();
        match told {
            true => write!(f, "{}:", self.title)?,
            false => write!(f, "{}: {}", self.title, self.detail)?,
        }
        for error in &self.errors {
            write!(f, "\n  {}: {}", error.field, error.message)?;
            if let Some(hint) = &error.hint {
                write!(f, " ({hint})")?;
            }
        }
        let hinted =
            |hint: &String| self.errors.iter().any(|error| error.hint.as_ref() == Some(hint));
        if let Some(hint) = self.hint.as_ref().filter(|hint| !hinted(hint)) {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// How many fields there are among the errors, and the names of the first of them.
fn names(errors: &[FieldError]) -> (usize, String) {
    let mut names: Vec<&str> = Vec::new();
    for error in errors {
        if !names.contains(&error.field.as_str()) {
            names.push(&error.field);
        }
    }
    let shown = names.len().min(5);
    let rest = if names.len() > shown { ", …" } else { "" };
    (names.len(), format!("{}{rest}", names[..shown].join(", ")))
}

/// Names that a hint lists at most.
const LISTED: usize = 20;

/// What to do about a name that is not known: the nearest one, if one may be meant, and all of them,
/// called `what` together, as far as a person reads.
pub fn known_names(unknown: &str, what: &str, known: &[&str]) -> String {
    let near = nearest(unknown, known.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("did you mean {near:?}? "));
    let more = if known.len() > LISTED { ", …" } else { "" };
    format!("{near}{what}: {}{more}", known[..known.len().min(LISTED)].join(", "))
}

/// The name among `known` that is nearest to `unknown`, if one is near enough to be meant.
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(unknown, name), name))
        .filter(|(similarity, _)| *similarity >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_titles_are_there() {
        let mut slugs: Vec<_> = Code::ALL.iter().map(|c| c.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|c| !c.title().is_empty() && !c.meaning().is_empty()));
    }

    #[test]
    fn the_page_on_troubleshooting_has_each_code_and_its_status() {
        let page = include_str!("../docs/troubleshooting.md");
        let mut lines = page.lines();
        let mut told: Vec<(String, u16)> = Vec::new();
        while let Some(line) = lines.next() {
            if let Some(slug) = line.strip_prefix("### `").and_then(|rest| rest.strip_suffix('`')) {
                let status = lines.next().and_then(|line| line.split('.').next()).unwrap();
                told.push((slug.to_owned(), status.parse().unwrap()));
            }
        }
        let mut all: Vec<(String, u16)> =
            Code::ALL.iter().map(|code| (code.slug().to_owned(), code.status())).collect();
        told.sort_unstable();
        all.sort_unstable();
        assert_eq!(told, all);
    }

    #[test]
    fn nearest_names_what_was_meant() {
        assert_eq!(nearest("epocs", ["epochs", "batch_size"]), Some("epochs"));
        assert_eq!(nearest("zzz", ["epochs", "batch_size"]), None);
    }

    #[test]
    fn hints_name_the_nearest_and_all() {
        let known = ["epochs", "batch_size"];
        let hint = "did you mean \"epochs\"? known fields: epochs, batch_size";
        assert_eq!(known_names("epocs", "known fields", &known), hint);
        assert_eq!(known_names("zzz", "known fields", &known), hint.split_once("? ").unwrap().1);
        let many: Vec<String> = (0..21).map(|n| format!("x{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(known_names("zzz", "columns", &many).ends_with(", x19, …"));
    }

    #[test]
    fn field_errors_become_the_detail() {
        let one = Problem::fields(
            Code::InvalidRequest,
            vec![FieldError::new("training.epochs", "must be at least 1").hint("use 20")],
        );
        assert_eq!(one.detail, "training.epochs: must be at least 1");
        assert_eq!(one.hint.as_deref(), Some("use 20"));
        assert_eq!(one.status, 422);
        let body = FieldError::new("", "is a list");
        assert_eq!(Problem::fields(Code::InvalidRequest, vec![body]).detail, "the body is a list");
        let detail = |fields: &[&str]| {
            let errors = fields.iter().map(|field| FieldError::new(*field, "is wrong")).collect();
            Problem::fields(Code::InvalidRequest, errors).detail
        };
        assert_eq!(detail(&["a", "b", "a"]), "2 fields are at fault: a, b");
        assert_eq!(detail(&["a", "a"]), "1 field is at fault: a");
        assert_eq!(
            detail(&["a", "b", "c", "d", "e", "f"]),
            "6 fields are at fault: a, b, c, d, e, …"
        );
    }
}
