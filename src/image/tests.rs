use std::borrow::Cow;

use ::png::{BitDepth, ColorType, Encoder};
use proptest::prelude::*;

use super::*;
use crate::random::{RngCore, stream};

// 24 × 16 pixels, the left half (200, 40, 30), the right half (20, 60, 220), written by Pillow.
const COLOR: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsL\
    EBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU\
    FBQUFBQUFBQUFBQUFBQUFBQUFBT/wAARCAAQABgDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAABQAH/8QAGBAB\
    AAMBAAAAAAAAAAAAAAAAAAZEgsH/xAAVAQEBAAAAAAAAAAAAAAAAAAAIA//EABsRAAEFAQEAAAAAAAAAAAAAAAACBAc2\
    s4KD/9oADAMBAAIRAxEAPwDEgcmra4cByatriMZ2xn6ZLEZJNVd8aIA0kdwGz//Z";
const PROGRESSIVE: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsL\
    EBYQERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU\
    FBQUFBQUFBQUFBQUFBQUFBQUFBT/wgARCAAQABgDAREAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAABAUG/8QAFgEB\
    AQEAAAAAAAAAAAAAAAAABwgG/9oADAMBAAIQAxAAAAHEZRsCnmYVAzuTBTAU8zCoGf8A/8QAFhABAQEAAAAAAAAAAAAA\
    AAAABBAA/9oACAEBAAEFAsmpn//EABkRAAIDAQAAAAAAAAAAAAAAAAYQRILCAP/aAAgBAwEBPwHjOPbLM49sr//EABkR\
    AAIDAQAAAAAAAAAAAAAAAAYQRILCAP/aAAgBAgEBPwHgmRXTCZFdL//EABYQAQEBAAAAAAAAAAAAAAAAAAIQAP/aAAgB\
    AQAGPwLGmf/EABYQAQEBAAAAAAAAAAAAAAAAABDBAP/aAAgBAQABPyHWbH//2gAMAwEAAgADAAAAENptP//EABQRAQAA\
    AAAAAAAAAAAAAAAAACD/2gAIAQMBAT8QVV//xAAUEQEAAAAAAAAAAAAAAAAAAAAg/9oACAECAQE/EEzf/8QAFxAAAwEA\
    AAAAAAAAAAAAAAAAEIHwAP/aAAgBAQABPxDSRkh//9k=";
const GREY: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsL\
    EBYQERMUFRUVDA8XGBYUGBIUFRT/wAALCAAQABgBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABQYH/8QAGBABAAMBAAAA\
    AAAAAAAAAAAAAAZEgsH/2gAIAQEAAD8AxIHJq2uA1wDk1bXAb//Z";
const CMYK: &str = "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAW\
    EBETFBUVFQwPFxgWFBgSFBUU/8AAFAgAEAAYBEMRAE0RAFkRAEsRAP/EABgAAQADAQAAAAAAAAAAAAAAAAgABQkG/8QA\
    HBABAAEEAwAAAAAAAAAAAAAAAAkGR4XERILB/9oADgRDAE0AWQBLAAA/AGACjPpqmB8o1s8nqLum+T19P2Ke6OL20A9d\
    n6jeBxLAVAPlGtnk9Rd03yevp+xT3Rxe2gHrs/Uf/9k=";

fn size(channels: u32, height: u32, width: u32) -> ImageSize {
    ImageSize { channels, height, width }
}

fn encoder(
    bytes: &mut Vec<u8>,
    color: ColorType,
    depth: BitDepth,
    height: u32,
    width: u32,
) -> Encoder<'static, &mut Vec<u8>> {
    let mut encoder = Encoder::new(bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder
}

