use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::http::extract::{parse, schemas};
use crate::model::spec::TrainRequest;

/// A document with every construct that the check knows.
fn invented() -> Schemas {
    Schemas::new(json!({"components": {"schemas": {
        "Shop": {
            "type": "object",
            "required": ["name", "owner"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 5, "description": "Over the door."},
                "owner": {"$ref": "#/components/schemas/Owner"},
                "size": {"type": "integer", "minimum": 1, "maximum": 10},
                "share": {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "colour": {"type": "string", "enum": ["red", "green"]},
                "open": {"type": "boolean"},
                "door": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Door"}]},
                "shelves": {"type": "array", "maxItems": 3, "items": {"$ref": "#/components/schemas/Owner"}},
                "notes": {"type": "object", "additionalProperties": {}},
                "finish": {"oneOf": [{"type": "string", "enum": ["matt"]}, {"type": "string", "enum": ["gloss"]}]},
            },
        },
        "Owner": {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer", "minimum": 0}}},
        "Door": {"oneOf": [
            {"allOf": [{"$ref": "#/components/schemas/Owner"}, {"type": "object", "required": ["kind"],
                       "properties": {"kind": {"type": "string", "enum": ["wood"]}}}]},
            {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": ["glass"]}}},
        ]},
    }}}))
}

fn check(value: Value) -> Vec<FieldError> {
    invented().check("Shop", &value)
}

/// The shop that lacks nothing, with one field set.
fn with(field: &str, value: Value) -> Vec<FieldError> {
    let mut shop = json!({"name": "a", "owner": {"age": 1}});
    shop[field] = value;
    check(shop)
}

/// The only error: its field, message and hint.
fn only(errors: Vec<FieldError>) -> (String, String, String) {
    assert_eq!(errors.len(), 1, "{errors:?}");
    let FieldError { field, message, hint, .. } = errors.into_iter().next().unwrap();
    (field, message, hint.unwrap())
}

#[test]
fn unknown_fields_are_shown_the_nearest_name() {
    let (field, message, hint) = only(with("colur", json!("red")));
    assert_eq!((field.as_str(), message.as_str()), ("colur", "is not a known field"));
    assert!(hint.starts_with("did you mean \"colour\"? known fields: name, owner"), "{hint}");
    assert!(only(with("zzz", json!(1))).2.starts_with("known fields: name, owner"));
    let (field, ..) = only(with("owner", json!({"age": 1, "ag": 2})));
    assert_eq!(field, "owner.ag");
}

#[test]
fn missing_fields_are_explained() {
    let errors = check(json!({}));
    let found: Vec<(&str, &str)> =
        errors.iter().map(|e| (e.field.as_str(), e.hint.as_deref().unwrap())).collect();
    assert_eq!(found, [("name", "name: Over the door."), ("owner", "add owner")]);
    assert_eq!(only(with("owner", json!({}))).0, "owner.age");
    assert_eq!(only(with("shelves", json!([{"age": 1}, {}]))).0, "shelves[1].age");
}

#[test]
fn types_are_told_apart() {
    let said = |field: &str, value: Value| {
        let (at, message, hint) = only(with(field, value));
        assert_eq!(at, field);
        format!("{message}; {hint}")
    };
    assert_eq!(said("size", json!("3")), "is a text; send a whole number");
    assert_eq!(said("size", json!(2.5)), "is a number with a fraction; send a whole number");
    assert_eq!(said("share", json!(true)), "is true or false; send a number or null");
    assert_eq!(said("open", json!(1)), "is a whole number; send true or false");
    assert_eq!(said("name", Value::Null), "is null; send a text");
    assert_eq!(said("shelves", json!({})), "is an object; send a list");
    assert_eq!(said("owner", json!([])), "is a list; send an object");
    assert_eq!(said("notes", json!(1)), "is a whole number; send an object");
    assert_eq!(only(check(json!("shop"))).2, "send an object");
}

#[test]
fn ranges_hold_at_both_ends() {
    for (field, good, bad) in [
        ("size", json!([1, 10]), json!([0, 11, -1, 1e9 as u64])),
        ("share", json!([0.001, 0.999, null]), json!([0.0, 1, -1.0, 2])),
        ("name", json!(["a", "äöüßé"]), json!(["", "abcdef"])),
        ("colour", json!(["red", "green"]), json!(["Red", "", null, 1])),
        ("finish", json!(["matt", "gloss"]), json!(["mat", null, {}])),
        ("shelves", json!([[], [{"age": 0}]]), json!([[1, 2, 3, 4]])),
        ("notes", json!([{}, {"any": [1]}]), json!([null])),
    ] {
        for value in good.as_array().unwrap() {
            assert_eq!(with(field, value.clone()), [], "{field} = {value}");
        }
        for value in bad.as_array().unwrap() {
            let (at, message, hint) = only(with(field, value.clone()));
            assert_eq!(at, field, "{value}");
            assert!(!message.is_empty() && !hint.is_empty(), "{field} = {value}");
        }
    }
    assert!(only(with("colour", json!("gren"))).2.starts_with("did you mean \"green\"?"));
}

#[test]
fn variants_without_a_tag_are_chosen_by_their_type() {
    let names = serde_json::json!({"oneOf": [
        {"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    let schemas = invented();
    let check = |value: Value| {
        let mut errors = Vec::new();
        schemas.value(&names, &value, "target", &mut errors);
        errors.into_iter().map(|error| (error.field, error.message)).collect::<Vec<_>>()
    };
    assert!(check("y".into()).is_empty() && check(serde_json::json!(["y", "z"])).is_empty());
    assert_eq!(check(serde_json::json!(["y", 1]))[0].0, "target[1]");
    assert_eq!(check(1.into()), [("target".to_owned(), "is a whole number".to_owned())]);
}

#[test]
fn variants_are_chosen_by_their_tag() {
    assert_eq!(with("door", Value::Null), []);
    assert_eq!(with("door", json!({"kind": "wood", "age": 3})), []);
    assert_eq!(with("door", json!({"kind": "glass"})), []);
    let (field, _, hint) = only(with("door", json!({"age": 3})));
    assert_eq!((field.as_str(), hint.as_str()), ("door.kind", "one of wood, glass"));
    let (field, _, hint) = only(with("door", json!({"kind": "glas"})));
    assert_eq!(field, "door.kind");
    assert!(hint.contains("did you mean \"glass\"?"));
    // Fields of one variant are unknown to another.
    assert_eq!(only(with("door", json!({"kind": "glass", "age": 3}))).0, "door.age");
    assert_eq!(only(with("door", json!({"kind": "wood"}))).0, "door.age");
    assert_eq!(only(with("door", json!(7))).2, "send an object");
}

#[test]
fn everything_is_reported_at_once_but_not_without_end() {
    let errors =
        check(json!({"nam": 1, "size": 0, "owner": {"age": -1}, "shelves": [{"age": "x"}]}));
    let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
    assert_eq!(fields, ["nam", "size", "owner.age", "shelves[0].age", "name"]);

    let many: Map<String, Value> = (0..10_000).map(|i| (format!("field{i}"), i.into())).collect();
    assert_eq!(check(many.into()).len(), MAX_ERRORS);
    let (field, message, _) = only(with("colour", json!("x".repeat(1_000_000))));
    assert!(field == "colour" && message.len() < 200, "{} bytes", message.len());
    let long = "y".repeat(1_000_000);
    assert!(only(with(&long, json!(1))).0.len() < 200);
}

/// What the document promises is what is enforced: no schema uses a keyword that the check ignores.
#[test]
fn the_api_uses_only_what_is_enforced() {
    const ENFORCED: [&str; 16] = [
        "$ref",
        "allOf",
        "anyOf",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minLength",
        "minimum",
        "oneOf",
        "properties",
        "required",
        "type",
    ];
    // Those that say something and constrain nothing, or repeat what the type says.
    const SILENT: [&str; 7] = [
        "additionalProperties",
        "default",
        "description",
        "example",
        "examples",
        "format",
        "propertyNames",
    ];
    fn walk(name: &str, schema: &Value, unknown: &mut Vec<String>) {
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            match keyword.as_str() {
                "properties" => {
                    for (field, schema) in value.as_object().unwrap() {
                        walk(&join(name, field), schema, unknown);
                    }
                }
                "oneOf" | "anyOf" | "allOf" => {
                    value.as_array().unwrap().iter().for_each(|s| walk(name, s, unknown));
                }
                "items" => walk(name, value, unknown),
                "minLength" => assert_eq!(value, 1, "{name}: the message is for empty texts"),
                other if ENFORCED.contains(&other) || SILENT.contains(&other) => {}
                other => unknown.push(format!("{name}: {other}")),
            }
        }
    }
    let mut unknown = Vec::new();
    for (name, schema) in &schemas().components {
        walk(name, schema, &mut unknown);
    }
    // Names are checked by `aliases::check_name`, which says more than a pattern could.
    assert_eq!(
        unknown,
        ["ApplyRemedyRequest.model_name: pattern", "TrainRequest.model_name: pattern"]
    );
}

fn train(more: Value) -> Result<TrainRequest, Box<crate::problem::Problem>> {
    let mut body = json!({"dataset": "ds_1",
        "task": {"type": "text_classification", "text": "text", "label": "label"}});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    parse(&serde_json::to_vec(&body).unwrap()).map_err(Box::new)
}

#[test]
fn hyperparameters_out_of_range_are_refused_with_their_field() {
    assert!(train(json!({})).is_ok());
    let refused = |field: &str, values: &[Value]| {
        let (first, last) = field.split_once('.').unwrap();
        for value in values {
            let mut section = json!({ last: value });
            match first {
                "optimizer" => section["type"] = "adamw".into(),
                "network" => section["type"] = "embedding_bag".into(),
                _ => {}
            }
            let problem = train(json!({ first: section })).unwrap_err();
            assert_eq!(problem.errors[0].field, field, "{value}: {problem}");
            assert!(problem.errors[0].hint.is_some(), "{problem}");
        }
    };
    let numbers = [json!(-1), json!("1"), json!(1e300), json!([])];
    for field in [
        "optimizer.learning_rate",
        "optimizer.beta1",
        "optimizer.beta2",
        "optimizer.epsilon",
        "optimizer.weight_decay",
        "network.dimension",
        "training.epochs",
        "training.batch_size",
        "training.accumulate",
        "training.checkpoint_seconds",
        "training.clip_norm",
        "training.clip_value",
        "training.ema_decay",
        "regularization.ngram_dropout",
        "regularization.l1",
        "regularization.l2",
        "split.train",
        "split.test",
        "vectorizer.word_ngrams",
        "vectorizer.min_word_count",
        "vectorizer.min_ngram_count",
        "vectorizer.max_vocabulary",
        "vectorizer.hash_buckets",
        "vectorizer.character_weight",
    ] {
        refused(field, &numbers);
    }
    for field in [
        "optimizer.learning_rate",
        "optimizer.epsilon",
        "network.dimension",
        "training.epochs",
        "training.batch_size",
        "training.accumulate",
        "training.clip_norm",
        "training.clip_value",
        "training.ema_decay",
        "vectorizer.word_ngrams",
        "vectorizer.min_word_count",
        "vectorizer.max_vocabulary",
        "vectorizer.hash_buckets",
    ] {
        refused(field, &[json!(0)]);
    }
    refused("optimizer.beta1", &[json!(1)]);
    refused("training.ema_decay", &[json!(1)]);
    refused("training.seed", &[json!(-1), json!(0.5)]);
}

#[test]
fn numbers_that_json_cannot_hold_are_no_json() {
    for number in ["NaN", "Infinity", "-Infinity", "1e999", "01", ".5"] {
        let body = format!(r#"{{"dataset": "ds_1", "optimizer": {{"learning_rate": {number}}}}}"#);
        let problem = parse::<TrainRequest>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.code, "invalid-json", "{number}");
    }
}

/// Any JSON; the names of the API's fields among its keys, so that the check goes deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_]{0,12}".prop_map(Value::from),
        prop::sample::select(&["adam", "embedding_bag", "train", "linear", "relu"][..])
            .prop_map(Value::from),
    ];
    let fields = [
        "type",
        "kind",
        "task",
        "network",
        "optimizer",
        "training",
        "split",
        "hidden",
        "texts",
        "records",
        "vectorizer",
        "early_stopping",
        "character_ngrams",
        "metrics",
    ];
    let key =
        prop_oneof![prop::sample::select(fields.to_vec()).prop_map(str::to_owned), "\\PC{0,6}"];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// No JSON makes the check panic, whatever schema it is held against.
    #[test]
    fn any_json_can_be_checked(value in any_json()) {
        for name in schemas().components.keys() {
            for error in schemas().check(name, &value) {
                prop_assert!(!error.message.is_empty());
            }
        }
        // What passes the check is either taken or refused with a field, and never a panic.
        let _ = parse::<TrainRequest>(value.to_string().as_bytes());
    }
}
