//! `/v1/catalog`: everything that a job can be made of, with fields, ranges and defaults. It follows
//! from the types' schemas, so it cannot drift from what is enforced.

use axum::Json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::extract::schemas;
use super::schema::Schemas;
use crate::data::generator::GeneratorSpec;
use crate::diagnose::ALL;
use crate::diagnose::finding::Area;
use crate::eval::calibrator::CalibratorKind;
use crate::eval::detector::{DetectorKind, RecordKind};
use crate::learn::device::DeviceName;
use crate::learn::network::NetworkSpec;
use crate::learn::optimizer::OptimizerSpec;
use crate::learn::range_test::RangeTestSpec;
use crate::learn::regularize::RegularizationSpec;
use crate::learn::schedule::ScheduleSpec;
use crate::model::augmentation::AugmentationSpec;
use crate::task::TaskSpec;
use crate::text::VectorizerSpec;

/// What a job, and a dataset without a file, can be made of.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Catalog {
    /// `task`.
    pub tasks: Vec<Choice>,
    /// `network`.
    pub networks: Vec<Choice>,
    /// `optimizer`.
    pub optimizers: Vec<Choice>,
    /// `schedule`.
    pub schedules: Vec<Choice>,
    /// `vectorizer`.
    pub vectorizer: Choice,
    /// `regularization`.
    pub regularization: Choice,
    /// `augmentation`: for each kind of input.
    pub augmentation: Vec<Choice>,
    /// `training`.
    pub training: Choice,
    /// `range_test`, of a job of that kind.
    pub range_test: Choice,
    /// Where it can be trained: values of `device`.
    #[schema(example = json!(["cpu"]))]
    pub devices: Vec<String>,
    /// `detectors`, in the order in which the default ones are combined; each says for which records
    /// it is one.
    pub detectors: Vec<Choice>,
    /// `calibrator`, the simpler first.
    pub calibrators: Vec<Choice>,
    /// `generator` of a dataset.
    pub generators: Vec<Choice>,
    /// What a diagnosis looks for: values of `only`.
    pub limitations: Vec<LimitationChoice>,
}

/// A limitation that a diagnosis looks for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LimitationChoice {
    /// Its name: `kind` of its finding.
    #[schema(example = "learning_rate_too_high")]
    pub kind: String,
    /// Which kind of limit it is about.
    pub area: Area,
    /// What is looked for.
    #[schema(example = "whether a smaller learning rate does better")]
    pub about: String,
}

/// One thing to choose.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// Its name: the `type` to send.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Its fields, each with its schema and, where it has one, its default.
    pub fields: Map<String, Value>,
}

/// List what a job can be made of: tasks, networks, optimisers, schedules, with fields, ranges and
/// defaults; the generators of datasets; and the limitations that a diagnosis looks for.
#[utoipa::path(get, path = "/v1/catalog", tag = "jobs",
    responses((status = 200, description = "The catalogue", body = Catalog)))]
pub async fn catalog() -> Json<Catalog> {
    let schemas = schemas();
    Json(Catalog {
        tasks: variants::<TaskSpec>(schemas, "TaskSpec"),
        networks: variants::<NetworkSpec>(schemas, "NetworkSpec"),
        optimizers: variants::<OptimizerSpec>(schemas, "OptimizerSpec"),
        schedules: variants::<ScheduleSpec>(schemas, "ScheduleSpec"),
        vectorizer: choice(schemas, "VectorizerSpec", &json_of(&VectorizerSpec::default())),
        regularization: choice(
            schemas,
            "RegularizationSpec",
            &json_of(&RegularizationSpec::default()),
        ),
        augmentation: augmentation(schemas),
        training: choice(schemas, "TrainingRequest", &Value::Null),
        range_test: choice(schemas, "RangeTestSpec", &json_of(&RangeTestSpec::default())),
        devices: DeviceName::available().iter().map(DeviceName::to_string).collect(),
        detectors: DetectorKind::ALL.iter().map(|kind| detector(*kind)).collect(),
        calibrators: CalibratorKind::ALL
            .iter()
            .map(|kind| named(kind.name(), kind.description()))
            .collect(),
        generators: variants::<GeneratorSpec>(schemas, "GeneratorSpec"),
        limitations: ALL
            .iter()
            .map(|diagnosis| LimitationChoice {
                kind: diagnosis.kind().to_owned(),
                area: diagnosis.area(),
                about: diagnosis.about().to_owned(),
            })
            .collect(),
    })
}

