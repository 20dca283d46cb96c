//! Images in a text cell.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{ImageError, MAX_BYTES};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of an image from base64 in the standard alphabet, padded or not, line breaks allowed,
/// with or without `data:image/png;base64,` in front.
pub fn from_text(text: &str) -> Result<Vec<u8>, ImageError> {
    let bad = |reason: String| ImageError::Base64 { reason };
    let text = text.trim();
    let data = match text.strip_prefix("data:") {
        None => text,
        Some(rest) => {
            let (kind, data) = rest
                .split_once(',')
                .ok_or_else(|| bad("a data URL has a comma after its type".to_owned()))?;
            if !kind.ends_with(";base64") {
                return Err(bad(format!("a data URL of {kind:?} does not say ;base64")));
            }
            data
        }
    };
    if data.len() / 4 * 3 > MAX_BYTES + MAX_BYTES / 16 {
        return Err(ImageError::TooManyBytes { found: data.len() / 4 * 3 });
    }
    let decoded = if data.bytes().any(|byte| byte.is_ascii_whitespace()) {
        let joined: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        ENGINE.decode(joined)
    } else {
        ENGINE.decode(data)
    };
    decoded.map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_base64() {
        for text in ["AP/+", "data:image/png;base64,AP/+", " AP\r\n/+ ", "data:;base64,AP/+"] {
            assert_eq!(from_text(text).unwrap(), [0, 255, 254], "{text}");
        }
        for text in ["AA==", "AA"] {
            assert_eq!(from_text(text).unwrap(), [0], "{text}");
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["AP_-", "photo.png", "A", "data:image/png,AAAA", "data:AAAA", "ÄÖ"] {
            assert!(matches!(from_text(text), Err(ImageError::Base64 { .. })), "{text}");
        }
        let long = "A".repeat(MAX_BYTES * 2);
        assert!(matches!(from_text(&long), Err(ImageError::TooManyBytes { .. })));
    }
}
