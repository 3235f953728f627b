//! Sizes in bytes as users write and read them.

/// A number of bytes, with a suffix K, M, G or T (powers of 1024; `KB` and `KiB` mean the same).
/// `None` for anything else, and for what 64 bits do not hold.
///
/// ```
/// assert_eq!(image_format::size::parse("5G"), Some(5 << 30));
/// assert_eq!(image_format::size::parse("5 kilos"), None);
/// ```
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let unit = match suffix.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// `bytes` with two or three significant digits and the largest unit that leaves at least one: `3.9 GiB`.
pub fn show(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let exponent = bytes.ilog2() / 10;
    let value = bytes as f64 / (1u64 << (10 * exponent)) as f64;
    let unit = UNITS[exponent as usize - 1];
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let cases = [("0", 0), ("123", 123), ("2k", 2048), ("5 GiB", 5 << 30), ("1M", 1 << 20), (" 7b ", 7)];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for bad in ["", "G", "-1", "1.5G", "5X", "0x10", "99999999999999999999", "99999999999T", "5 0"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10 << 20, "10 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(show(bytes), text);
        }
    }
}
