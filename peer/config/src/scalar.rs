//! Single values: how they are written, and what is said when they are not.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use dmvpn_core::config::{Multicast, Profile, Secret};

use crate::document::{Gateway, Interface, Prefix};

/// A value that is one word of the file.
pub(crate) trait Scalar: Sized {
    /// Reads it; the error says what is wrong and never quotes a secret.
    fn read(text: &str) -> Result<Self, String>;
}

/// Longest part of a wrong value that a message repeats, in characters.
const QUOTED: usize = 40;

/// A wrong value, for a message.
fn quoted(text: &str) -> impl fmt::Display {
    let mut shown: String = text.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

/// Longest name of a network interface on Linux.
const NAME_LEN: usize = 15;

/// A tunnel's name, which becomes that of its network interface.
impl Scalar for String {
    fn read(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
        if text.is_empty() || text.len() > NAME_LEN || !text.chars().all(allowed) || matches!(text, "." | "..") {
            return Err(format!(
                "{} is not a name for a tunnel: it has 1 to {NAME_LEN} visible ASCII characters without `/`, `:` and `%`",
                quoted(text)
            ));
        }
        Ok(text.to_owned())
    }
}

impl Scalar for IpAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| match text.split_once('/') {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                format!("{} has a prefix length, and a single address is needed here", quoted(text))
            }
            _ => format!("{} is not an IP address", quoted(text)),
        })
    }
}

impl Scalar for Interface {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} is not an address with a prefix length, such as 10.0.0.1/24", quoted(text));
        let Some((address, len)) = text.split_once('/') else {
            return match text.parse::<IpAddr>() {
                Ok(address) => Err(format!("{address} has no prefix length, such as {address}/24")),
                Err(_) => Err(wrong()),
            };
        };
        let digits = len.bytes().all(|octet| octet.is_ascii_digit());
        let (address, prefix_len) = match (address.parse::<IpAddr>(), len.parse::<u8>()) {
            (Ok(address), Ok(len)) if digits => (address, len),
            _ => return Err(wrong()),
        };
        let width = if address.is_ipv4() { 32 } else { 128 };
        if prefix_len == 0 || prefix_len > width {
            return Err(format!("prefix length {prefix_len} is not between 1 and {width}"));
        }
        Ok(Self { address, prefix_len })
    }
}

impl Scalar for Prefix {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} is not a prefix, such as 172.20.0.0/16", quoted(text));
        let (first, len) = text.split_once('/').ok_or_else(wrong)?;
        let digits = len.bytes().all(|octet| octet.is_ascii_digit());
        let (first, len) = match (first.parse::<IpAddr>(), len.parse::<u8>()) {
            (Ok(first), Ok(len)) if digits => (first, len),
            _ => return Err(wrong()),
        };
        let width = if first.is_ipv4() { 32 } else { 128 };
        if len > width {
            return Err(format!("prefix length {len} is not between 0 and {width}"));
        }
        let rest = match first {
            IpAddr::V4(first) => u128::from(first.to_bits()) << 96,
            IpAddr::V6(first) => first.to_bits(),
        };
        if rest.checked_shl(len.into()).unwrap_or(0) != 0 {
            return Err(format!("{} has bits behind its prefix", quoted(text)));
        }
        Ok(Self { first, len })
    }
}

impl Scalar for Gateway {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "beyond" => Ok(Self::Beyond),
            "attached" => Ok(Self::Attached),
            _ => text
                .parse()
                .map(Self::Station)
                .map_err(|_| format!("{} is neither an IP address nor `beyond` nor `attached`", quoted(text))),
        }
    }
}

impl Scalar for Multicast {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "dynamic" => Ok(Self::Dynamic),
            "nhs" => Ok(Self::Nhs),
            _ => text
                .parse()
                .map(Self::Static)
                .map_err(|_| format!("{} is neither `dynamic` nor `nhs` nor an IP address", quoted(text))),
        }
    }
}

impl Scalar for Profile {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "dmvpn" => Ok(Self::Dmvpn),
            "rfc2332" => Ok(Self::Rfc2332),
            _ => Err(format!("{} is neither `dmvpn` nor `rfc2332`", quoted(text))),
        }
    }
}

impl Scalar for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') || text.ends_with('/') {
            return Err(format!("{} is not the path of a file", quoted(text)));
        }
        Ok(text.into())
    }
}

/// Nanoseconds per unit.
const UNITS: [(&str, u64); 6] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// A whole number and a unit. A bare number is refused: one reader takes it for seconds, the next for milliseconds.
impl Scalar for Duration {
    fn read(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim();
        if number.is_empty() {
            return Err(format!("{} is not a duration, such as 20s, 500ms or 2h", quoted(text)));
        }
        if unit.is_empty() {
            return Err(format!("the duration {} has no unit: {number}s?", quoted(text)));
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("{} is not a unit of time: us, ms, s, m, h and d are", quoted(unit)));
        };
        let nanos = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*nanos));
        nanos.map(Duration::from_nanos).ok_or_else(|| format!("the duration {} is too long", quoted(text)))
    }
}

/// The text is not in the error: it may be a real secret with one octet too many.
impl Scalar for Secret {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > Self::MAX_LEN || text.contains('\0') {
            return Err(format!("an authentication string has 1 to {} octets, none of them NUL", Self::MAX_LEN));
        }
        Ok(Self::new(text.as_bytes()))
    }
}

impl Scalar for bool {
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("{} is neither `true` nor `false`", quoted(text))),
        }
    }
}

macro_rules! number {
    ($($number:ty),*) => {$(
        /// Decimal, or hexadecimal behind `0x`.
        impl Scalar for $number {
            fn read(text: &str) -> Result<Self, String> {
                let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16));
                let plain = digits.bytes().all(|octet| octet.is_ascii_hexdigit());
                <$number>::from_str_radix(digits, radix).ok().filter(|_| plain).ok_or_else(|| {
                    format!("{} is not a whole number from 0 to {}", quoted(text), <$number>::MAX)
                })
            }
        }
    )*};
}

number!(u8, u16, u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Duration::read("7200s"), Ok(Duration::from_secs(7200)));
        assert_eq!(Duration::read("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(Duration::read("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(Duration::read("20"), Err("the duration `20` has no unit: 20s?".into()));
        for wrong in ["", "s", "-1s", "1.5s", "1 week", "99999999999999999999s", "18446744073709551615d"] {
            assert!(Duration::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(u8::read("0xc0"), Ok(0xC0));
        assert_eq!(u8::read("192"), Ok(192));
        for wrong in ["256", "-1", "+1", "0x", "0x+1", "1e3", "ten", "", "0b1"] {
            assert!(u8::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_come_with_a_prefix_where_one_is_needed() {
        assert!(Interface::read("10.0.0.1/24").is_ok());
        assert_eq!(Interface::read("10.0.0.1").unwrap_err(), "10.0.0.1 has no prefix length, such as 10.0.0.1/24");
        assert!(IpAddr::read("10.0.0.1/24").unwrap_err().contains("a single address is needed"));
        for wrong in ["10.0.0.1/33", "10.0.0.1/0", "10.0.0.1/", "10.0.0.1/+24", "10.0.0/24", "::1/129", "/24"] {
            assert!(Interface::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_value_is_repeated_short_and_printable() {
        let error = IpAddr::read(&"\u{1b}[31m".repeat(100)).unwrap_err();
        assert!(!error.contains('\u{1b}') && error.len() < 400, "{error}");
    }

    #[test]
    fn a_secret_is_never_repeated() {
        let error = Secret::read("too-long-secret").unwrap_err();
        assert!(!error.contains("too-long"), "{error}");
    }
}
