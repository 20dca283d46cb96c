//! What the first bytes of an image say, out of base64: only the few characters that hold them are
//! decoded, so that a profile costs next to nothing. Pixels are read where a network needs them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Segments of a JPEG file before its size; more are not looked through.
const MAX_SEGMENTS: usize = 200;

/// A kind of image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFile {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

/// The images of a column at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageSizes {
    /// PNG files.
    pub png: u64,
    /// JPEG files.
    pub jpeg: u64,
    /// Files whose size in pixels cannot be read: they are damaged.
    pub damaged: u64,
    /// Smallest and largest width in pixels; 0 where no size can be read.
    pub width: [u32; 2],
    /// Smallest and largest height in pixels; 0 where no size can be read.
    pub height: [u32; 2],
}

impl ImageSizes {
    /// Counts an image.
    pub fn add(&mut self, file: ImageFile, size: Option<(u32, u32)>) {
        match file {
            ImageFile::Png => self.png += 1,
            ImageFile::Jpeg => self.jpeg += 1,
        }
        let Some((width, height)) = size else {
            self.damaged += 1;
            return;
        };
        let first = self.png + self.jpeg - self.damaged == 1;
        let wider = |[least, most]: [u32; 2], value: u32| {
            if first { [value; 2] } else { [least.min(value), most.max(value)] }
        };
        self.width = wider(self.width, width);
        self.height = wider(self.height, height);
    }
}

/// The kind of image that a text is the base64 of, with or without `data:image/png;base64,` in front,
/// and its width and height, if its header can be read; `None` for any other text.
pub fn look(text: &str) -> Option<(ImageFile, Option<(u32, u32)>)> {
    let text = text.trim_start();
    let encoded = match text.strip_prefix("data:image/") {
        Some(rest) => rest.get(..40.min(rest.len())).and_then(|head| {
            let comma = head.find(',')?;
            rest.get(comma + 1..)
        })?,
        None => text,
    };
    let bytes = Base64(encoded.as_bytes());
    if bytes.at::<8>(0) == Some(*b"\x89PNG\r\n\x1a\n") {
        return Some((ImageFile::Png, png(&bytes)));
    }
    (bytes.at::<3>(0)? == [0xff, 0xd8, 0xff]).then(|| (ImageFile::Jpeg, jpeg(&bytes)))
}

/// Bytes as base64, without line breaks.
struct Base64<'a>(&'a [u8]);

impl Base64<'_> {
    /// The `N` bytes at a place.
    fn at<const N: usize>(&self, start: usize) -> Option<[u8; N]> {
        // Four characters hold three bytes.
        let first = start / 3;
        let end = ((start + N).div_ceil(3) * 4).min(self.0.len());
        let characters = self.0.get(first * 4..end)?;
        let padding = characters.iter().rev().take_while(|c| **c == b'=').count();
        let bytes = STANDARD_NO_PAD.decode(&characters[..characters.len() - padding]).ok()?;
        bytes.get(start - first * 3..)?.first_chunk::<N>().copied()
    }
}

/// The size stands at a fixed place, in a chunk that must be the first.
fn png(bytes: &Base64<'_>) -> Option<(u32, u32)> {
    let number = |at| bytes.at::<4>(at).map(u32::from_be_bytes);
    (bytes.at::<4>(12)? == *b"IHDR").then_some((number(16)?, number(20)?))
}

/// The size stands in the first segment that starts a frame; others are stepped over.
fn jpeg(bytes: &Base64<'_>) -> Option<(u32, u32)> {
    let mut at = 2;
    for _ in 0..MAX_SEGMENTS {
        let [mark, kind, high, low] = bytes.at::<4>(at)?;
        match (mark, kind) {
            (0xff, 0xff) => at += 1,
            (0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) => {
                let [height, width] = [5, 7].map(|place| bytes.at::<2>(at + place));
                let number = |bytes: [u8; 2]| u32::from(u16::from_be_bytes(bytes));
                return Some((number(width?), number(height?)));
            }
            (0xff, 0xda) => return None,
            (0xff, _) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        [head, &width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat()
    }

    /// With segments before the frame, of lengths that end anywhere in four characters.
    fn jpeg_of(width: u16, height: u16, before: &[usize]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8];
        for length in before {
            bytes.extend([0xff, 0xe1]);
            bytes.extend((*length as u16 + 2).to_be_bytes());
            bytes.extend(vec![0x5a; *length]);
        }
        bytes.extend([0xff, 0xff, 0xc2, 0, 17, 8]);
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.push(3);
        bytes
    }

    #[test]
    fn sizes_stand_in_the_header() {
        let see = |bytes: &[u8]| look(&STANDARD.encode(bytes));
        let png = png_of(640, 70_000);
        assert_eq!(see(&png), Some((ImageFile::Png, Some((640, 70_000)))));
        for before in [&[][..], &[0], &[1], &[2], &[3, 4, 60_000, 5]] {
            let jpeg = jpeg_of(300, 200, before);
            assert_eq!(see(&jpeg), Some((ImageFile::Jpeg, Some((300, 200)))), "{before:?}");
        }
        let url = |bytes: &[u8]| format!("  data:image/png;base64,{}", STANDARD.encode(bytes));
        assert_eq!(look(&url(&png)), Some((ImageFile::Png, Some((640, 70_000)))));
        // Cut off anywhere: still an image from its first bytes on, and no size before that is there.
        for end in 0..png.len() {
            let expected =
                (end >= 8).then_some((ImageFile::Png, (end >= 24).then_some((640, 70_000))));
            assert_eq!(see(&png[..end]), expected, "{end}");
        }
        let jpeg = jpeg_of(300, 200, &[7]);
        for end in 3..jpeg.len() {
            let (file, size) = see(&jpeg[..end]).unwrap();
            assert_eq!((file, size.is_some()), (ImageFile::Jpeg, end + 1 >= jpeg.len()), "{end}");
        }
    }

    #[test]
    fn other_texts_are_no_images() {
        for text in ["", "iVBO", "a text", "data:image/png", "data:image/ä,", "äöü", "/9k=", "===="]
        {
            assert_eq!(look(text), None, "{text}");
        }
        assert_eq!(look(&STANDARD.encode(b"GIF89a and more of it")), None);
    }

    #[test]
    fn ranges_are_of_those_that_can_be_read() {
        let mut sizes = ImageSizes::default();
        sizes.add(ImageFile::Jpeg, None);
        assert_eq!((sizes.width, sizes.damaged), ([0, 0], 1));
        sizes.add(ImageFile::Png, Some((30, 40)));
        sizes.add(ImageFile::Png, Some((20, 50)));
        let expected =
            ImageSizes { png: 2, jpeg: 1, damaged: 1, width: [20, 30], height: [40, 50] };
        assert_eq!(sizes, expected);
    }
}
