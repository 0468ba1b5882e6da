//! Which packets a row of keys is for: addresses and SPIs, with wildcards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A set of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    /// The version, unless both are meant.
    v6: Option<bool>,
    bits: u128,
    /// The bits that count.
    mask: u128,
}

impl Addresses {
    /// What is read, for messages.
    pub(super) const HELP: &'static str =
        "expected an address, * for any, a prefix as 192.0.2.0/24, or for IPv4 also * for an octet as 192.0.2.*";

    /// Every address.
    pub(super) fn any() -> Addresses {
        Addresses { v6: None, bits: 0, mask: 0 }
    }

    /// This address alone.
    pub(super) fn one(address: IpAddr) -> Addresses {
        Addresses::prefix(address, if address.is_ipv4() { 32 } else { 128 })
    }

    fn prefix(address: IpAddr, length: u32) -> Addresses {
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let host = width.saturating_sub(length);
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        Addresses { v6: Some(address.is_ipv6()), bits: bits(address) & mask, mask }
    }

    /// The set that `text` says, of this version.
    pub(super) fn parse(text: &str, v6: Option<bool>) -> Result<Addresses, String> {
        if text == "*" {
            return Ok(Addresses { v6, ..Addresses::any() });
        }
        let found = if let Some((address, length)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| format!("`{text}` is no prefix"))?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let length = length.parse().ok().filter(|length| *length <= longest);
            Addresses::prefix(address, length.ok_or_else(|| format!("`{text}` is no prefix"))?)
        } else if text.contains('*') {
            Addresses::octets(text).ok_or_else(|| format!("`{text}` is no address"))?
        } else {
            Addresses::one(text.parse().map_err(|_| format!("`{text}` is no address"))?)
        };
        match v6.is_none_or(|v6| found.v6 == Some(v6)) {
            true => Ok(found),
            false => Err(format!("`{text}` is of the other version than the row")),
        }
    }

    /// Four octets of which some may be anything.
    fn octets(text: &str) -> Option<Addresses> {
        let parts: Vec<&str> = text.split('.').collect();
        let parts: [&str; 4] = parts.try_into().ok()?;
        let mut found = Addresses { v6: Some(false), bits: 0, mask: 0 };
        for part in parts {
            let (octet, mask) = if part == "*" { (0, 0) } else { (part.parse::<u8>().ok()?, 0xff) };
            found.bits = found.bits << 8 | u128::from(octet);
            found.mask = found.mask << 8 | mask;
        }
        Some(found)
    }

    /// Whether the address is in the set.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.v6.is_none_or(|v6| v6 == address.is_ipv6()) && bits(address) & self.mask == self.bits
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(Ipv4Addr::to_bits(address)),
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}

/// A set of SPIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spis {
    bits: u32,
    /// The bits that count.
    mask: u32,
}

impl Spis {
    /// The set that `text` says: `0x` and digits of which some may be `*`, or `*` alone. A `*` at the end of fewer than
    /// eight digits stands for all that follow.
    pub(super) fn parse(text: &str) -> Option<Spis> {
        if text == "*" {
            return Some(Spis { bits: 0, mask: 0 });
        }
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
        if digits.is_empty() || digits.len() > 8 {
            return None;
        }
        let mut spis = Spis { bits: 0, mask: 0 };
        for digit in digits.chars() {
            let (value, mask) = if digit == '*' { (0, 0) } else { (digit.to_digit(16)?, 0xf) };
            spis.bits = spis.bits << 4 | value;
            spis.mask = spis.mask << 4 | mask;
        }
        if digits.ends_with('*') {
            let missing = 4 * (8 - digits.len() as u32);
            spis.bits = spis.bits.checked_shl(missing)?;
            spis.mask = spis.mask.checked_shl(missing)?;
        } else {
            // Leading noughts may be left out, and are none the less noughts.
            spis.mask |= u32::MAX.checked_shl(4 * digits.len() as u32).unwrap_or(0);
        }
        Some(spis)
    }

    /// The only SPI in the set, if it is one.
    pub(super) fn single(&self) -> Option<u32> {
        (self.mask == u32::MAX).then_some(self.bits)
    }

    /// Whether the SPI is in the set.
    pub(super) fn contain(&self, spi: u32) -> bool {
        spi & self.mask == self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_wildcards_take_in_what_they_say() {
        for (text, v6, inside, outside) in [
            ("192.0.2.1", Some(false), "192.0.2.1", "192.0.2.2"),
            ("192.0.*.1", Some(false), "192.0.77.1", "192.0.77.2"),
            ("192.0.2.0/25", Some(false), "192.0.2.127", "192.0.2.128"),
            ("0.0.0.0/0", Some(false), "8.8.8.8", "::8"),
            ("*", Some(false), "192.0.2.1", "2001:db8::1"),
            ("*", Some(true), "2001:db8::1", "192.0.2.1"),
            ("2001:db8::/33", Some(true), "2001:db8:7fff::", "2001:db8:8000::"),
            ("2001:db8::1", None, "2001:db8::1", "2001:db8::2"),
            ("*.*.*.*", None, "1.2.3.4", "::102:304"),
        ] {
            let set = Addresses::parse(text, v6).unwrap();
            assert!(set.contain(inside.parse().unwrap()), "{text} {set:x?}");
            assert!(!set.contain(outside.parse().unwrap()), "{text} {set:x?}");
        }
        for text in ["192.0.2", "192.0.2.*.1", "192.0.2.0/33", "2001:db8::*", "", "::1"] {
            assert!(Addresses::parse(text, Some(false)).is_err(), "{text}");
        }
    }

    #[test]
    fn spis_with_wildcards_take_in_what_they_say() {
        for (text, inside, outside) in [
            ("0x070883c2", 0x0708_83c2, 0x0708_83c3),
            ("0x1", 1, 0x1000_0001),
            ("0x0708****", 0x0708_ffff, 0x0709_0000),
            ("0x0708*", 0x0708_ffff, 0x0709_0000),
            ("0x*8", 0x18, 0x118),
        ] {
            let set = Spis::parse(text).unwrap();
            assert!(set.contain(inside) && !set.contain(outside), "{text} {set:x?}");
        }
        assert_eq!(Spis::parse("*").unwrap(), Spis::parse("0x*").unwrap());
        assert_eq!(Spis::parse("0x1").unwrap().single(), Some(1));
        for text in ["", "0x", "1234", "0x123456789", "0xg"] {
            assert!(Spis::parse(text).is_none(), "{text}");
        }
    }
}
