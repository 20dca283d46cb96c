//! PNG, through the `png` crate.

use std::io::Cursor;

use png::{BitDepth, Decoder, DecodingError, Limits, Reader, Transformations};

use super::{Header, ImageError, ImageFormat, ImageSize, Resizer, check_size, convert};

/// Bytes that the decoder may allocate for itself: some rows.
const DECODER_BYTES: usize = 256 << 20;

type PngReader<'a> = Reader<Cursor<&'a [u8]>>;

/// Reads the header.
pub fn open(bytes: &[u8]) -> Result<(Header, PngReader<'_>), ImageError> {
    // The size stands at a fixed place, and is judged before the decoder sees the file.
    let number = |at: usize| -> Result<u32, ImageError> {
        let digits = bytes.get(at..at + 4).and_then(|digits| digits.first_chunk::<4>());
        digits.map(|digits| u32::from_be_bytes(*digits)).ok_or(ImageError::Truncated)
    };
    if bytes.get(12..16).ok_or(ImageError::Truncated)? != b"IHDR" {
        return Err(damaged("it does not start with its size"));
    }
    check_size(ImageFormat::Png, number(20)?, number(16)?, false)?;
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: DECODER_BYTES });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(bad)?;
    let frames = reader.info().animation_control.map_or(1, |animation| animation.num_frames);
    if frames > 1 {
        return Err(ImageError::Animated { frames });
    }
    let is_grey = reader.output_color_type().0.samples() < 3;
    let (width, height) = reader.info().size();
    Ok((check_size(ImageFormat::Png, height, width, is_grey)?, reader))
}

/// The pixels.
pub fn decode(bytes: &[u8], size: &ImageSize) -> Result<Vec<f32>, ImageError> {
    let (header, mut reader) = open(bytes)?;
    let (color, depth) = reader.output_color_type();
    let channels = size.channels as usize;
    let mut resizer = Resizer::new(header.height, header.width, size);
    let mut pixels = Vec::new();
    let mut push = |row: &[u8]| {
        let samples = color.samples();
        if depth == BitDepth::Sixteen {
            let values = row.as_chunks::<2>().0.iter();
            let values = values.map(|value| f32::from(u16::from_be_bytes(*value)) / 65_535.0);
            convert(values, samples, channels, &mut pixels);
        } else {
            convert(
                row.iter().map(|value| f32::from(*value) / 255.0),
                samples,
                channels,
                &mut pixels,
            );
        }
        resizer.push(&pixels);
    };
    if reader.info().interlaced {
        let length = reader.output_buffer_size().ok_or_else(|| damaged("its size overflows"))?;
        let mut frame = vec![0; length];
        let info = reader.next_frame(&mut frame).map_err(bad)?;
        frame.chunks_exact(info.line_size).take(header.height as usize).for_each(&mut push);
    } else {
        let mut rows = 0;
        while let Some(row) = reader.next_row().map_err(bad)? {
            push(row.data());
            rows += 1;
        }
        if rows < header.height {
            return Err(ImageError::Truncated);
        }
    }
    reader.finish().map_err(bad)?;
    Ok(resizer.finish())
}

fn bad(error: DecodingError) -> ImageError {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            ImageError::Truncated
        }
        DecodingError::LimitsExceeded => damaged("it needs too much memory"),
        other => damaged(&other.to_string()),
    }
}

fn damaged(reason: &str) -> ImageError {
    ImageError::Damaged { format: "PNG", reason: reason.to_owned() }
}
