//! The API's document as it is checked in is the one that the code makes.

use serde_json::Value;

const REGENERATE: &str = "openapi/openapi.json is not what the code makes; if the API was meant to \
                          change, run `cargo run -- openapi > openapi/openapi.json` and commit it";

/// The first line where two texts differ, with both.
fn first_difference(checked_in: &str, made: &str) -> Option<String> {
    if checked_in == made {
        return None;
    }
    let (mut old, mut new) = (checked_in.lines(), made.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => {
                let shown = |line: Option<&str>| line.map_or("(end)", str::trim).to_owned();
                return Some(format!("line {number}: {} -> {}", shown(old), shown(new)));
            }
        }
    }
    Some("only line ends differ".to_owned())
}

#[test]
fn the_checked_in_document_is_the_one_that_the_code_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    let made = format!("{}\n", whereof::http::openapi_json());
    if let Some(difference) = first_difference(&checked_in, &made) {
        panic!("{difference}\n{REGENERATE}");
    }
}

#[test]
fn a_difference_is_found() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(first_difference("a\nb\n", "a\nc\n").unwrap(), "line 2: b -> c");
    assert_eq!(first_difference("a\n", "a\nb\n").unwrap(), "line 2: (end) -> b");
    assert_eq!(first_difference("a", "a\n").unwrap(), "only line ends differ");
}

/// Calls `visit` with every value of a document and its place.
fn walk<'a>(value: &'a Value, place: &str, visit: &mut dyn FnMut(&'a Value, &str)) {
    visit(value, place);
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                walk(inner, &format!("{place}/{}", name.replace('/', "~1")), visit);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                walk(inner, &format!("{place}/{index}"), visit);
            }
        }
        _ => {}
    }
}

