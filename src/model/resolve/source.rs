//! A training that starts from another model's network, checked against that model.

use serde_json::Value;

use super::{Allowance, Resolved, resolve_checked};
use crate::data::profile::Profile;
use crate::image::{ImageColors, ImageSpec};
use crate::learn::network::NetworkSpec;
use crate::model::Model;
use crate::model::encoder::Encoder;
use crate::model::init_from::{InitFrom, InitFromRequest};
use crate::model::spec::TrainRequest;
use crate::problem::FieldError;
use crate::task::Input;
use crate::text::VectorizerSpec;

/// Settings that change neither the layers nor what they mean.
const FREE: [&str; 2] = ["dropout", "initialization"];

/// A model to start from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// How it is referred to in the request.
    pub reference: &'a str,
    /// Its id.
    pub id: &'a str,
    /// SHA-256 of its artifact.
    pub sha256: &'a str,
    /// The model.
    pub model: &'a Model,
}

/// Checks a request against its dataset and the model that it starts from, if it names one.
pub fn resolve_from(
    request: &TrainRequest,
    source: Option<Source<'_>>,
    profile: &Profile,
    allowance: Allowance,
) -> Result<Resolved, Vec<FieldError>> {
    let Some(init) = &request.init_from else {
        return resolve_checked(request, profile, allowance);
    };
    let Some(source) = source.filter(|source| source.reference == init.model) else {
        let message = format!("{:?} is not the model that the others start from", init.model);
        let hint = "a sweep starts from one model; leave this field out of space";
        return Err(vec![FieldError::new("init_from.model", message).hint(hint)]);
    };
    let mut errors = Vec::new();
    let adapted = adapt(request, source.model, &mut errors);
    check_freeze(init, source.model, &mut errors);
    if !(init.learning_rate_factor.is_finite() && init.learning_rate_factor > 0.0) {
        let field = "init_from.learning_rate_factor";
        errors.push(FieldError::new(field, "is no number above 0").hint("0.1 is usual"));
    }
    let mut resolved = match resolve_checked(&adapted, profile, allowance) {
        Ok(resolved) if errors.is_empty() => resolved,
        Ok(_) => return Err(errors),
        Err(more) => {
            errors.extend(more);
            return Err(errors);
        }
    };
    resolved.spec.init_from = Some(InitFrom {
        model: source.id.to_owned(),
        sha256: source.sha256.to_owned(),
        freeze: init.freeze.clone(),
        learning_rate_factor: init.learning_rate_factor,
        new_head: init.new_head,
    });
    // What the model knows comes to what the dataset may hold.
    let layout = source.model.reader.network.layout();
    let (rows, size) = (layout.table.map_or(0, |(rows, _)| rows), layout.table_size() as u64);
    let estimate = &mut resolved.estimate;
    estimate.vocabulary_at_most = estimate.vocabulary_at_most.saturating_add(rows as u64);
    estimate.parameters_at_most = estimate.parameters_at_most.saturating_add(size);
    estimate.memory_bytes_at_most = estimate.memory_bytes_at_most.saturating_add(size * 40);
    if estimate.memory_bytes_at_most > allowance.memory_bytes {
        let message = format!(
            "together with the model's vocabulary, training could need {} MiB; a job may use {} MiB",
            estimate.memory_bytes_at_most >> 20,
            allowance.memory_bytes >> 20
        );
        let hint = "start from a smaller model, or lower vectorizer.max_vocabulary";
        return Err(vec![FieldError::new("init_from.model", message).hint(hint)]);
    }
    Ok(resolved)
}

