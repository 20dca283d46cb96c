//! Tensors of the Open Inference Protocol: as JSON, and as the binary data that clients append to it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::problem::{Code, FieldError, Problem};

/// A tensor of a request: one value for each record.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InferInput {
    /// The column of the model that it fills.
    #[schema(min_length = 1, max_length = 500, example = "text")]
    pub name: String,
    /// `[n]` or `[n, 1]` for n records, 1 to 10,000.
    #[schema(max_items = 2)]
    pub shape: Vec<u64>,
    /// `BYTES`, `BOOL`, `INT8` to `INT64`, `UINT8` to `UINT64`, `FP32` or `FP64`.
    #[schema(example = "BYTES")]
    pub datatype: String,
    /// Of the protocol's extensions: `binary_data_size`, the bytes of this tensor behind the JSON.
    #[serde(default)]
    pub parameters: Option<InputParameters>,
    /// The values, flat or nested as the shape says; absent where they are sent as binary data. `null`
    /// is a missing value.
    #[serde(default)]
    #[schema(value_type = Vec<serde_json::Value>, required = false)]
    pub data: Option<Vec<Value>>,
}

/// Parameters of an input.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct InputParameters {
    /// Bytes of the tensor behind the JSON.
    #[serde(default)]
    pub binary_data_size: Option<u64>,
}

/// A tensor of an answer, row by row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InferOutput {
    /// Its name, as `GET /v2/models/{model}` lists it.
    pub name: String,
    /// Its shape; the first dimension counts the records.
    pub shape: Vec<u64>,
    /// Type of its values.
    pub datatype: String,
    /// Its values, flat.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub data: Vec<Value>,
}

impl InferOutput {
    /// A value for each record.
    pub fn column(name: &str, datatype: &str, data: Vec<Value>) -> Self {
        let shape = vec![data.len() as u64];
        Self { name: name.to_owned(), shape, datatype: datatype.to_owned(), data }
    }
}

/// What a tensor's values become: images are base64 in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Texts, numbers, categories.
    Plain,
    /// Files of images.
    Image,
}

/// The values of each input, in its order. `binary` holds what stands behind the JSON.
pub fn values(
    inputs: &[InferInput],
    binary: &[u8],
    content: Content,
) -> Result<Vec<Vec<Value>>, Problem> {
    let mut rest = binary;
    let mut all = Vec::with_capacity(inputs.len());
    for (at, input) in inputs.iter().enumerate() {
        let field = |name: &str| format!("inputs[{at}].{name}");
        let count = match input.shape.as_slice() {
            [n] | [n, 1] => *n as usize,
            _ => return Err(refusal(field("shape"), "is not [n] or [n, 1]", "send a column")),
        };
        let size = input.parameters.as_ref().and_then(|parameters| parameters.binary_data_size);
        let found = match (&input.data, size) {
            (Some(data), None) => flat(data),
            (None, Some(size)) => {
                let Some((own, others)) =
                    usize::try_from(size).ok().and_then(|n| rest.split_at_checked(n))
                else {
                    let message = format!("is {size}, and {} bytes are left", rest.len());
                    let hint = "send the binary data of all inputs behind the JSON, in order";
                    return Err(refusal(field("parameters.binary_data_size"), &message, hint));
                };
                rest = others;
                let read = read(&input.datatype, own, content);
                read.map_err(|message| refusal(field("datatype"), &message, "check the bytes"))?
            }
            _ => {
                let hint = "send data, or parameters.binary_data_size and binary data";
                return Err(refusal(field("data"), "is missing, or stands twice", hint));
            }
        };
        if found.len() != count {
            let message = format!("holds {} values, and the shape says {count}", found.len());
            return Err(refusal(field("data"), &message, "make them agree"));
        }
        all.push(found);
    }
    if !rest.is_empty() {
        let message = format!("leave {} bytes behind the JSON over", rest.len());
        return Err(refusal("inputs".to_owned(), &message, "name them in binary_data_size"));
    }
    Ok(all)
}

/// Values of a nested list, one after the other.
fn flat(data: &[Value]) -> Vec<Value> {
    let each = |value: &Value| match value {
        Value::Array(inner) => flat(inner),
        other => vec![other.clone()],
    };
    data.iter().flat_map(each).collect()
}

