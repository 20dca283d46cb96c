//! The size that images are brought to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Header;

/// Images of at most this height and width keep their size, if all have the same.
const KEPT: u32 = 64;
/// What other images are brought to, both ways.
const DEFAULT: u32 = 32;

/// Whether the network sees colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageColors {
    /// One channel, brightness.
    Grey,
    /// Three channels: red, green, blue.
    Rgb,
}

/// How images become pixels. What is not given follows from the training images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ImageSpec {
    /// Rows of pixels that every image is resized to. By default as many as `width`; without
    /// either, the training images' own size if all have the same and it is at most 64 × 64, and 32 × 32
    /// otherwise. Images are stretched, not cropped.
    #[schema(minimum = 1, maximum = 512)]
    pub height: Option<u32>,
    /// Columns of pixels that every image is resized to. By default as many as `height`.
    #[schema(minimum = 1, maximum = 512)]
    pub width: Option<u32>,
    /// Whether the network sees colour. By default it does if any training image has some.
    pub colors: Option<ImageColors>,
}

/// The size that images are brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageSize {
    /// 1 or 3.
    pub channels: u32,
    /// Rows of pixels.
    pub height: u32,
    /// Columns of pixels.
    pub width: u32,
}

impl ImageSize {
    /// Numbers that describe an image: channels × height × width.
    pub fn values(&self) -> usize {
        self.channels as usize * self.height as usize * self.width as usize
    }
}

impl ImageSpec {
    /// The size, from the headers of the training images.
    pub fn resolve(&self, headers: impl IntoIterator<Item = Header>) -> ImageSize {
        let mut size = None;
        let (mut are_equal, mut are_grey) = (true, true);
        for header in headers {
            let own = (header.height, header.width);
            are_equal &= *size.get_or_insert(own) == own;
            are_grey &= header.is_grey;
        }
        let own = size.filter(|(height, width)| are_equal && *height.max(width) <= KEPT);
        let (height, width) = match (self.height, self.width) {
            (Some(height), Some(width)) => (height, width),
            (Some(side), None) | (None, Some(side)) => (side, side),
            (None, None) => own.unwrap_or((DEFAULT, DEFAULT)),
        };
        let is_grey = self.colors.map_or(size.is_some() && are_grey, |c| c == ImageColors::Grey);
        ImageSize { channels: if is_grey { 1 } else { 3 }, height, width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageFormat;

    #[test]
    fn sizes_follow_the_spec_and_then_the_images() {
        let of =
            |height, width, is_grey| Header { format: ImageFormat::Png, height, width, is_grey };
        let size = |spec: &ImageSpec, headers: &[Header]| {
            let ImageSize { channels, height, width } = spec.resolve(headers.iter().copied());
            (channels, height, width)
        };
        let auto = ImageSpec::default();
        assert_eq!(size(&auto, &[of(28, 20, true), of(28, 20, true)]), (1, 28, 20));
        assert_eq!(size(&auto, &[of(28, 20, true), of(28, 20, false)]), (3, 28, 20));
        assert_eq!(size(&auto, &[of(28, 20, true), of(20, 28, true)]), (1, 32, 32));
        assert_eq!(size(&auto, &[of(65, 64, false)]), (3, 32, 32));
        assert_eq!(size(&auto, &[]), (3, 32, 32));
        let wide = ImageSpec { width: Some(100), colors: Some(ImageColors::Grey), ..auto.clone() };
        assert_eq!(size(&wide, &[of(28, 20, false)]), (1, 100, 100));
        let both = ImageSpec { height: Some(5), width: Some(7), colors: Some(ImageColors::Rgb) };
        assert_eq!(size(&both, &[of(28, 20, true)]), (3, 5, 7));
    }
}
