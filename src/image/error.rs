//! What can be wrong with an image.

use super::{MAX_BYTES, MAX_PIXELS};

/// Why bytes are no image that can be used. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("the text is not base64: {reason}; send the file's bytes in the standard alphabet")]
    Base64 { reason: String },
    #[error("it is {found}; send PNG or JPEG")]
    Format { found: &'static str },
    #[error("the file has {found} bytes; at most {MAX_BYTES} are read: make the image smaller")]
    TooManyBytes { found: usize },
    #[error(
        "the image declares {height} × {width} pixels; at most {MAX_PIXELS} are read: make it smaller"
    )]
    TooManyPixels { height: u32, width: u32 },
    #[error("the image declares {height} × {width} pixels; send one with pixels")]
    NoPixels { height: u32, width: u32 },
    #[error("the image is animated, {frames} pictures; send each as an image of its own")]
    Animated { frames: u32 },
    #[error("the file ends in the middle of the image; send it whole")]
    Truncated,
    #[error("the {format} is damaged: {reason}; write the image again")]
    Damaged { format: &'static str, reason: String },
}
