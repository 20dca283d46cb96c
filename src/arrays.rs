//! Named arrays of numbers, and their bytes as safetensors: what checkpoints and model artifacts
//! are made of. Loading executes nothing and checks every length before it trusts it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors, View};

/// Why bytes are not the arrays that were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArraysError {
    /// The bytes are not safetensors: truncated, altered, or something else.
    #[error("not a readable safetensors file: {0}")]
    Format(String),
    /// An array that should be there is not.
    #[error("the array {0:?} is missing")]
    Missing(String),
    /// An array has another type or length.
    #[error("the array {name:?} has {found}, expected {expected}")]
    Shape {
        /// Its name.
        name: String,
        /// What was expected.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// One array.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// 64-bit floating point.
    F64(Vec<f64>),
    /// 32-bit unsigned integers.
    U32(Vec<u32>),
    /// 64-bit unsigned integers.
    U64(Vec<u64>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::U64(v) => v.len(),
        }
    }
}

/// A type that arrays hold.
pub trait Number: Copy + Sized {
    /// Wraps values.
    fn wrap(values: Vec<Self>) -> Values;
    /// Unwraps values of this type.
    fn unwrap(values: &Values) -> Option<&[Self]>;
}

macro_rules! numbers {
    ($($type:ty => $variant:ident),*) => { $(
        impl Number for $type {
            fn wrap(values: Vec<Self>) -> Values { Values::$variant(values) }
            fn unwrap(values: &Values) -> Option<&[Self]> {
                if let Values::$variant(values) = values { Some(values) } else { None }
            }
        }
    )* };
}
numbers!(f32 => F32, f64 => F64, u32 => U32, u64 => U64);

/// Named arrays with one text of metadata.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arrays {
    arrays: BTreeMap<String, (Vec<usize>, Values)>,
    /// A text that travels with the arrays, usually JSON.
    pub metadata: String,
}

const METADATA_KEY: &str = "whereof";

impl Arrays {
    /// Stores a list.
    pub fn put<T: Number>(&mut self, name: &str, values: Vec<T>) {
        let length = values.len();
        self.put_shaped(name, vec![length], values);
    }