fn write(color: ColorType, depth: BitDepth, height: u32, width: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = encoder(&mut bytes, color, depth, height, width).write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

fn near(values: &[f32], expected: &[f32]) {
    assert_eq!(values.len(), expected.len(), "{values:?}");
    for (value, expected) in values.iter().zip(expected) {
        assert!((value - expected).abs() < 2e-6, "{values:?}");
    }
}

#[test]
fn every_kind_of_png() {
    use BitDepth::{Eight, One, Sixteen};
    use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let grey = write(Grayscale, Eight, 1, 2, &[0, 51]);
    assert!(inspect(&grey).unwrap().is_grey);
    near(&decode(&grey, &size(1, 1, 2)).unwrap(), &[0.0, 0.2]);
    near(&decode(&grey, &size(3, 1, 2)).unwrap(), &[0.0, 0.2, 0.0, 0.2, 0.0, 0.2]);
    let deep = write(Grayscale, Sixteen, 1, 2, &[0x33, 0x33, 0xff, 0xff]);
    near(&decode(&deep, &size(1, 1, 2)).unwrap(), &[0.2, 1.0]);
    let bits = write(Grayscale, One, 2, 9, &[0b1010_0000, 0x80, 0, 0]);
    let expected = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0].into_iter().chain([0.0; 9]);
    near(&decode(&bits, &size(1, 2, 9)).unwrap(), &expected.collect::<Vec<f32>>());
    let color = write(Rgb, Eight, 1, 1, &[255, 51, 0]);
    assert_eq!(
        inspect(&color).unwrap(),
        Header { format: ImageFormat::Png, height: 1, width: 1, is_grey: false }
    );
    near(&decode(&color, &size(3, 1, 1)).unwrap(), &[1.0, 0.2, 0.0]);
    near(&decode(&color, &size(1, 1, 1)).unwrap(), &[0.299 + 0.2 * 0.587]);
    let deep = write(Rgb, Sixteen, 1, 1, &[255, 255, 0x33, 0x33, 0, 0]);
    near(&decode(&deep, &size(3, 1, 1)).unwrap(), &[1.0, 0.2, 0.0]);
    // Half transparent black on white is grey; what cannot be seen is white.
    let alpha = write(GrayscaleAlpha, Eight, 1, 2, &[0, 51, 0, 0]);
    near(&decode(&alpha, &size(1, 1, 2)).unwrap(), &[0.8, 1.0]);
    let alpha = write(Rgba, Eight, 1, 1, &[255, 0, 0, 51]);
    near(&decode(&alpha, &size(3, 1, 1)).unwrap(), &[1.0, 0.8, 0.8]);
    let mut indexed = Vec::new();
    let mut encoder = encoder(&mut indexed, Indexed, Eight, 1, 3);
    encoder.set_palette(Cow::Borrowed(&[255, 0, 0, 0, 0, 255, 9, 9, 9][..]));
    encoder.set_trns(Cow::Borrowed(&[255, 255, 0][..]));
    encoder.write_header().unwrap().write_image_data(&[1, 0, 2]).unwrap();
    near(
        &decode(&indexed, &size(3, 1, 3)).unwrap(),
        &[0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0],
    );
}

#[test]
fn every_kind_of_jpeg() {
    for (text, format) in [(COLOR, "baseline"), (PROGRESSIVE, "progressive"), (CMYK, "cmyk")] {
        let bytes = from_text(text).unwrap();
        let header = Header { format: ImageFormat::Jpeg, height: 16, width: 24, is_grey: false };
        assert_eq!(inspect(&bytes).unwrap(), header);
        let pixels = decode(&bytes, &size(3, 2, 2)).unwrap();
        let expected = [200, 20, 200, 20, 40, 60, 40, 60, 30, 220, 30, 220];
        for (pixel, expected) in pixels.iter().zip(expected) {
            // The halves bleed into each other a little when they are shrunk.
            assert!((pixel * 255.0 - expected as f32).abs() < 30.0, "{format} {pixels:?}");
        }
        let whole = decode(&bytes, &size(3, 16, 24)).unwrap();
        let left = [0, 384, 768].map(|plane| (whole[plane + 8 * 24 + 3] * 255.0).round());
        assert!(
            (left[0] - 200.0).abs() <= 2.0 && (left[1] - 40.0).abs() <= 2.0,
            "{format} {left:?}"
        );
    }
    let grey = from_text(GREY).unwrap();
    assert!(inspect(&grey).unwrap().is_grey);
    let pixels = decode(&grey, &size(1, 16, 24)).unwrap();
    assert_eq!(
        [pixels[8 * 24 + 3] * 255.0, pixels[8 * 24 + 20] * 255.0].map(f32::round),
        [87.0, 66.0]
    );
    let as_color = decode(&grey, &size(3, 16, 24)).unwrap();
    assert_eq!(as_color, [pixels.as_slice(); 3].concat());
}

