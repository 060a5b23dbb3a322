//! Pictures as models are sent them: of a kind every provider takes, small enough, and weighed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{ids::FileId, write::Target};

/// Largest picture that is sent, in bytes. In base64 it stays below the five megabytes that the strictest
/// provider takes.
pub const LARGEST_PICTURE_BYTES: usize = 3_750_000;
/// Longest side that providers take, in pixels.
const LONGEST_SIDE: u32 = 8_000;
/// Every provider makes larger pictures smaller before it looks at them, so none costs more than this.
const MOST_TOKENS: u64 = 1_600;
const LEAST_TOKENS: u64 = 85;
/// Pixels a token stands for.
const PIXELS_A_TOKEN: u64 = 750;

/// A picture that Plane keeps, and how it is called where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureRef {
    pub id: FileId,
    /// The work item it is on, and by it the project that holds it.
    pub item: Target,
    /// Such as `cart-de.png, a file on the work item`. It is other people's text.
    pub name: String,
}

/// A picture, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Such as `image/png`.
    pub media_type: &'static str,
    pub base64: String,
    /// What it costs a model at most, as well as can be told.
    pub tokens: u64,
}

/// Why a file is not shown as a picture. The text goes on after "it".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unseeable {
    #[error("is no whole PNG, JPEG, GIF or WebP picture")]
    Kind,
    #[error("is too large to be shown")]
    TooLarge,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture")
            .field("media_type", &self.media_type)
            .field("base64", &format_args!("{} characters", self.base64.len()))
            .field("tokens", &self.tokens)
            .finish()
    }
}

impl Picture {
    /// Takes a file's bytes for what they are, whatever the file is called.
    ///
    /// # Errors
    /// It is no picture that every provider takes.
    pub fn read(bytes: &[u8]) -> Result<Self, Unseeable> {
        let media_type = kind(bytes).ok_or(Unseeable::Kind)?;
        // What does not tell its size is cut off or broken, and a provider would refuse the request for it.
        let (width, height) =
            size(bytes, media_type).filter(|(width, height)| *width.min(height) > 0).ok_or(Unseeable::Kind)?;
        if bytes.len() > LARGEST_PICTURE_BYTES || width.max(height) > LONGEST_SIDE {
            return Err(Unseeable::TooLarge);
        }
        let pixels = u64::from(width) * u64::from(height);
        let tokens = pixels.div_ceil(PIXELS_A_TOKEN).clamp(LEAST_TOKENS, MOST_TOKENS);
        Ok(Self { media_type, base64: STANDARD.encode(bytes), tokens })
    }

    /// As an address that holds the picture itself.
    #[must_use]
    pub fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type, self.base64)
    }
}

fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Width and height in pixels, where the file's head tells them.
fn size(bytes: &[u8], media_type: &str) -> Option<(u32, u32)> {
    let big = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let little = |at: usize| Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
    match media_type {
        "image/png" => Some((big(16)?, big(20)?)),
        "image/gif" => Some((little(6)?, little(8)?)),
        "image/jpeg" => jpeg_size(bytes),
        _ => webp_size(bytes),
    }
}

/// From the first frame header; what comes before it is skipped by the lengths it tells.
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let big = |at: usize| Some(u32::from(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        match *bytes.get(at + 1)? {
            0xff => at += 1,
            0xc4 | 0xc8 | 0xcc => at += 2 + usize::try_from(big(at + 2)?).ok()?,
            0xc0..=0xcf => return Some((big(at + 7)?, big(at + 5)?)),
            0xd8 | 0x01 => at += 2,
            _ => at += 2 + usize::try_from(big(at + 2)?).ok()?,
        }
    }
}

fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let byte = |at: usize| bytes.get(at).copied().map(u32::from);
    let two = |at: usize| Some(byte(at)? | byte(at + 1)? << 8);
    match bytes.get(12..16)? {
        b"VP8X" => {
            let three = |at: usize| Some(two(at)? | byte(at + 2)? << 16);
            Some((three(24)? + 1, three(27)? + 1))
        }
        b"VP8 " => Some((two(26)? & 0x3fff, two(28)? & 0x3fff)),
        b"VP8L" => {
            let bits = two(21)? | two(23)? << 16;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    #[test]
    fn a_picture_is_known_by_its_bytes_and_weighed_by_its_size() {
        let jpeg =
            b"\xff\xd8\xff\xe0\0\x04JF\xff\xff\xc4\0\x03\0\xff\xc2\0\x0b\x08\x02\x58\x03\x20\x01\x01\x11\0".to_vec();
        let gif = b"GIF89a\x20\x03\x58\x02".to_vec();
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x20\x03\x58\x02".to_vec();
        let extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x1f\x03\0\x57\x02\0".to_vec();
        let lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x1f\xc3\x95\0".to_vec();
        for (bytes, kind) in [
            (png(800, 600), "image/png"),
            (jpeg, "image/jpeg"),
            (gif, "image/gif"),
            (lossy, "image/webp"),
            (extended, "image/webp"),
            (lossless, "image/webp"),
        ] {
            assert_eq!(size(&bytes, kind), Some((800, 600)), "{kind}");
            let picture = Picture::read(&bytes).unwrap();
            assert_eq!((picture.media_type, picture.tokens), (kind, 640));
        }
        assert_eq!(Picture::read(&png(1, 1)).unwrap().tokens, LEAST_TOKENS);
        assert_eq!(Picture::read(&png(4_000, 4_000)).unwrap().tokens, MOST_TOKENS);
    }

    #[test]
    fn what_no_provider_takes_is_no_picture() {
        assert_eq!(Picture::read(b"<svg onload=alert(1)>"), Err(Unseeable::Kind));
        assert_eq!(Picture::read(b""), Err(Unseeable::Kind));
        assert_eq!(Picture::read(b"\xff\xd8\xff"), Err(Unseeable::Kind));
        assert_eq!(Picture::read(&png(0, 9)), Err(Unseeable::Kind));
        assert_eq!(Picture::read(&png(8_001, 1)), Err(Unseeable::TooLarge));
        let mut large = png(10, 10);
        large.resize(LARGEST_PICTURE_BYTES + 1, 0);
        assert_eq!(Picture::read(&large), Err(Unseeable::TooLarge));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd_to_be_read(
            head in 0..4_usize,
            rest in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let heads: [&[u8]; 4] =
                [b"\xff\xd8\xff", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8X"];
            let _ = Picture::read(&[heads[head], &rest].concat());
        }
    }
}
