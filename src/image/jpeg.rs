//! JPEG, through the `zune-jpeg` crate.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{Header, ImageError, ImageFormat, ImageSize, Resizer, check_size, convert};

/// Scans of a progressive image; each costs a pass over all of it.
const MAX_SCANS: usize = 64;

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// Reads the header.
pub fn open(bytes: &[u8]) -> Result<(Header, Decoder<'_>), ImageError> {
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(bad)?;
    let (width, height) = decoder.dimensions().ok_or(ImageError::Truncated)?;
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let header = check_size(ImageFormat::Jpeg, height as u32, width as u32, is_grey)?;
    Ok((header, decoder))
}

/// The pixels.
pub fn decode(bytes: &[u8], size: &ImageSize) -> Result<Vec<f32>, ImageError> {
    let (header, mut decoder) = open(bytes)?;
    if !is_whole(bytes) {
        return Err(ImageError::Truncated);
    }
    let samples = if header.is_grey { 1 } else { 3 };
    let wanted = if header.is_grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let pixels = decoder.decode().map_err(bad)?;
    let length = header.width as usize * samples;
    if decoder.output_colorspace() != Some(wanted)
        || pixels.len() != length * header.height as usize
    {
        return Err(damaged("its colours cannot be read".to_owned()));
    }
    let mut resizer = Resizer::new(header.height, header.width, size);
    let mut row = Vec::new();
    for pixels in pixels.chunks_exact(length) {
        let values = pixels.iter().map(|value| f32::from(*value) / 255.0);
        convert(values, samples, size.channels as usize, &mut row);
        resizer.push(&row);
    }
    Ok(resizer.finish())
}

/// Whether the mark of the end follows the start of the image's data. The decoder fills up what is
/// missing with grey.
fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = &bytes[2..];
    loop {
        match rest {
            [0xff, 0xff, ..] => rest = &rest[1..],
            [0xff, 0xda, data @ ..] => return data.windows(2).any(|pair| pair == [0xff, 0xd9]),
            [0xff, _, high, low, ..] => {
                let length = 2 + usize::from(u16::from_be_bytes([*high, *low]));
                let Some(after) = rest.get(length..) else { return false };
                rest = after;
            }
            _ => return false,
        }
    }
}

fn bad(error: DecodeErrors) -> ImageError {
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => ImageError::Truncated,
        DecodeErrors::ZeroError => ImageError::NoPixels { height: 0, width: 0 },
        other => damaged(format!("{other:?}")),
    }
}

fn damaged(reason: String) -> ImageError {
    ImageError::Damaged { format: "JPEG", reason }
}
