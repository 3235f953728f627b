//! Encodes and decodes films of moving gradients, edges and noise with openh264, and prints hashes of the streams
//! and of the pictures: the same at every target, and of every build.

use openh264::OpenH264API;
use openh264::decoder::Decoder;
use openh264::encoder::{BitRate, Encoder, EncoderConfig, FrameRate, RateControlMode, UsageType};
use openh264::formats::{YUVBuffer, YUVSource};

const FRAMES: usize = 24;

/// FNV-1a, 64 bits.
fn hash(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

/// A picture: a moving gradient, a moving edge, and some noise in one corner.
fn picture(width: usize, height: usize, time: usize) -> YUVBuffer {
    let (half_width, half_height) = (width / 2, height / 2);
    let mut planes = vec![0; width * height * 3 / 2];
    let mut noise = 12345u32 + time as u32;
    for y in 0..height {
        for x in 0..width {
            let gradient = (x * 2 + y + time * 5) % 256;
            let edge = if (x + time * 3) % 64 < 8 { 255 } else { gradient };
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = if x < 48 && y < 48 { (noise >> 24) as usize % 64 } else { 0 };
            planes[y * width + x] = ((edge + grain) % 256) as u8;
        }
    }
    for y in 0..half_height {
        for x in 0..half_width {
            let at = width * height + y * half_width + x;
            planes[at] = (128 + (x + time) % 64) as u8;
            planes[at + half_width * half_height] = (96 + (y + 2 * time) % 64) as u8;
        }
    }
    YUVBuffer::from_vec(planes, width, height)
}

fn film(width: usize, height: usize, config: EncoderConfig) -> (usize, u64, u64) {
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).expect("an encoder");
    let mut decoder = Decoder::new().expect("a decoder");
    let (mut size, mut stream, mut pictures) = (0, 0xcbf2_9ce4_8422_2325, 0xcbf2_9ce4_8422_2325);
    for time in 0..FRAMES {
        let bytes = encoder.encode(&picture(width, height, time)).expect("a frame").to_vec();
        size += bytes.len();
        stream = hash(stream, &bytes);
        if let Some(decoded) = decoder.decode(&bytes).expect("a stream that can be decoded") {
            for plane in [decoded.y(), decoded.u(), decoded.v()] {
                pictures = hash(pictures, plane);
            }
        }
    }
    (size, stream, pictures)
}

fn main() {
    for (width, height) in [(64, 64), (176, 144), (320, 240), (400, 208)] {
        for (name, usage) in
            [("camera", UsageType::CameraVideoRealTime), ("screen", UsageType::ScreenContentRealTime)]
        {
            for bits in [60_000, 1_500_000] {
                let config = EncoderConfig::new()
                    .bitrate(BitRate::from_bps(bits))
                    .max_frame_rate(FrameRate::from_hz(25.0))
                    .rate_control_mode(RateControlMode::Quality)
                    .usage_type(usage);
                let (size, stream, pictures) = film(width, height, config);
                println!(
                    "{width}x{height} {name} {bits}: {size} bytes, {stream:016x}, pictures {pictures:016x}"
                );
            }
        }
    }
}
