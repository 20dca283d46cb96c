//! The artifact: a model as one safetensors file with a JSON header.
//!
//! The header names the format's version and holds a SHA-256 of everything else, so that a file that
//! was truncated or altered, or that a newer version wrote, is refused with the reason. Loading
//! executes nothing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::card::Card;
use super::content::Content;
use super::coverage;
use super::encoder::Encoder;
use super::spec::TrainSpec;
use super::training_records::TrainingRecords;
use super::{Calibration, Model, Reader};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::calibrator::Choice;
use crate::eval::combination::Combination;
use crate::eval::conformal::CalibrationScores;
use crate::eval::detector::DetectorKind;
use crate::eval::interval_conformal::NormalizedIntervals;
use crate::eval::prediction_set::PredictionSets;
use crate::eval::prototypes::Prototypes;
use crate::eval::{Link, Matrix};
use crate::image::ImageSize;
use crate::learn::network::Frozen;
use crate::problem::{Code, Problem};
use crate::tabular::TabularEncoder;
use crate::task::{Head, Output};
use crate::text::Vectorizer;
use crate::text::vocabulary::Vocabulary;

const FORMAT: &str = "whereof-model";
/// Raised whenever a file of the version before can no longer be read as it is.
const VERSION: u32 = 3;

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
    /// It was made by a version whose files can no longer be read.
    #[error("the file has format version {found}; this version of Whereof reads {VERSION}")]
    Older {
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
            ArtifactError::Older { .. } => "train the model again from its spec and dataset",
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
    output: Output,
    encoder: EncoderHeader,
    detectors: Vec<DetectorKind>,
    calibrator: Option<Choice>,
    calibration_records: Option<usize>,
    prediction_sets: bool,
    normalized_intervals: bool,
    /// Words that many calibration texts hold; absent where no calibration record may be kept.
    common_words: Option<Vec<String>>,
    card: Card,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EncoderHeader {
    Text(VocabularyHeader),
    Table(Box<TabularEncoder>),
    Image(ImageSize),
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
        let Reader { output, encoder, network, prototypes, detectors, training_records } =
            &self.reader;
        let mut arrays = network.save();
        let encoder = match encoder {
            Encoder::Text(vectorizer) => {
                let vocabulary = vectorizer.vocabulary();
                arrays.put("vocabulary.keys", vocabulary.keys().to_vec());
                arrays.put("vocabulary.texts", vocabulary.texts().to_vec());
                EncoderHeader::Text(VocabularyHeader {
                    words: vocabulary.words(),
                    total_texts: vocabulary.total_texts(),
                    buckets: vocabulary.buckets(),
                })
            }
            Encoder::Table(encoder) => EncoderHeader::Table(Box::new(encoder.clone())),
            Encoder::Image(size) => EncoderHeader::Image(*size),
        };
        let centres = prototypes.centres();
        let shape = vec![centres.len(), centres.columns()];
        arrays.put_shaped("prototypes", shape, centres.values().to_vec());
        for (kind, detector) in detectors {
            arrays.absorb(&format!("detector.{}.", kind.name()), detector.save());
        }
        if let Some(records) = training_records {
            arrays.absorb("training_records.", records.save());
        }
        if let Some(combination) = &self.calibration.combination {
            for ((kind, _), scores) in detectors.iter().zip(combination.scores()) {
                arrays.put(&format!("calibration.{}", kind.name()), scores.to_vec());
            }
        }
        if let Some(sets) = &self.calibration.sets {
            arrays.absorb("calibration.sets.", sets.save());
        }
        let decisions = &self.calibration.decisions;
        let (confidence, right): (Vec<f64>, Vec<bool>) = decisions.iter().copied().unzip();
        arrays.put("calibration.confidence", confidence);
        arrays.put("calibration.right", right.into_iter().map(u32::from).collect());
        arrays.absorb("calibration.coverage.", coverage::save(&self.calibration.coverage));
        if let Some(normalized) = &self.calibration.normalized {
            arrays.absorb("calibration.normalized.", normalized.save());
        }
        let common_words = self.calibration.content.as_ref().map(|content| {
            let (saved, common) = content.save();
            arrays.absorb("calibration.content.", saved);
            common
        });
        for (target, errors) in self.calibration.errors.iter().enumerate() {
            arrays.put(&format!("calibration.errors.{target}"), errors.ascending().to_vec());
        }
        arrays.put("trained_on", self.trained_on.clone());
        let header = Header {
            spec: self.spec.clone(),
            output: output.clone(),
            encoder,
            detectors: detectors.iter().map(|(kind, _)| *kind).collect(),
            calibrator: self.calibration.calibrator.clone(),
            calibration_records: (self.calibration.records > 0).then_some(self.calibration.records),
            prediction_sets: self.calibration.sets.is_some(),
            normalized_intervals: self.calibration.normalized.is_some(),
            common_words,
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
        if version < u64::from(VERSION) {
            return Err(ArtifactError::Older { found: version as u32 });
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
    let Header { spec, output, card, .. } = header;
    if let Output::Labels { labels, head } = &output
        && (labels.is_empty() || (*head == Head::Binary && labels.len() != 2))
    {
        return Err(contradiction("the labels do not fit the head"));
    }
    if let Output::Values { names, scaler } = &output
        && (names.is_empty() || names.len() != scaler.targets())
    {
        return Err(contradiction("the targets do not fit their scale"));
    }
    let encoder = match header.encoder {
        EncoderHeader::Text(header) => {
            let VocabularyHeader { words, total_texts, buckets } = header;
            let keys = arrays.get::<u64>("vocabulary.keys")?.to_vec();
            let size = keys.len().saturating_add(buckets);
            if words > keys.len() || (buckets > 0 && words != keys.len()) {
                return Err(contradiction("the vocabulary has more words than n-grams"));
            }
            let texts = arrays.get_exact::<u32>("vocabulary.texts", size)?.to_vec();
            let vocabulary = Vocabulary::from_parts(keys, words, texts, total_texts, buckets);
            Encoder::Text(Vectorizer::new(spec.vectorizer.clone(), vocabulary))
        }
        EncoderHeader::Table(encoder) => Encoder::Table(*encoder),
        EncoderHeader::Image(size) => Encoder::Image(size),
    };
    let shape = encoder.shape(spec.network.text_form());
    if !spec.network.accepts(shape) {
        return Err(contradiction("the network does not take what the encoder gives"));
    }
    let network = Frozen::load(&spec.network, shape, output.outputs(), arrays)?;
    let centres = arrays.get::<f32>("prototypes")?.to_vec();
    let dimension = network.view().dimension();
    if dimension == 0 || !centres.len().is_multiple_of(dimension) {
        return Err(contradiction("the prototypes do not fit the network"));
    }
    let prototypes = Prototypes::from_centres(Matrix::from_values(dimension, centres));
    let mut detectors = Vec::new();
    for kind in header.detectors {
        let saved = arrays.under(&format!("detector.{}.", kind.name()));
        let link = output.head().map_or(Link::Softmax, Head::link);
        detectors.push((kind, kind.load(link, &saved)?));
    }
    let combination = match header.calibration_records {
        Some(records) if !detectors.is_empty() => {
            let scores = |kind: &DetectorKind| -> Result<Vec<f64>, ArraysError> {
                let name = format!("calibration.{}", kind.name());
                Ok(arrays.get_exact::<f64>(&name, records)?.to_vec())
            };
            let axes: Result<Vec<_>, _> = detectors.iter().map(|(kind, _)| scores(kind)).collect();
            Some(Combination::new(axes?))
        }
        _ => None,
    };
    let records = header.calibration_records.unwrap_or(0);
    let errors = match &output {
        Output::Values { names, .. } if records > 0 => {
            let errors = |target: usize| {
                let name = format!("calibration.errors.{target}");
                Ok(CalibrationScores::new(arrays.get_exact::<f64>(&name, records)?.to_vec()))
            };
            (0..names.len()).map(errors).collect::<Result<_, ArraysError>>()?
        }
        _ => Vec::new(),
    };
    let sets = match header.prediction_sets {
        true => Some(PredictionSets::load(&arrays.under("calibration.sets."))?),
        false => None,
    };
    let normalized = match header.normalized_intervals {
        true => Some(NormalizedIntervals::load(&arrays.under("calibration.normalized."))?),
        false => None,
    };
    let confidence = arrays.get::<f64>("calibration.confidence")?;
    let right = arrays.get_exact::<u32>("calibration.right", confidence.len())?;
    let decisions = confidence.iter().zip(right).map(|(&c, &right)| (c, right != 0)).collect();
    let coverage = coverage::load(&arrays.under("calibration.coverage."), records)?;
    let calibrator = header.calibrator;
    // Models of earlier versions do not tell.
    let trained_on = match arrays.has("trained_on") {
        true => arrays.get::<u64>("trained_on")?.to_vec(),
        false => Vec::new(),
    };
    let mut reader =
        Reader { output, encoder, network, prototypes, detectors, training_records: None };
    if arrays.has("training_records.rows") {
        let saved = arrays.under("training_records.");
        let (output, width) = (&reader.output, reader.vector_width());
        reader.training_records = Some(TrainingRecords::load(&saved, output, width)?);
    }
    let load = |common| {
        let saved = arrays.under("calibration.content.");
        Content::load((&saved, common), &reader.encoder, reader.vector_width())
    };
    let content = header.common_words.map(load).transpose()?;
    Ok(Model {
        trained_on,
        spec,
        reader,
        calibration: Calibration {
            calibrator,
            combination,
            sets,
            decisions,
            coverage,
            errors,
            normalized,
            content,
            records,
        },
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
