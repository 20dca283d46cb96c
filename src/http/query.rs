//! Query strings and paths, checked against the very parameters that the API's document shows.

use axum::extract::{FromRequestParts, Path as AxumPath, Query as AxumQuery};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::IntoParams;
use utoipa::openapi::path::ParameterIn;

use super::extract::schemas;
use super::problem::Failure;
use crate::problem::{Code, FieldError, Problem, known_names};

/// A query string of known parameters, each within its bounds.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let pairs = AxumQuery::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Ok(AxumQuery(pairs)) = pairs else {
            let detail = "the query string is not made of name=value pairs";
            return Err(Problem::new(Code::InvalidQuery, detail).into());
        };
        Ok(Self(parse(&pairs)?))
    }
}

/// Checks and reads pairs of names and values; every problem is found at once.
fn parse<T: DeserializeOwned + IntoParams>(pairs: &[(String, String)]) -> Result<T, Problem> {
    let parameters = if pairs.is_empty() { Vec::new() } else { parameters::<T>() };
    let mut values = Map::new();
    let mut errors = Vec::new();
    for (name, text) in pairs {
        let Some((_, schema)) = parameters.iter().find(|(known, _)| known == name) else {
            errors.push(unknown(name, &parameters));
            continue;
        };
        if values.contains_key(name) {
            let error = FieldError::new(name, "stands there twice");
            errors.push(error.hint("send the parameter once"));
            continue;
        }
        match typed(schema, text) {
            Ok(value) => {
                errors.extend(schemas().check_at(schema, &value, name));
                values.insert(name.clone(), value);
            }
            Err(wanted) => {
                let error = FieldError::new(name, format!("{text:?} is not {wanted}"));
                errors.push(error.hint(format!("send {wanted}")));
            }
        }
    }
    if !errors.is_empty() {
        return Err(Problem::fields(Code::InvalidQuery, errors));
    }
    serde_path_to_error::deserialize(Value::Object(values)).map_err(|error| {
        let field = FieldError::new(error.path().to_string(), "cannot be used");
        Problem::fields(Code::InvalidQuery, vec![field.hint("see the API's document at /docs")])
    })
}

/// The parameters of a query: names and schemas.
fn parameters<T: IntoParams>() -> Vec<(String, Value)> {
    let described = T::into_params(|| Some(ParameterIn::Query));
    let schema = |schema| serde_json::to_value(schema).unwrap_or_default();
    described.into_iter().map(|p| (p.name, p.schema.map(schema).unwrap_or_default())).collect()
}

/// A parameter's text as the type that its schema wants, or what it should be.
fn typed(schema: &Value, text: &str) -> Result<Value, &'static str> {
    match schemas().resolve(schema)["type"].as_str() {
        Some("integer") => {
            let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let whole = text.parse::<u64>().map(Value::from);
            let whole = whole.or_else(|_| text.parse::<i64>().map(Value::from));
            // Too large a number is out of range, and not no number.
            whole.or(if all_digits { Ok(u64::MAX.into()) } else { Err("a whole number") })
        }
        Some("boolean") => text.parse().map(Value::Bool).map_err(|_| "true or false"),
        _ => Ok(text.into()),
    }
}

fn unknown(name: &str, parameters: &[(String, Value)]) -> FieldError {
    let names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    let hint = known_names(name, "known parameters", &names);
    FieldError::new(name, "is not a known parameter").hint(hint)
}

/// What a path names, decoded.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match AxumPath::from_request_parts(parts, state).await {
            Ok(AxumPath(value)) => Ok(Self(value)),
            Err(_) => {
                let detail = format!("{:?} is not UTF-8 once it is decoded", parts.uri.path());
                let hint = "write what is not plain in a path as percent-encoded UTF-8";
                Err(Problem::new(Code::InvalidPath, detail).hint(hint).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::job::JobStatus;

    #[derive(Debug, Default, PartialEq, Deserialize, IntoParams)]
    #[serde(default)]
    struct Asked {
        /// A number.
        #[param(minimum = 1, maximum = 10, nullable = false)]
        limit: Option<usize>,
        /// Any number.
        #[param(nullable = false)]
        from: Option<u64>,
        /// A switch.
        dry: bool,
        /// One of several.
        #[param(nullable = false)]
        status: Option<JobStatus>,
        /// A text.
        #[param(nullable = false)]
        name: Option<String>,
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Asked, Vec<(String, String)>> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let pairs: Vec<(String, String)> = pairs.iter().map(pair).collect();
        let told = |error: FieldError| (error.field, error.message);
        parse(&pairs).map_err(|problem| problem.errors.into_iter().map(told).collect())
    }

    #[test]
    fn values_are_read_as_their_types() {
        let asked = read(&[("limit", "3"), ("dry", "true"), ("status", "failed"), ("name", "7")]);
        let expected = Asked {
            limit: Some(3),
            from: None,
            dry: true,
            status: Some(JobStatus::Failed),
            name: Some("7".to_owned()),
        };
        assert_eq!(asked, Ok(expected));
        assert_eq!(read(&[]), Ok(Asked::default()));
        let huge = read(&[("from", "99999999999999999999999")]);
        assert_eq!(huge.unwrap().from, Some(u64::MAX));
    }

    #[test]
    fn everything_that_is_wrong_is_told_by_name() {
        let errors = read(&[
            ("limit", "0"),
            ("from", "-1"),
            ("dry", "yes"),
            ("status", "done"),
            ("limt", "1"),
            ("name", "a"),
            ("name", "b"),
        ]);
        let errors = errors.unwrap_err();
        let fields: Vec<&str> = errors.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["limit", "from", "dry", "status", "limt", "name"]);
        assert_eq!(errors[2].1, "\"yes\" is not true or false");
        let (_, message) = read(&[("limit", "x")]).unwrap_err().remove(0);
        assert_eq!(message, "\"x\" is not a whole number");
    }
}