/// A PNG that declares a size, with the checksum right and hardly any data.
fn declares(height: u32, width: u32) -> Vec<u8> {
    let mut bytes = write(ColorType::Grayscale, BitDepth::Eight, 1, 1, &[0]);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    // CRC-32 of the chunk, as PNG defines it.
    let mut crc = u32::MAX;
    for byte in &bytes[12..29] {
        crc ^= u32::from(*byte);
        (0..8).for_each(|_| crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 });
    }
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn bombs_are_refused_by_what_they_declare() {
    let to = size(1, 4, 4);
    for (height, width) in [(u32::MAX >> 1, u32::MAX >> 1), (5_001, 5_000), (1, 25_000_001)] {
        let bytes = declares(height, width);
        assert_eq!(decode(&bytes, &to), Err(ImageError::TooManyPixels { height, width }));
        assert!(inspect(&bytes).is_err());
    }
    assert_eq!(decode(&declares(0, 5), &to), Err(ImageError::NoPixels { height: 0, width: 5 }));
    // The largest size that is read, and nothing behind it.
    let error = decode(&declares(5_000, 5_000), &to).unwrap_err().to_string();
    assert!(error.contains("does not have enough data"), "{error}");
    let mut jpeg = from_text(COLOR).unwrap();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let (height, width) = (65_535, 65_535);
    assert_eq!(decode(&jpeg, &to), Err(ImageError::TooManyPixels { height, width }));
    jpeg[frame + 7..frame + 9].copy_from_slice(&[0, 0]);
    assert!(matches!(decode(&jpeg, &to), Err(ImageError::NoPixels { .. })));
    let many = vec![0x89; MAX_BYTES + 1];
    assert_eq!(decode(&many, &to), Err(ImageError::TooManyBytes { found: MAX_BYTES + 1 }));
}

#[test]
fn what_is_no_image_is_named() {
    let named = |bytes: &[u8], name: &str| {
        let error = inspect(bytes).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("PNG or JPEG"), "{error}");
    };
    named(b"", "nothing");
    named(b"GIF89a......", "a GIF");
    named(b"RIFF....WEBPVP8 ", "a WebP");
    named(b"BM123456", "a BMP");
    named(b"<svg>", "an SVG");
    named(b"....ftypheic", "HEIC");
    named(b"hello", "no image that is known");
    let mut bytes = Vec::new();
    let mut encoder = encoder(&mut bytes, ColorType::Grayscale, BitDepth::Eight, 1, 1);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0]).unwrap();
    writer.write_image_data(&[1]).unwrap();
    writer.finish().unwrap();
    assert_eq!(inspect(&bytes), Err(ImageError::Animated { frames: 2 }));
}

#[test]
fn cut_off_images_are_refused_wherever_they_end() {
    let mut rng = stream(1, "image");
    let noise: Vec<u8> = (0..300).map(|_| rng.next_u32() as u8).collect();
    let png = write(ColorType::Rgb, BitDepth::Eight, 10, 10, &noise);
    let to = size(3, 4, 4);
    assert!(decode(&png, &to).is_ok());
    for end in 8..png.len() {
        let error = decode(&png[..end], &to).unwrap_err();
        assert!(
            matches!(error, ImageError::Truncated | ImageError::Damaged { .. }),
            "{end} {error}"
        );
    }
    for text in [COLOR, PROGRESSIVE, GREY, CMYK] {
        let mut jpeg = from_text(text).unwrap();
        for end in 3..jpeg.len() {
            let error = decode(&jpeg[..end], &to).unwrap_err();
            assert!(matches!(error, ImageError::Truncated | ImageError::Damaged { .. }), "{error}");
        }
        // What some cameras write behind the image does not matter.
        jpeg.extend(b"more");
        assert!(decode(&jpeg, &to).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Altered bytes give an error or an image of the right size with values in [0, 1]; no panic.
    #[test]
    fn altered_images_never_panic(which in 0usize..5, places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = match which {
            0 => write(ColorType::Rgb, BitDepth::Eight, 6, 6, &[7; 108]),
            other => from_text([COLOR, PROGRESSIVE, GREY, CMYK][other - 1]).unwrap(),
        };
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(pixels) = decode(&bytes, &size(3, 5, 5)) {
            prop_assert_eq!(pixels.len(), 75);
            prop_assert!(pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
        }
    }
}
