//! A report as a page to read: Markdown, or one HTML file that needs nothing else. Both say the same in
//! the same words (`words`), to someone who knows no statistics.

mod chart;
pub mod html;
pub mod html_text;
pub mod markdown;
mod steps;
mod tables;
pub mod ticks;
pub mod words;

pub use words::path_part;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

/// What a page says of the model beside its limitations, and where it can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Id of the model.
    pub id: String,
    /// Name under which it is found, if it has one.
    pub name: Option<String>,
    /// What it does, such as `text_classification`.
    pub task: String,
    /// Id of the dataset that it was made from.
    pub dataset: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// The job of the diagnosis.
    pub diagnosis: String,
    /// Where the server answers, such as `http://localhost:8080`; empty where that is not known.
    pub server: String,
    /// Whether calls need an API key.
    pub needs_key: bool,
}

impl Subject {
    /// What to call it.
    fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}
