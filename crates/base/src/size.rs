//! Numbers and scaled sizes as documents and command lines spell them.

/// The factor of a unit suffix: `b`/`bytes`/`B`, `k`/`KiB`, `KB`, … up to `E`. Case is ignored, a plain letter is a
/// power of 1024 as is `xiB`, `xB` is a power of 1000. An empty suffix gives `default`. `None` for an unknown suffix.
pub fn unit_factor(suffix: &str, default: u64) -> Option<u64> {
    if suffix.is_empty() {
        return Some(default);
    }
    if ["b", "byte", "bytes"].iter().any(|bytes| suffix.eq_ignore_ascii_case(bytes)) {
        return Some(1);
    }
    let (first, rest) = suffix.split_at_checked(1)?;
    let power = match first.as_bytes().first()?.to_ascii_lowercase() {
        b'k' => 1,
        b'm' => 2,
        b'g' => 3,
        b't' => 4,
        b'p' => 5,
        b'e' => 6,
        _ => return None,
    };
    if rest.is_empty() || rest.eq_ignore_ascii_case("ib") {
        return Some(1u64 << (10 * power));
    }
    rest.eq_ignore_ascii_case("b").then(|| 1000u64.pow(power))
}

/// `value` in units of `suffix` as bytes; `None` when the suffix is unknown or the product overflows `limit`.
pub fn scale(value: u64, suffix: &str, default: u64, limit: u64) -> Option<u64> {
    value.checked_mul(unit_factor(suffix, default)?).filter(|bytes| *bytes <= limit)
}

/// Bytes as KiB, rounded up.
pub fn kib_rounded_up(bytes: u64) -> u64 {
    bytes.div_ceil(1024)
}

/// Bytes in the largest unit of which they are a whole number: value and unit.
pub fn pretty(bytes: u64) -> (u64, &'static str) {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value == 0 || !value.is_multiple_of(1024) {
            return (value, unit);
        }
        value /= 1024;
    }
    (value, "EiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_units() {
        for (bytes, expected) in [
            (0, (0, "B")),
            (1023, (1023, "B")),
            (3 << 20, (3, "MiB")),
            (3000 << 10, (3000, "KiB")),
            (1 << 60, (1, "EiB")),
        ] {
            assert_eq!(pretty(bytes), expected);
        }
    }

    #[test]
    fn suffixes() {
        for (suffix, factor) in [
            ("", Some(1024)),
            ("b", Some(1)),
            ("bytes", Some(1)),
            ("KB", Some(1000)),
            ("k", Some(1024)),
            ("KiB", Some(1024)),
            ("MiB", Some(1 << 20)),
            ("e", Some(1 << 60)),
            ("EB", Some(1_000_000_000_000_000_000)),
            ("kibb", None),
            ("x", None),
        ] {
            assert_eq!(unit_factor(suffix, 1024), factor, "{suffix:?}");
        }
        assert_eq!(scale(u64::MAX, "k", 1, u64::MAX), None);
    }
}
