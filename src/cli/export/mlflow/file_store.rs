//! MLflow's file store: a folder for each experiment, in it one for each run.
//!
//! `mlruns/EXPERIMENT/RUN/meta.yaml`, and beside it `params/NAME` (the value), `tags/NAME` (the value),
//! `metrics/NAME` (a line for each value: milliseconds, value, step) and `artifacts/`. A run keeps its id:
//! MLflow's are 32 hexadecimal digits too. Exporting a run again replaces it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Written;
use super::entry::Entry;
use crate::cli::Failure;
use crate::diagnose::render::path_part;

/// A folder of MLflow's, and an experiment in it.
pub struct FileStore {
    /// The experiment's folder, absolute.
    folder: PathBuf,
    /// The experiment's id, the name of that folder.
    experiment: String,
}

impl FileStore {
    /// Opens a folder for an experiment; makes what is not there.
    pub fn open(folder: &Path, experiment: &str) -> Result<Self, Failure> {
        let made = !folder.exists();
        make(folder)?;
        let root = folder
            .canonicalize()
            .map_err(|error| format!("{} cannot be used: {error}", folder.display()))?;
        if made {
            // MLflow expects it, and makes it itself only where the folder is not there.
            write_experiment(&root, "0", "Default")?;
        }
        let id = match find(&root, experiment)? {
            Some(id) => id,
            None => {
                let id = number_of(experiment);
                write_experiment(&root, &id, experiment)?;
                id
            }
        };
        Ok(Self { folder: root.join(&id), experiment: id })
    }

    /// Writes a run; one that is there already is replaced.
    pub fn write(&self, entry: &Entry) -> Result<Written, Failure> {
        let id = id_of(&entry.run);
        let folder = self.folder.join(&id);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| format!("{} cannot be replaced: {error}", folder.display()))?;
        }
        let [parameters, metrics, tags, artifacts] =
            ["params", "metrics", "tags", "artifacts"].map(|part| folder.join(part));
        for part in [&parameters, &metrics, &tags, &artifacts] {
            make(part)?;
        }
        for (name, value) in &entry.parameters {
            write(&parameters.join(name), value)?;
        }
        for (name, values) in &entry.metrics {
            // Rust's debug form of a number is one that Python reads, NaN and infinities included.
            let lines: String = values
                .iter()
                .map(|m| format!("{} {:?} {}\n", m.time.millis(), m.value, m.step))
                .collect();
            write(&metrics.join(name), &lines)?;
        }
        let parent = entry.parent.as_deref().map(|run| ("mlflow.parentRunId", id_of(run)));
        let own = [("mlflow.runName", entry.name.clone())].into_iter().chain(parent);
        for (name, value) in own {
            write(&tags.join(name), &value)?;
        }
        for (name, value) in &entry.tags {
            write(&tags.join(name), value)?;
        }
        write(&artifacts.join("run.json"), &format!("{:#}\n", entry.document))?;
        // Last: a folder without it is no run to MLflow, so that none is seen half written.
        let meta = json!({
            "artifact_uri": uri(&artifacts), "deleted_time": null, "end_time": entry.ended.millis(),
            "entry_point_name": "", "experiment_id": self.experiment, "lifecycle_stage": "active",
            "run_id": id, "run_name": entry.name, "run_uuid": id, "source_name": "",
            "source_type": 4, "source_version": "", "start_time": entry.started.millis(),
            "status": entry.status as u8, "tags": [], "user_id": "whereof",
        });
        write_meta(&folder, &meta)?;
        Ok(Written { id, kept: false })
    }
}

/// A run's id in MLflow.
fn id_of(run: &str) -> String {
    run.trim_start_matches("run_").to_owned()
}

/// A number for an experiment, always the same for its name.
fn number_of(experiment: &str) -> String {
    let hash = Sha256::digest(experiment.as_bytes());
    let number = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    // 18 digits, as MLflow's own.
    (100_000_000_000_000_000 + number % 900_000_000_000_000_000).to_string()
}

/// The id of the experiment of a name.
fn find(root: &Path, experiment: &str) -> Result<Option<String>, Failure> {
    let entries = std::fs::read_dir(root)
        .map_err(|error| format!("{} cannot be read: {error}", root.display()))?;
    for entry in entries {
        let folder = entry.map_err(|error| format!("{}: {error}", root.display()))?.path();
        // What has no such file is no experiment, such as MLflow's trash.
        let Ok(meta) = std::fs::read_to_string(folder.join("meta.yaml")) else { continue };
        let name = meta.lines().find_map(|line| line.strip_prefix("name:")).map(scalar);
        if name.as_deref() == Some(experiment) {
            return Ok(folder.file_name().map(|id| id.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// A scalar of YAML as MLflow writes names: plain, or in quotes.
fn scalar(text: &str) -> String {
    let text = text.trim();
    if let Ok(Value::String(text)) = crate::json::parse(text.as_bytes()) {
        return text;
    }
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    inner.map_or_else(|| text.to_owned(), |text| text.replace("''", "'"))
}

fn write_experiment(root: &Path, id: &str, name: &str) -> Result<(), Failure> {
    let folder = root.join(id);
    make(&folder)?;
    let meta = json!({
        "artifact_location": uri(&folder), "experiment_id": id, "lifecycle_stage": "active",
        "name": name,
    });
    write_meta(&folder, &meta)
}

/// YAML, a line for each field; what is JSON is YAML as well.
fn write_meta(folder: &Path, meta: &Value) -> Result<(), Failure> {
    let fields = meta.as_object().into_iter().flatten();
    let lines: String = fields.map(|(name, value)| format!("{name}: {value}\n")).collect();
    write(&folder.join("meta.yaml"), &lines)
}

fn uri(folder: &Path) -> String {
    let parts = folder.to_string_lossy();
    let parts: Vec<String> = parts.split('/').map(path_part).collect();
    format!("file://{}", parts.join("/"))
}

fn make(folder: &Path) -> Result<(), Failure> {
    let made = std::fs::create_dir_all(folder);
    Ok(made.map_err(|error| format!("{} cannot be made: {error}", folder.display()))?)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let written = std::fs::write(file, text);
    Ok(written.map_err(|error| format!("{} cannot be written: {error}", file.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_found_by_its_name_however_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mlruns");
        let first = FileStore::open(&root, "it's ours: yes").unwrap();
        let again = FileStore::open(&root, "it's ours: yes").unwrap();
        assert_eq!(first.experiment, again.experiment);
        // As MLflow writes them.
        for (id, line) in [("17", "name: plain"), ("18", "name: 'it''s: quoted'")] {
            make(&root.join(id)).unwrap();
            write(&root.join(id).join("meta.yaml"), &format!("experiment_id: '{id}'\n{line}\n"))
                .unwrap();
        }
        assert_eq!(FileStore::open(&root, "plain").unwrap().experiment, "17");
        assert_eq!(FileStore::open(&root, "it's: quoted").unwrap().experiment, "18");
        assert_eq!(FileStore::open(&root, "Default").unwrap().experiment, "0");
    }
}
