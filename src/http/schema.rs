//! Checks a request's body against the schema that the OpenAPI document shows, and finds everything
//! that is wrong at once: unknown fields (with the nearest known name), missing ones, wrong types,
//! values out of range. What the document promises is what is enforced.

use serde_json::{Map, Value};

use crate::problem::{FieldError, known_names, nearest};

/// Errors that are reported at most: a body can hold millions.
const MAX_ERRORS: usize = 100;

/// Schemas by name, from an OpenAPI document.
pub struct Schemas {
    components: Map<String, Value>,
}

impl Schemas {
    /// From an OpenAPI document as JSON.
    pub fn new(mut document: Value) -> Self {
        let components = match document["components"]["schemas"].take() {
            Value::Object(components) => components,
            _ => Map::new(),
        };
        Self { components }
    }

    /// The schema of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.components.get(name)
    }

    /// Everything that is wrong with `value` as `name`.
    pub fn check(&self, name: &str, value: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        match self.get(name) {
            Some(schema) => self.value(schema, value, "", &mut errors),
            None => errors.push(FieldError::new("", format!("no schema named {name}"))),
        }
        errors.truncate(MAX_ERRORS);
        errors
    }

    /// Everything that is wrong with `value` as `schema`, told as of the field at `path`.
    pub fn check_at(&self, schema: &Value, value: &Value, path: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.value(schema, value, path, &mut errors);
        errors
    }

    /// Follows a reference.
    pub fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let name = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next());
        match name.and_then(|name| self.get(name)) {
            Some(target) => self.resolve(target),
            None => schema,
        }
    }

    fn value(&self, schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let schema = self.resolve(schema);
        if let Some(variants) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            return self.one_of(variants, value, path, errors);
        }
        if schema["allOf"].is_array() || schema["properties"].is_object() {
            return match value {
                Value::Object(map) => self.object(schema, map, path, errors),
                other => errors.push(wrong_type(path, "an object", other)),
            };
        }
        if let Some(allowed) = schema["enum"].as_array() {
            if !allowed.contains(value) {
                errors.push(not_among(path, value, allowed));
            }
            return;
        }
        self.plain(schema, value, path, errors);
    }

    fn plain(&self, schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => return,
        };
        let fits = |t: &&str| match *t {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        };
        if !types.iter().any(fits) {
            let wanted: Vec<&str> = types.iter().map(|t| article(t)).collect();
            errors.push(wrong_type(path, &wanted.join(" or "), value));
            return;
        }
        match value {
            Value::Number(number) => range(schema, number.as_f64(), path, errors),
            Value::String(text) => length(schema, text, path, errors),
            // Names that the user chooses, each with a value of one schema.
            Value::Object(map) if schema["additionalProperties"].is_object() => {
                for (name, value) in map {
                    if errors.len() >= MAX_ERRORS {
                        return;
                    }
                    let path = join(path, &shortened(name));
                    self.value(&schema["additionalProperties"], value, &path, errors);
                }
            }
            Value::Array(items) => {
                if let Some(most) = schema["maxItems"].as_u64()
                    && items.len() as u64 > most
                {
                    let message = format!("has {} entries; at most {most} are taken", items.len());
                    errors.push(FieldError::new(path, message).hint("send less at once"));
                    return;
                }
                for (index, item) in items.iter().enumerate() {
                    if errors.len() >= MAX_ERRORS {
                        return;
                    }
                    self.value(&schema["items"], item, &format!("{path}[{index}]"), errors);
                }
            }
            _ => {}
        }
    }

    fn object(
        &self,
        schema: &Value,
        map: &Map<String, Value>,
        path: &str,
        errors: &mut Vec<FieldError>,
    ) {
        let mut known = Vec::new();
        let mut required = Vec::new();
        self.collect(schema, &mut known, &mut required);
        for (name, value) in map {
            if errors.len() >= MAX_ERRORS {
                return;
            }
            let path = join(path, &shortened(name));
            match known.iter().find(|(known, _)| known == name) {
                Some((_, schema)) => self.value(schema, value, &path, errors),
                None => {
                    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                    let hint = known_names(name, "known fields", &names);
                    errors.push(FieldError::new(path, "is not a known field").hint(hint));
                }
            }
        }
        for name in required {
            if !map.contains_key(name) {
                let hint = self.hint_for_missing(name, &known);
                errors.push(FieldError::new(join(path, name), "is missing").hint(hint));
            }
        }
    }

    fn hint_for_missing(&self, name: &str, known: &[(&str, &Value)]) -> String {
        let schema = known.iter().find(|(known, _)| *known == name).map(|(_, schema)| *schema);
        if let Some(allowed) = schema.and_then(|schema| schema["enum"].as_array()) {
            return format!("one of {}", list(allowed));
        }
        let description = schema.and_then(|schema| {
            let own = schema["description"].as_str();
            own.or_else(|| self.resolve(schema)["description"].as_str())
        });
        description.map_or_else(|| format!("add {name}"), |text| format!("{name}: {text}"))
    }

    /// The fields of an object, those of all parts of an `allOf` together.
    fn collect<'a>(
        &'a self,
        schema: &'a Value,
        known: &mut Vec<(&'a str, &'a Value)>,
        required: &mut Vec<&'a str>,
    ) {
        let schema = self.resolve(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.collect(part, known, required);
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            known.push((name, schema));
        }
        let names = schema["required"].as_array().into_iter().flatten();
        required.extend(names.filter_map(Value::as_str));
    }

    /// One of several: by the field that tells them apart, or by being null or not.
    fn one_of(&self, variants: &[Value], value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        if value.is_null() && variants.iter().any(|v| self.resolve(v)["type"] == "null") {
            return;
        }
        let rest: Vec<&Value> =
            variants.iter().filter(|v| self.resolve(v)["type"] != "null").collect();
        if let [only] = rest.as_slice() {
            return self.value(only, value, path, errors);
        }
        // Plain names, as of an enum without data.
        let names: Option<Vec<Value>> = rest
            .iter()
            .map(|v| self.resolve(v)["enum"].as_array().cloned())
            .collect::<Option<Vec<_>>>()
            .map(|v| v.concat());
        if let Some(names) = names {
            if !names.contains(value) {
                errors.push(not_among(path, value, &names));
            }
            return;
        }
        let Some((tag, choices)) = self.tag(&rest) else {
            if let (Some(map), Some(named)) = (value.as_object(), self.by_only_field(&rest)) {
                return self.only_field(&named, map, path, errors);
            }
            // Without a tag, variants differ by their JSON type.
            let kinds: Vec<&str> = rest.iter().map(|v| self.json_type(v)).collect();
            let found = json_type_of(value);
            return match rest.iter().zip(&kinds).find(|(_, kind)| **kind == found) {
                Some((variant, _)) => self.value(variant, value, path, errors),
                None => {
                    let wanted: Vec<&str> = kinds.iter().map(|kind| article(kind)).collect();
                    errors.push(wrong_type(path, &wanted.join(" or "), value));
                }
            };
        };
        let Some(map) = value.as_object() else {
            return errors.push(wrong_type(path, "an object", value));
        };
        let tag_path = join(path, tag);
        let allowed: Vec<Value> = choices.iter().map(|(name, _)| (*name).into()).collect();
        match map.get(tag) {
            None => {
                let hint = format!("one of {}", list(&allowed));
                errors.push(FieldError::new(tag_path, "is missing").hint(hint));
            }
            Some(name) => match choices.iter().find(|(choice, _)| name == choice) {
                Some((_, variant)) => self.value(variant, value, path, errors),
                None => errors.push(not_among(&tag_path, name, &allowed)),
            },
        }
    }

    /// The JSON type of what a schema describes.
    fn json_type<'a>(&'a self, schema: &'a Value) -> &'a str {
        let schema = self.resolve(schema);
        match schema["type"].as_str() {
            Some("integer") => "number",
            Some(kind) => kind,
            None if schema["enum"].is_array() => "string",
            None => "object",
        }
    }

    /// Variants that have one field each, of another name: name and schema.
    fn by_only_field<'a>(&'a self, variants: &[&'a Value]) -> Option<Vec<(&'a str, &'a Value)>> {
        let name = |variant: &&'a Value| {
            let variant = self.resolve(variant);
            let names = variant["required"].as_array().filter(|names| names.len() == 1)?;
            let name = names[0].as_str()?;
            Some((name, variant.get("properties")?.get(name)?))
        };
        variants.iter().map(name).collect()
    }

    fn only_field(
        &self,
        variants: &[(&str, &Value)],
        map: &Map<String, Value>,
        path: &str,
        errors: &mut Vec<FieldError>,
    ) {
        let chosen =
            variants.iter().find_map(|(name, schema)| Some((name, schema, map.get(*name)?)));
        if let Some((name, schema, value)) = chosen.filter(|_| map.len() == 1) {
            return self.value(schema, value, &join(path, name), errors);
        }
        let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        let found: Vec<String> = map.keys().map(|name| shortened(name)).collect();
        let near = found.first().and_then(|name| nearest(name, names.iter().copied()));
        let hint = match near.filter(|near| found.iter().all(|name| name != near)) {
            Some(near) => format!("did you mean {near:?}? one of {}", names.join(", ")),
            None => format!("send exactly one of {}", names.join(", ")),
        };
        let message = format!("has the fields {found:?}");
        errors.push(FieldError::new(path, message).hint(hint));
    }

    /// The field that tells variants apart, with its value for each.
    pub fn tag<'a>(
        &'a self,
        variants: &[&'a Value],
    ) -> Option<(&'a str, Vec<(&'a str, &'a Value)>)> {
        let fields = |variant: &'a Value| {
            let (mut known, mut required) = (Vec::new(), Vec::new());
            self.collect(variant, &mut known, &mut required);
            known
        };
        let (tag, _) = fields(variants.first()?)
            .into_iter()
            .find(|(_, schema)| schema["enum"].as_array().is_some_and(|names| names.len() == 1))?;
        let choice = |variant: &&'a Value| {
            let (_, schema) = fields(variant).into_iter().find(|(name, _)| *name == tag)?;
            Some((schema["enum"][0].as_str()?, *variant))
        };
        Some((tag, variants.iter().map(choice).collect::<Option<Vec<_>>>()?))
    }
}