/// Binary values, little-endian; `BYTES` each with its length in four bytes before it.
fn read(datatype: &str, bytes: &[u8], content: Content) -> Result<Vec<Value>, String> {
    fn each<const N: usize>(
        bytes: &[u8],
        of: impl Fn([u8; N]) -> Value,
    ) -> Result<Vec<Value>, String> {
        let (whole, rest) = bytes.as_chunks::<N>();
        if rest.is_empty() {
            Ok(whole.iter().map(|chunk| of(*chunk)).collect())
        } else {
            Err(format!("has {N} bytes a value, and {} bytes were sent", bytes.len()))
        }
    }
    match datatype {
        "BYTES" => strings(bytes, content),
        "BOOL" => each::<1>(bytes, |[byte]| json!(byte != 0)),
        "INT8" => each(bytes, |b| json!(i8::from_le_bytes(b))),
        "INT16" => each(bytes, |b| json!(i16::from_le_bytes(b))),
        "INT32" => each(bytes, |b| json!(i32::from_le_bytes(b))),
        "INT64" => each(bytes, |b| json!(i64::from_le_bytes(b))),
        "UINT8" => each(bytes, |b| json!(u8::from_le_bytes(b))),
        "UINT16" => each(bytes, |b| json!(u16::from_le_bytes(b))),
        "UINT32" => each(bytes, |b| json!(u32::from_le_bytes(b))),
        "UINT64" => each(bytes, |b| json!(u64::from_le_bytes(b))),
        // What is no number becomes `null`, a missing value.
        "FP32" => each(bytes, |b| json!(f32::from_le_bytes(b))),
        "FP64" => each(bytes, |b| json!(f64::from_le_bytes(b))),
        other => Err(format!("{other:?} is not read")),
    }
}

fn strings(mut bytes: &[u8], content: Content) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let short = "ends within a value".to_owned();
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(short.clone())?;
        let length = u32::from_le_bytes(*length) as usize;
        let (own, rest) = rest.split_at_checked(length).ok_or(short)?;
        found.push(match content {
            Content::Image => STANDARD.encode(own).into(),
            Content::Plain => {
                let text = std::str::from_utf8(own);
                text.map_err(|_| format!("value {} is not UTF-8", found.len() + 1))?.into()
            }
        });
        bytes = rest;
    }
    Ok(found)
}

pub(super) fn refusal(field: String, message: &str, hint: &str) -> Problem {
    Problem::fields(Code::InvalidRequest, vec![FieldError::new(field, message).hint(hint)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(shape: &[u64], datatype: &str, data: Option<Value>, size: Option<u64>) -> InferInput {
        InferInput {
            name: "x".to_owned(),
            shape: shape.to_vec(),
            datatype: datatype.to_owned(),
            parameters: Some(InputParameters { binary_data_size: size }),
            data: data.map(|data| data.as_array().unwrap().clone()),
        }
    }

    #[test]
    fn json_and_binary_data_say_the_same() {
        let of = |input: InferInput, binary: &[u8]| {
            values(&[input], binary, Content::Plain).unwrap().remove(0)
        };
        let texts = json!(["ab", "ü"]);
        let mut binary = vec![2, 0, 0, 0, b'a', b'b', 2, 0, 0, 0];
        binary.extend("ü".bytes());
        assert_eq!(
            of(input(&[2], "BYTES", Some(texts.clone()), None), &[]),
            *texts.as_array().unwrap()
        );
        assert_eq!(
            of(input(&[2, 1], "BYTES", None, Some(12)), &binary),
            *texts.as_array().unwrap()
        );
        let nested = json!([[1.5], [null]]);
        assert_eq!(of(input(&[2, 1], "FP64", Some(nested), None), &[]), [json!(1.5), Value::Null]);
        let binary: Vec<u8> = [1.5_f64, f64::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(of(input(&[2], "FP64", None, Some(16)), &binary), [json!(1.5), Value::Null]);
        let binary = (-3_i16).to_le_bytes();
        assert_eq!(of(input(&[1], "INT16", None, Some(2)), &binary), [json!(-3)]);
        let image =
            values(&[input(&[1], "BYTES", None, Some(7))], &[3, 0, 0, 0, 1, 2, 3], Content::Image);
        assert_eq!(image.unwrap(), [[json!("AQID")]]);
    }

    #[test]
    fn what_does_not_fit_names_the_tensor() {
        let refused = |input: InferInput, binary: &[u8]| {
            let problem = values(&[input], binary, Content::Plain).unwrap_err();
            problem.errors[0].field.clone()
        };
        assert_eq!(
            refused(input(&[1, 2], "FP32", Some(json!([1, 2])), None), &[]),
            "inputs[0].shape"
        );
        assert_eq!(refused(input(&[3], "FP32", Some(json!([1, 2])), None), &[]), "inputs[0].data");
        assert_eq!(refused(input(&[1], "FP32", None, None), &[]), "inputs[0].data");
        assert_eq!(refused(input(&[1], "FP16", None, Some(2)), &[0, 0]), "inputs[0].datatype");
        assert_eq!(refused(input(&[1], "FP32", None, Some(3)), &[0; 3]), "inputs[0].datatype");
        let size = "inputs[0].parameters.binary_data_size";
        assert_eq!(refused(input(&[1], "FP32", None, Some(4)), &[0; 3]), size);
        assert_eq!(refused(input(&[1], "FP32", None, Some(4)), &[0; 5]), "inputs");
        assert_eq!(
            refused(input(&[1], "BYTES", None, Some(5)), &[9, 0, 0, 0, 1]),
            "inputs[0].datatype"
        );
        assert_eq!(
            refused(input(&[1], "BYTES", None, Some(5)), &[1, 0, 0, 0, 0xff]),
            "inputs[0].datatype"
        );
    }
}