/// Plain data, which always can be JSON.
fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The variants of a tagged type. Its defaults are what its tag alone is read as, if that suffices.
fn variants<T: Serialize + DeserializeOwned>(schemas: &Schemas, name: &str) -> Vec<Choice> {
    let variants = schemas.get(name).and_then(|schema| schema["oneOf"].as_array());
    let variants: Vec<&Value> = variants.into_iter().flatten().collect();
    let Some((tag, choices)) = schemas.tag(&variants) else { return Vec::new() };
    choices
        .into_iter()
        .map(|(name, schema)| {
            let default = serde_json::from_value::<T>(json!({ tag: name }));
            let default = default.map(|value| json_of(&value)).unwrap_or_default();
            let mut fields = fields(schemas, schema, &default);
            fields.remove(tag);
            Choice { name: name.to_owned(), description: description(schemas, schema), fields }
        })
        .collect()
}

fn choice(schemas: &Schemas, name: &str, default: &Value) -> Choice {
    let schema = schemas.get(name).unwrap_or(&Value::Null);
    Choice {
        name: snake_case(name.trim_end_matches("Spec").trim_end_matches("Request")),
        description: description(schemas, schema),
        fields: fields(schemas, schema, default),
    }
}

fn augmentation(schemas: &Schemas) -> Vec<Choice> {
    let default = json_of(&AugmentationSpec::default());
    let of = |name: &str, schema: &str| Choice {
        name: name.to_owned(),
        ..choice(schemas, schema, &default[name])
    };
    vec![
        of("text", "TextAugmentationSpec"),
        of("image", "ImageAugmentationSpec"),
        of("tabular", "TabularAugmentationSpec"),
    ]
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (position, letter) in name.char_indices() {
        if position > 0 && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A detector, and what it is used for unless asked otherwise.
fn detector(kind: DetectorKind) -> Choice {
    let records = [
        (RecordKind::Text, "texts"),
        (RecordKind::Row, "rows of a table"),
        (RecordKind::Image, "images"),
    ];
    let used = |labels: bool| {
        let used = records.into_iter().filter(|(records, _)| {
            DetectorKind::defaults(*records, labels).any(|default| default == kind)
        });
        used.map(|(_, name)| name).collect::<Vec<_>>().join(", ")
    };
    let used = match (used(true), used(false)) {
        (labels, _) if labels.is_empty() => "Used where it is asked for.".to_owned(),
        (labels, numbers) if labels == numbers => format!("Used by default for {labels}."),
        (labels, numbers) if numbers.is_empty() => {
            format!("Used by default for {labels}, where labels are predicted.")
        }
        (labels, numbers) => {
            format!("Used by default for {labels}; where numbers are predicted, for {numbers}.")
        }
    };
    named(kind.name(), format!("{} {used}", kind.description()))
}

fn named(name: &str, description: String) -> Choice {
    Choice { name: name.to_owned(), description, fields: Map::new() }
}

fn description(schemas: &Schemas, schema: &Value) -> String {
    let own = schema["description"].as_str();
    own.or_else(|| schemas.resolve(schema)["description"].as_str()).unwrap_or_default().to_owned()
}

fn fields(schemas: &Schemas, schema: &Value, defaults: &Value) -> Map<String, Value> {
    let schema = schemas.resolve(schema);
    let mut all = Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        all.extend(fields(schemas, part, defaults));
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let mut field = schema.clone();
        if let (Some(field), Some(default)) = (field.as_object_mut(), defaults.get(name)) {
            field.insert("default".to_owned(), json!(default));
        }
        all.insert(name.clone(), field);
    }
    all
}