fn json_type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn article(kind: &str) -> &str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

fn wrong_type(path: &str, wanted: &str, found: &Value) -> FieldError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(n) if n.is_f64() => "a number with a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    FieldError::new(path, format!("is {found}")).hint(format!("send {wanted}"))
}

fn not_among(path: &str, value: &Value, allowed: &[Value]) -> FieldError {
    let near = value.as_str().and_then(|v| nearest(v, allowed.iter().filter_map(Value::as_str)));
    let hint = match near {
        Some(near) => format!("did you mean {near:?}? one of {}", list(allowed)),
        None => format!("one of {}", list(allowed)),
    };
    FieldError::new(path, format!("{} is not known", shortened(&value.to_string()))).hint(hint)
}

/// What came in, cut to what a person reads.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn list(values: &[Value]) -> String {
    let names = values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    names.collect::<Vec<_>>().join(", ")
}

fn range(schema: &Value, number: Option<f64>, path: &str, errors: &mut Vec<FieldError>) {
    let Some(number) = number else { return };
    let bounds = [
        ("minimum", "at least", false),
        ("exclusiveMinimum", "above", true),
        ("maximum", "at most", false),
        ("exclusiveMaximum", "below", true),
    ];
    for (keyword, words, exclusive) in bounds {
        let Some(bound) = schema[keyword].as_f64() else { continue };
        let lower = keyword.to_ascii_lowercase().contains("min");
        let within = match (lower, exclusive) {
            (true, false) => number >= bound,
            (true, true) => number > bound,
            (false, false) => number <= bound,
            (false, true) => number < bound,
        };
        if !within {
            let error = FieldError::new(path, format!("{number} is out of range"));
            errors.push(error.hint(format!("must be {words} {bound}")));
        }
    }
}

fn length(schema: &Value, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    let length = text.chars().count() as u64;
    if let Some(least) = schema["minLength"].as_u64()
        && length < least
    {
        let (message, hint) = match least {
            1 => ("is empty".to_owned(), "send at least one character".to_owned()),
            _ => (format!("has {length} characters"), format!("must have at least {least}")),
        };
        errors.push(FieldError::new(path, message).hint(hint));
    }
    if let Some(most) = schema["maxLength"].as_u64()
        && length > most
    {
        let hint = format!("must have at most {most} characters");
        errors.push(FieldError::new(path, format!("has {length} characters")).hint(hint));
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