/// The request with what it leaves open taken from the model; tells what does not fit.
fn adapt(request: &TrainRequest, model: &Model, errors: &mut Vec<FieldError>) -> TrainRequest {
    let mut adapted = request.clone();
    adapted.init_from = None;
    let (own, source) = (request.task.input(), model.spec.task.input());
    if std::mem::discriminant(&own) != std::mem::discriminant(&source) {
        let noun = |input: &Input<'_>| match input {
            Input::Text(_) => "texts",
            Input::Table(_) => "rows of a table",
            Input::Image(_) => "images",
        };
        let message = format!("the model takes {}, not {}", noun(&source), noun(&own));
        let hint = "name a model whose task has the same kind of input";
        errors.push(FieldError::new("init_from.model", message).hint(hint));
        return adapted;
    }
    match &request.network {
        None => adapted.network = Some(model.spec.network.clone()),
        Some(network) => compare_networks(network, &model.spec.network, errors),
    }
    let theirs = &model.spec.vectorizer;
    if request.vectorizer == VectorizerSpec::default() {
        adapted.vectorizer = theirs.clone();
    } else if matches!(own, Input::Text(_)) {
        let own = serde_json::to_value(&request.vectorizer).unwrap_or_default();
        let theirs = serde_json::to_value(theirs).unwrap_or_default();
        // How many are kept is free; what they are is not.
        let kept = ["min_word_count", "min_ngram_count", "max_vocabulary"];
        differences("vectorizer", (&own, &theirs), &kept, errors);
    }
    if request.tabular == Default::default() {
        adapted.tabular = model.spec.tabular.clone();
    }
    if let Encoder::Image(size) = &model.reader.encoder {
        let colors = if size.channels == 1 { ImageColors::Grey } else { ImageColors::Rgb };
        let theirs =
            ImageSpec { height: Some(size.height), width: Some(size.width), colors: Some(colors) };
        let fits = request.image.height.is_none_or(|height| height == size.height)
            && request.image.width.is_none_or(|width| width == size.width)
            && request.image.colors.is_none_or(|own| Some(own) == theirs.colors);
        if !fits {
            let message = format!(
                "the model takes images of {} by {} pixels and {} channels",
                size.height, size.width, size.channels
            );
            let hint = "leave image out: images are then brought to the size of the model";
            errors.push(FieldError::new("image", message).hint(hint));
        }
        adapted.image = theirs;
    }
    adapted
}

fn compare_networks(own: &NetworkSpec, theirs: &NetworkSpec, errors: &mut Vec<FieldError>) {
    if own.name() != theirs.name() {
        let message =
            format!("is {}, and the network of the model is {}", own.name(), theirs.name());
        let hint = "leave network out: it is then that of the model";
        errors.push(FieldError::new("network.type", message).hint(hint));
        return;
    }
    let own = serde_json::to_value(own).unwrap_or_default();
    let theirs = serde_json::to_value(theirs).unwrap_or_default();
    differences("network", (&own, &theirs), &FREE, errors);
}

/// Fields that differ, but for those that may.
fn differences(
    field: &str,
    (own, theirs): (&Value, &Value),
    free: &[&str],
    errors: &mut Vec<FieldError>,
) {
    for (name, value) in own.as_object().into_iter().flatten() {
        if !free.contains(&name.as_str()) && *value != theirs[name] {
            let message = format!("is {value}, and {} in the model", theirs[name]);
            let hint = format!("leave {field} out: it is then that of the model");
            errors.push(FieldError::new(format!("{field}.{name}"), message).hint(hint));
        }
    }
}

fn check_freeze(init: &InitFromRequest, model: &Model, errors: &mut Vec<FieldError>) {
    let layers = model.reader.network.layout().layers();
    for (i, name) in init.freeze.iter().enumerate() {
        if !layers.contains(name) {
            let field = format!("init_from.freeze[{i}]");
            let message = format!("the network has no layer {name:?}");
            let hint = format!("its layers are: {}", layers.join(", "));
            errors.push(FieldError::new(field, message).hint(hint));
        }
    }
    if layers.iter().all(|layer| init.freeze.contains(layer)) {
        let message = "names every layer: nothing would learn";
        let hint = format!("leave {} out", layers.last().map_or("", String::as_str));
        errors.push(FieldError::new("init_from.freeze", message).hint(hint));
    }
}