/// What is wrong with a document, as far as the structure of OpenAPI 3.1 and the manners of this API
/// tell.
fn offences(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |holds: bool, told: String| {
        if !holds {
            found.push(told);
        }
    };
    let version = document["openapi"].as_str().unwrap_or("");
    check(version.starts_with("3.1."), format!("the version is {version:?}"));
    for name in ["title", "version"] {
        check(document["info"][name].is_string(), format!("info has no {name}"));
    }
    let tags: Vec<&Value> =
        document["tags"].as_array().into_iter().flatten().map(|tag| &tag["name"]).collect();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        check(path.starts_with('/'), format!("{path} does not start with a slash"));
        let in_path: Vec<&str> =
            path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        for (method, operation) in item.as_object().into_iter().flatten() {
            let at = format!("{method} {path}");
            let known = ["get", "put", "post", "patch", "delete"].contains(&method.as_str());
            check(known, format!("{at}: no such method"));
            let id = operation["operationId"].as_str().unwrap_or("");
            check(!id.is_empty() && ids.insert(id), format!("{at}: {id:?} is no unique id"));
            check(operation["summary"].is_string(), format!("{at}: no summary"));
            for tag in operation["tags"].as_array().into_iter().flatten() {
                check(tags.contains(&tag), format!("{at}: the tag {tag} is not described"));
            }
            let mut named = Vec::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap_or("");
                let place = parameter["in"].as_str().unwrap_or("");
                let at = format!("{at}: parameter {name}");
                check(["path", "query", "header"].contains(&place), format!("{at} is nowhere"));
                check(!named.contains(&(place, name)), format!("{at} stands there twice"));
                named.push((place, name));
                check(parameter["description"].is_string(), format!("{at} is not described"));
                check(parameter["schema"].is_object(), format!("{at} has no schema"));
                let schema = &parameter["schema"];
                if place == "path" {
                    check(parameter["required"] == true, format!("{at} must be required"));
                    check(in_path.contains(&name), format!("{at} is not in the path"));
                } else if place == "query" && schema["type"] == "integer" {
                    let bounded = schema["minimum"].is_number()
                        && (schema["maximum"].is_number() || name == "from_step");
                    check(bounded, format!("{at} has no bounds"));
                }
                check(
                    place != "query" || !schema["type"].is_array(),
                    format!("{at} may be null, which no query can say"),
                );
            }
            for name in &in_path {
                check(named.contains(&("path", *name)), format!("{at}: {name} is no parameter"));
            }
            let body = &operation["requestBody"];
            let kinds = body["content"].as_object();
            check(body.is_null() || kinds.is_some_and(|k| !k.is_empty()), format!("{at}: no body"));
            let responses = operation["responses"].as_object();
            let responses = responses.into_iter().flatten().collect::<Vec<_>>();
            let has = |status: &str| responses.iter().any(|(s, _)| s.as_str() == status);
            check(responses.iter().any(|(s, _)| s.starts_with('2')), format!("{at}: no success"));
            check(has("default"), format!("{at}: no response for any other problem"));
            for status in ["413", "415"] {
                check(body.is_null() || has(status), format!("{at}: a body but no {status}"));
            }
            let fallible = body["content"]["application/json"].is_object()
                || named.iter().any(|(place, _)| *place != "header");
            check(!fallible || has("400"), format!("{at}: no 400"));
            check(!path.starts_with("/v1/") || has("401"), format!("{at}: no 401"));
            for (status, response) in responses {
                let at = format!("{at}: {status}");
                let number = status.parse::<u16>().is_ok_and(|s| (200..600).contains(&s));
                check(number || status == "default", format!("{at} is no status"));
                check(response["description"].is_string(), format!("{at} is not described"));
                if status.starts_with(['4', '5', 'd']) {
                    let names = |kind: &str, name: &str| {
                        let schema = &response["content"][kind]["schema"]["$ref"];
                        *schema == format!("#/components/schemas/{name}")
                    };
                    // The Open Inference Protocol has errors of its own.
                    let of_protocol =
                        path.starts_with("/v2") && names("application/json", "InferError");
                    let named = of_protocol || names("application/problem+json", "Problem");
                    check(named, format!("{at} is not a problem"));
                }
            }
        }
    }
    let mut used = std::collections::BTreeSet::new();
    walk(document, "#", &mut |value, place| {
        if let Some(reference) = value.as_object().and_then(|map| map.get("$ref")) {
            let target = reference.as_str().unwrap_or("").strip_prefix('#').unwrap_or("?");
            check(document.pointer(target).is_some(), format!("{place}: {reference} is nothing"));
            used.insert(reference.as_str().unwrap_or("").to_owned());
        }
        let kinds = ["array", "boolean", "integer", "null", "number", "object", "string"];
        // The word is a name among examples, defaults and properties.
        let example = place.contains("/example") || place.contains("/default");
        let schema = !example && !place.ends_with("/properties");
        if let Some(kind) = value.get("type").filter(|_| schema && place.contains("chema")) {
            let names: Vec<&Value> = kind.as_array().map_or(vec![kind], |k| k.iter().collect());
            let known = names.iter().all(|n| n.as_str().is_some_and(|n| kinds.contains(&n)));
            let scheme = place.contains("securitySchemes");
            check(known || scheme, format!("{place}: {kind} is no type"));
            let items = value.get("items").is_some();
            check(!names.iter().any(|n| *n == "array") || items, format!("{place}: no items"));
        }
        if let Some(required) = value.get("required").and_then(Value::as_array) {
            let fields = value.get("properties").and_then(Value::as_object);
            for name in required.iter().filter_map(Value::as_str) {
                let there = fields.is_some_and(|fields| fields.contains_key(name));
                check(there, format!("{place}: {name} is required and not there"));
            }
        }
    });
    for name in document["components"]["schemas"].as_object().into_iter().flatten().map(|s| s.0) {
        // Detectors are described for the catalogue, which names them as text.
        let reference = format!("#/components/schemas/{name}");
        let listed = used.contains(&reference) || name == "DetectorKind";
        check(listed, format!("{name} is used nowhere"));
    }
    found
}

fn document() -> Value {
    serde_json::from_str(&whereof::http::openapi_json()).unwrap()
}

#[test]
fn the_document_is_sound() {
    let offences = offences(&document());
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

#[test]
fn what_is_not_sound_is_found() {
    type Damage = fn(&mut Value);
    let cases: [(Damage, &str); 9] = [
        (|d| d["openapi"] = "3.0.3".into(), "the version"),
        (|d| d["paths"]["/v1/jobs"]["get"]["operationId"] = "jobs_submit".into(), "no unique id"),
        (|d| drop(d["components"]["schemas"].as_object_mut().unwrap().remove("Job")), "is nothing"),
        (|d| d["paths"]["/v1/jobs"]["get"]["parameters"][3]["schema"] = 7.into(), "no schema"),
        (|d| drop(responses(d).remove("default")), "no response for any other"),
        (|d| drop(responses(d).remove("413")), "a body but no 413"),
        (|d| drop(responses(d).remove("400")), "no 400"),
        (|d| responses(d)["422"]["content"] = Value::Null, "422 is not a problem"),
        (|d| d["components"]["schemas"]["Job"]["required"][0] = "idd".into(), "idd is required"),
    ];
    for (damage, told) in cases {
        let mut damaged = document();
        damage(&mut damaged);
        let offences = offences(&damaged);
        assert!(offences.iter().any(|offence| offence.contains(told)), "{told}: {offences:?}");
    }
}

fn responses(document: &mut Value) -> &mut serde_json::Map<String, Value> {
    let operation = &mut document["paths"]["/v1/models/{model}/score"]["post"];
    operation["responses"].as_object_mut().unwrap()
}
