//! Values as the JSON text of a column, and back.

use serde::{Deserialize, Serialize};

use super::StoreError;

/// A value as the JSON text of a column.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Io(e.into()))
}

/// A value from the JSON text of a column.
pub(super) fn from_json<T: for<'de> Deserialize<'de>>(
    text: &str,
    table: &'static str,
    column: &'static str,
    id: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Inconsistent {
        table,
        column,
        id: id.to_owned(),
        message: error.to_string(),
    })
}