    /// Stores an array of a shape.
    pub fn put_shaped<T: Number>(&mut self, name: &str, shape: Vec<usize>, values: Vec<T>) {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "shape of {name}");
        self.arrays.insert(name.to_owned(), (shape, T::wrap(values)));
    }

    /// The values under a name.
    pub fn get<T: Number>(&self, name: &str) -> Result<&[T], ArraysError> {
        let (_, values) =
            self.arrays.get(name).ok_or_else(|| ArraysError::Missing(name.to_owned()))?;
        T::unwrap(values).ok_or_else(|| ArraysError::Shape {
            name: name.to_owned(),
            expected: std::any::type_name::<T>().to_owned(),
            found: "numbers of another type".to_owned(),
        })
    }

    /// The values under a name, of which there must be exactly `length`.
    pub fn get_exact<T: Number>(&self, name: &str, length: usize) -> Result<&[T], ArraysError> {
        let values = self.get(name)?;
        if values.len() == length {
            return Ok(values);
        }
        Err(ArraysError::Shape {
            name: name.to_owned(),
            expected: format!("{length} values"),
            found: format!("{} values", values.len()),
        })
    }

    /// The only value under a name.
    pub fn scalar<T: Number>(&self, name: &str) -> Result<T, ArraysError> {
        Ok(self.get_exact::<T>(name, 1)?[0])
    }

    /// Whether there is an array under a name.
    pub fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    /// Adds every array of `other`, each name behind `prefix`.
    pub fn absorb(&mut self, prefix: &str, other: Arrays) {
        for (name, array) in other.arrays {
            self.arrays.insert(format!("{prefix}{name}"), array);
        }
    }

    /// The arrays whose names start with `prefix`, without it.
    pub fn under(&self, prefix: &str) -> Arrays {
        let arrays = self.arrays.iter().filter_map(|(name, array)| {
            name.strip_prefix(prefix).map(|name| (name.to_owned(), array.clone()))
        });
        Arrays { arrays: arrays.collect(), metadata: String::new() }
    }

    /// For tests of what loads them: each array in turn is missing, cut to a third, or of another
    /// type; with a word on what is wrong.
    #[cfg(test)]
    pub fn damaged(&self) -> Vec<(String, Arrays)> {
        fn cut<T: Number>(values: &[T]) -> Values {
            T::wrap(values[..values.len() / 3].to_vec())
        }
        let mut all = Vec::new();
        for (name, (_, values)) in &self.arrays {
            let cut = match values {
                Values::F32(v) => cut(v),
                Values::F64(v) => cut(v),
                Values::U32(v) => cut(v),
                Values::U64(v) => cut(v),
            };
            let other = match values {
                Values::F32(_) => Values::F64(vec![0.0; values.len()]),
                _ => Values::F32(vec![0.0; values.len()]),
            };
            let mut without = self.clone();
            without.arrays.remove(name);
            all.push((format!("no {name}"), without));
            for (values, wrong) in [(cut, "less"), (other, "another type")] {
                let mut damaged = self.clone();
                damaged.arrays.insert(name.clone(), (vec![values.len()], values));
                all.push((format!("{wrong} of {name}"), damaged));
            }
        }
        all
    }

    /// The bytes of a safetensors file. The same arrays give the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArraysError> {
        let info = HashMap::from([(METADATA_KEY.to_owned(), self.metadata.clone())]);
        let views =
            self.arrays.iter().map(|(name, (shape, values))| (name, Borrowed(shape, values)));
        safetensors::serialize(views, Some(info)).map_err(|e| ArraysError::Format(e.to_string()))
    }

    /// Reads a safetensors file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArraysError> {
        let bad = |e: safetensors::SafeTensorError| ArraysError::Format(e.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(bad)?;
        let metadata = header
            .metadata()
            .as_ref()
            .and_then(|info| info.get(METADATA_KEY).cloned())
            .unwrap_or_default();
        let tensors = SafeTensors::deserialize(bytes).map_err(bad)?;
        let mut arrays = BTreeMap::new();
        for (name, view) in tensors.iter() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => Values::F32(read(data, f32::from_le_bytes)),
                Dtype::F64 => Values::F64(read(data, f64::from_le_bytes)),
                Dtype::U32 => Values::U32(read(data, u32::from_le_bytes)),
                Dtype::U64 => Values::U64(read(data, u64::from_le_bytes)),
                other => {
                    return Err(ArraysError::Shape {
                        name: name.to_owned(),
                        expected: "F32, F64, U32 or U64".to_owned(),
                        found: format!("{other:?}"),
                    });
                }
            };
            arrays.insert(name.to_owned(), (view.shape().to_vec(), values));
        }
        Ok(Self { arrays, metadata })
    }
}

fn read<T, const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|bytes| convert(*bytes)).collect()
}

struct Borrowed<'a>(&'a [usize], &'a Values);

impl View for Borrowed<'_> {
    fn dtype(&self) -> Dtype {
        match self.1 {
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
            Values::U32(_) => Dtype::U32,
            Values::U64(_) => Dtype::U64,
        }
    }

    fn shape(&self) -> &[usize] {
        self.0
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match self.1 {
            Values::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::U32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::U64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        self.1.len()
            * match self.1 {
                Values::F32(_) | Values::U32(_) => 4,
                Values::F64(_) | Values::U64(_) => 8,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Arrays {
        let mut arrays = Arrays { metadata: "{\"a\":1}".to_owned(), ..Arrays::default() };
        arrays.put_shaped("m", vec![2, 2], vec![1.0f32, -2.0, f32::NAN, 4.0]);
        arrays.put("k", vec![u64::MAX, 7]);
        arrays.put("none", Vec::<f64>::new());
        arrays
    }

    #[test]
    fn bytes_round_trip_and_repeat() {
        let arrays = sample();
        let bytes = arrays.to_bytes().unwrap();
        let back = Arrays::from_bytes(&bytes).unwrap();
        assert_eq!(back.metadata, arrays.metadata);
        assert_eq!(back.get::<u64>("k").unwrap(), [u64::MAX, 7]);
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let bytes = sample().to_bytes().unwrap();
        for end in 0..bytes.len() {
            assert!(Arrays::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        let arrays = sample();
        assert!(arrays.get::<f32>("k").is_err());
        assert!(arrays.get_exact::<u64>("k", 3).is_err());
        assert!(arrays.get::<f32>("nothing").is_err());
    }

    #[test]
    fn prefixes_nest() {
        let mut outer = Arrays::default();
        outer.absorb("inner.", sample());
        assert_eq!(outer.under("inner.").get::<u64>("k").unwrap().len(), 2);
    }
}
