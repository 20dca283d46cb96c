//! Images as text: a cell holds the base64 of the file's bytes. They are only recognised here; their
//! pixels are read where a network needs them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::data::{Cell, DataError, Limits};

/// How the base64 of a PNG, of a JPEG, and a data URL of any image start.
const STARTS: [&str; 3] = ["iVBORw0KGgo", "/9j/", "data:image/"];

/// Whether bytes are those of a PNG or JPEG file.
pub fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n") || bytes.starts_with(&[0xff, 0xd8, 0xff])
}

/// The cell of an image.
pub fn cell(bytes: &[u8], row: u64, column: &str, limits: &Limits) -> Result<Cell, DataError> {
    if bytes.len() > limits.image_bytes {
        let (found, limit) = (bytes.len() as u64, limits.image_bytes);
        return Err(DataError::ImageTooLong { row, column: column.to_owned(), found, limit });
    }
    Ok(Cell::Text(STANDARD.encode(bytes)))
}

/// Bytes that a text may have: more if it is an image.
pub fn text_limit(text: &str, limits: &Limits) -> usize {
    let is_image = STARTS.iter().any(|start| text.trim_start().starts_with(start));
    // Four characters for three bytes, and a data URL's type.
    let image = limits.image_bytes.div_ceil(3) * 4 + 100;
    if is_image { image.max(limits.cell_bytes) } else { limits.cell_bytes }
}
