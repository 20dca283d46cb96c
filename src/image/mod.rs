//! Bytes to pixels: PNG and JPEG, grey or colour, resized to one size. Nothing is allocated for an
//! image before its declared size is found to be within [`MAX_PIXELS`].

mod base64;
mod error;
mod jpeg;
mod png;
mod resize;
mod spec;

pub use base64::from_text;
pub use error::ImageError;
pub use spec::{ImageColors, ImageSize, ImageSpec};

use resize::Resizer;

/// Pixels that an image may declare: a photo of 24 megapixels passes.
pub const MAX_PIXELS: u64 = 25_000_000;
/// Bytes that an image file may have.
pub const MAX_BYTES: usize = 8 << 20;

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    Png,
    Jpeg,
}

/// What an image declares about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How it is written.
    pub format: ImageFormat,
    /// Rows of pixels, at least 1.
    pub height: u32,
    /// Columns of pixels, at least 1.
    pub width: u32,
    /// Whether it holds no colour.
    pub is_grey: bool,
}

/// Reads the header alone, and refuses what [`decode`] would refuse for it.
pub fn inspect(bytes: &[u8]) -> Result<Header, ImageError> {
    match format(bytes)? {
        ImageFormat::Png => Ok(png::open(bytes)?.0),
        ImageFormat::Jpeg => Ok(jpeg::open(bytes)?.0),
    }
}

/// The pixels of an image in \[0, 1\], channels × height × width of `size`: black is 0. The image is
/// stretched to the size, each pixel a weighted mean of those it covers (bilinear, widened when
/// shrinking). Transparent parts lie on white. Colour becomes grey as 0.299 R + 0.587 G + 0.114 B.
/// A photo's orientation tag is not followed: the pixels are taken as they are stored.
pub fn decode(bytes: &[u8], size: &ImageSize) -> Result<Vec<f32>, ImageError> {
    match format(bytes)? {
        ImageFormat::Png => png::decode(bytes, size),
        ImageFormat::Jpeg => jpeg::decode(bytes, size),
    }
}

fn format(bytes: &[u8]) -> Result<ImageFormat, ImageError> {
    if bytes.len() > MAX_BYTES {
        return Err(ImageError::TooManyBytes { found: bytes.len() });
    }
    let found = match bytes {
        [] => "nothing",
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => return Ok(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => return Ok(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP image",
        [b'B', b'M', ..] => "a BMP image",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "a TIFF image",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a HEIC or AVIF image, or a film",
        [b'<', ..] => "an SVG image or a web page",
        _ => "no image that is known",
    };
    Err(ImageError::Format { found })
}

/// Refuses a declared size before anything is allocated for it.
fn check_size(
    format: ImageFormat,
    height: u32,
    width: u32,
    is_grey: bool,
) -> Result<Header, ImageError> {
    if height == 0 || width == 0 {
        return Err(ImageError::NoPixels { height, width });
    }
    if u64::from(height) * u64::from(width) > MAX_PIXELS {
        return Err(ImageError::TooManyPixels { height, width });
    }
    Ok(Header { format, height, width, is_grey })
}

/// Writes one row of pixels with samples in \[0, 1\] as the channels that are wanted. `samples` of a
/// pixel: grey, grey and alpha, RGB or RGBA.
fn convert(row: impl Iterator<Item = f32>, samples: usize, channels: usize, out: &mut Vec<f32>) {
    out.clear();
    let mut pixel = [0.0f32; 4];
    for (place, sample) in row.enumerate() {
        pixel[place % samples] = sample;
        if place % samples + 1 < samples {
            continue;
        }
        let alpha = if samples.is_multiple_of(2) { pixel[samples - 1] } else { 1.0 };
        let on_white = |sample: f32| 1.0 - alpha * (1.0 - sample);
        let [red, green, blue] =
            if samples < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] }.map(on_white);
        match (channels, samples) {
            (1, 1 | 2) => out.push(red),
            (1, _) => out.push(0.299 * red + 0.587 * green + 0.114 * blue),
            _ => out.extend([red, green, blue]),
        }
    }
}

#[cfg(test)]
mod tests;
