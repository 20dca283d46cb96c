//! The artifact: a model as one safetensors file with a JSON header.
//!
//! The header names the format's version and holds a SHA-256 of everything else, so that a file that
//! was truncated or altered, or that a newer version wrote, is refused with the reason. Loading
//! executes nothing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::card::Card;
use super::spec::TrainSpec;
use super::{Calibration, Model, Reader};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::Matrix;
use crate::eval::calibrator::Calibrator;
use crate::eval::combination::Combination;
use crate::eval::conformal::CalibrationScores;
use crate::eval::detector::DetectorKind;
use crate::eval::prototypes::Prototypes;
use crate::learn::network::Frozen;
use crate::problem::{Code, Problem};
use crate::task::{Head, LabelSet};
use crate::text::Vectorizer;
use crate::text::vocabulary::Vocabulary;

const FORMAT: &str = "whereof-model";
/// Raised whenever a file of the version before can no longer be read as it is.
const VERSION: u32 = 1;

/// Why a file is no model that this version can load.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The bytes are no safetensors file, or cut short.
    #[error("the file is truncated or is no safetensors file: {0}")]
    Unreadable(String),
    /// It is a safetensors file of something else.
    #[error("the file is a safetensors file, but not a model of Whereof")]
    Foreign,
    /// It was made by a newer version.
    #[error("the file has format version {found}; this version of Whereof reads up to {VERSION}")]
    Newer {
        /// Its format version.
        found: u32,
    },
    /// Its bytes are not those that were written.
    #[error("the file was altered after it was written: its checksum does not match")]
    Altered,
    /// Its parts do not fit one another.
    #[error("the parts of the file contradict one another: {0}")]
    Inconsistent(String),
}

impl From<ArraysError> for ArtifactError {
    fn from(error: ArraysError) -> Self {
        Self::Inconsistent(error.to_string())
    }
}

impl From<ArtifactError> for Problem {
    fn from(error: ArtifactError) -> Self {
        let hint = match error {
            ArtifactError::Newer { .. } => {
                "import it with the version that made it, or a later one"
            }
            ArtifactError::Foreign => "import a file that GET /v1/models/{id}/artifact gave",
            _ => "download the model again from the server that trained it",
        };
        Problem::new(Code::InvalidArtifact, error.to_string()).hint(hint)
    }
}

#[derive(Serialize, Deserialize)]
struct Preamble {
    format: String,
    version: u32,
    checksum: String,
    header: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    spec: TrainSpec,
    labels: LabelSet,
    head: Head,
    detectors: Vec<DetectorKind>,
    calibrator: Option<Calibrator>,
    calibration_records: Option<usize>,
    prediction_sets: bool,
    vocabulary: VocabularyHeader,
    card: Card,
}

#[derive(Serialize, Deserialize)]
struct VocabularyHeader {
    words: usize,
    total_texts: u32,
    buckets: usize,
}

impl Model {
    /// The artifact's bytes. The same model gives the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let Reader { labels, head, vectorizer, network, prototypes, detectors } = &self.reader;
        let vocabulary = vectorizer.vocabulary();
        let mut arrays = network.save();
        arrays.put("vocabulary.keys", vocabulary.keys().to_vec());
        arrays.put("vocabulary.texts", vocabulary.texts().to_vec());
        let centres = prototypes.centres();
        let shape = vec![centres.len(), centres.columns()];
        arrays.put_shaped("prototypes", shape, centres.values().to_vec());
        for (kind, detector) in detectors {
            arrays.absorb(&format!("detector.{}.", kind.name()), detector.save());
        }
        if let Some(combination) = &self.calibration.combination {
            for ((kind, _), scores) in detectors.iter().zip(combination.scores()) {
                arrays.put(&format!("calibration.{}", kind.name()), scores.to_vec());
            }
        }
        if let Some(scores) = &self.calibration.label_scores {
            arrays.put("calibration.labels", scores.ascending().to_vec());
        }
        let header = Header {
            spec: self.spec.clone(),
            labels: labels.clone(),
            head: *head,
            detectors: detectors.iter().map(|(kind, _)| *kind).collect(),
            calibrator: self.calibration.calibrator,
            calibration_records: self.calibration.combination.as_ref().map(Combination::records),
            prediction_sets: self.calibration.label_scores.is_some(),
            vocabulary: VocabularyHeader {
                words: vocabulary.words(),
                total_texts: vocabulary.total_texts(),
                buckets: vocabulary.buckets(),
            },
            card: self.card.clone(),
        };
        let header = to_json(&header)?;
        let checksum = checksum(&header, &arrays)?;
        let preamble = Preamble { format: FORMAT.to_owned(), version: VERSION, checksum, header };
        arrays.metadata = to_json(&preamble)?;
        Ok(arrays.to_bytes()?)
    }

    /// Loads an artifact.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let mut arrays =
            Arrays::from_bytes(bytes).map_err(|e| ArtifactError::Unreadable(e.to_string()))?;
        let metadata = std::mem::take(&mut arrays.metadata);
        // The version is read first and by itself: a newer header may have another shape.
        let value: serde_json::Value =
            serde_json::from_str(&metadata).map_err(|_| ArtifactError::Foreign)?;
        if value["format"] != FORMAT {
            return Err(ArtifactError::Foreign);
        }
        let version = value["version"].as_u64().ok_or(ArtifactError::Altered)?;
        if version > u64::from(VERSION) {
            return Err(ArtifactError::Newer { found: version as u32 });
        }
        let preamble: Preamble =
            serde_json::from_value(value).map_err(|_| ArtifactError::Altered)?;
        if checksum(&preamble.header, &arrays)? != preamble.checksum {
            return Err(ArtifactError::Altered);
        }
        let header: Header = serde_json::from_str(&preamble.header)
            .map_err(|e| ArtifactError::Inconsistent(e.to_string()))?;
        assemble(header, &arrays)
    }
}

fn assemble(header: Header, arrays: &Arrays) -> Result<Model, ArtifactError> {
    let contradiction = |what: &str| ArtifactError::Inconsistent(what.to_owned());
    let Header { spec, labels, head, card, .. } = header;
    let VocabularyHeader { words, total_texts, buckets } = header.vocabulary;
    let keys = arrays.get::<u64>("vocabulary.keys")?.to_vec();
    let size = keys.len().saturating_add(buckets);
    if words > keys.len() || (buckets > 0 && words != keys.len()) {
        return Err(contradiction("the vocabulary has more words than n-grams"));
    }
    let texts = arrays.get_exact::<u32>("vocabulary.texts", size)?.to_vec();
    let vocabulary = Vocabulary::from_parts(keys, words, texts, total_texts, buckets);
    let outputs = if head == Head::Binary { 1 } else { labels.len() };
    if labels.is_empty() || (head == Head::Binary && labels.len() != 2) {
        return Err(contradiction("the labels do not fit the head"));
    }
    let network = Frozen::load(&spec.network, size, outputs, arrays)?;
    let centres = arrays.get::<f32>("prototypes")?.to_vec();
    let dimension = network.view().dimension();
    if dimension == 0 || !centres.len().is_multiple_of(dimension) {
        return Err(contradiction("the prototypes do not fit the network"));
    }
    let prototypes = Prototypes::from_centres(Matrix::from_values(dimension, centres));
    let mut detectors = Vec::new();
    for kind in header.detectors {
        let saved = arrays.under(&format!("detector.{}.", kind.name()));
        detectors.push((kind, kind.load(head.link(), &saved)?));
    }
    let combination = match header.calibration_records {
        None => None,
        Some(records) => {
            let scores = |kind: &DetectorKind| -> Result<Vec<f64>, ArraysError> {
                let name = format!("calibration.{}", kind.name());
                Ok(arrays.get_exact::<f64>(&name, records)?.to_vec())
            };
            let axes: Result<Vec<_>, _> = detectors.iter().map(|(kind, _)| scores(kind)).collect();
            Some(Combination::new(axes?))
        }
    };
    let label_scores = if header.prediction_sets {
        Some(CalibrationScores::new(arrays.get::<f64>("calibration.labels")?.to_vec()))
    } else {
        None
    };
    let vectorizer = Vectorizer::new(spec.vectorizer.clone(), vocabulary);
    Ok(Model {
        spec,
        reader: Reader { labels, head, vectorizer, network, prototypes, detectors },
        calibration: Calibration { calibrator: header.calibrator, combination, label_scores },
        card,
    })
}

fn to_json(value: &impl Serialize) -> Result<String, ArtifactError> {
    serde_json::to_string(value).map_err(|e| ArtifactError::Inconsistent(e.to_string()))
}

/// SHA-256 of the header and of the arrays as a file without metadata.
fn checksum(header: &str, arrays: &Arrays) -> Result<String, ArtifactError> {
    debug_assert!(arrays.metadata.is_empty());
    let mut hash = Sha256::new();
    hash.update((header.len() as u64).to_le_bytes());
    hash.update(header.as_bytes());
    hash.update(arrays.to_bytes()?);
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
