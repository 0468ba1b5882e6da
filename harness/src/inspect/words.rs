//! Times, counts, addresses and codes as words.

use std::fmt::Display;
use std::net::IpAddr;

use dmvpn_wire::code::{CieCode, ErrorCode, TrafficCode};
use dmvpn_wire::isakmp::{ike1, ike2};

use dmvpn_inspect::exchange::ExchangeKind;

/// A difference of two times in seconds, to the microsecond: `1.507000`.
pub(super) fn relative(at_ns: u64, start_ns: u64) -> String {
    let (sign, ns) = if at_ns < start_ns { ("-", start_ns - at_ns) } else { ("", at_ns - start_ns) };
    format!("{sign}{}.{:06}", ns / 1_000_000_000, ns % 1_000_000_000 / 1000)
}

/// A span of time as short as it can be said: `507 ms`, `20 s`, `1 h 12 min`.
pub(super) fn span(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let tenth = |unit: u64, name: &str| {
        let tenths = (ns + unit / 20) / (unit / 10);
        match tenths % 10 {
            0 => format!("{} {name}", tenths / 10),
            rest => format!("{}.{rest} {name}", tenths / 10),
        }
    };
    match ns {
        0 => "0 s".to_owned(),
        1..1_000_000 => tenth(1000, "us"),
        1_000_000..SECOND => tenth(1_000_000, "ms"),
        _ if ns < 120 * SECOND => tenth(SECOND, "s"),
        _ if ns < 7200 * SECOND => format!("{} min {} s", ns / SECOND / 60, ns / SECOND % 60),
        _ => format!("{} h {} min", ns / SECOND / 3600, ns / SECOND / 60 % 60),
    }
}

/// `1 packet`, `2 packets`, `no packets`.
pub(super) fn counted(count: u64, what: &str) -> String {
    match count {
        0 => format!("no {}", several(what)),
        1 => format!("1 {what}"),
        more => format!("{more} {}", several(what)),
    }
}

fn several(what: &str) -> String {
    match what.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{what}s"),
    }
}

/// `once`, `twice`, `7 times`.
pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

/// At most twelve of them, and how many more there are.
pub(super) fn listed<T: Display>(all: &[T]) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = all.iter().take(SHOWN).map(ToString::to_string).collect();
    match all.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The GRE key as it is said of tunnels.
pub(super) fn key(gre_key: Option<u32>) -> String {
    gre_key.map_or("no key".to_owned(), |key| format!("key {key}"))
}

/// An address, or that there is none.
pub(super) fn address(address: Option<IpAddr>) -> String {
    address.map_or("?".to_owned(), |address| address.to_string())
}

/// A code with its name: `14 Unique Internetworking Layer Address Already Registered`.
pub(super) fn code(kind: ExchangeKind, code: u16) -> String {
    let name = match (kind, u8::try_from(code)) {
        (ExchangeKind::ErrorIndication, _) => return error_code(code),
        (ExchangeKind::TrafficIndication, _) => TrafficCode(code).name(),
        (ExchangeKind::Ike1(_), _) => return notification(1, code),
        (ExchangeKind::Ike2(_), _) => return notification(2, code),
        (_, Ok(code)) => CieCode(code).name(),
        _ => None,
    };
    named(code, name)
}

/// The code of an Error Indication with its name.
pub(super) fn error_code(code: u16) -> String {
    named(code, ErrorCode(code).name())
}

/// A notification of IKE of that major version with its name.
pub(super) fn notification(version: u8, code: u16) -> String {
    named(code, if version == 1 { ike1::NotifyType(code).name() } else { ike2::NotifyType(code).name() })
}

fn named(code: u16, name: Option<&str>) -> String {
    name.map_or(code.to_string(), |name| format!("{code} {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_shortly() {
        for (ns, text) in [
            (0, "0 s"),
            (1_500, "1.5 us"),
            (507_000_000, "507 ms"),
            (20_000_000_000, "20 s"),
            (20_040_000_000, "20 s"),
            (20_060_000_000, "20.1 s"),
            (125_000_000_000, "2 min 5 s"),
            (7_300_000_000_000, "2 h 1 min"),
        ] {
            assert_eq!(span(ns), text);
        }
        assert_eq!(relative(1_507_000_000, 0), "1.507000");
        assert_eq!(relative(5, 2_000_005), "-0.002000");
    }

    #[test]
    fn numbers_and_codes_have_words() {
        assert_eq!(
            [counted(0, "reply"), counted(1, "reply"), counted(2, "reply")],
            ["no replies", "1 reply", "2 replies"]
        );
        assert_eq!(counted(3, "key"), "3 keys");
        assert_eq!(listed(&(0..14).collect::<Vec<_>>()), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more");
        assert_eq!(code(ExchangeKind::Registration, 5), "5 Insufficient Resources");
        assert_eq!(code(ExchangeKind::ErrorIndication, 15), "15 Hop Count Exceeded");
        assert_eq!(code(ExchangeKind::Purge, 999), "999");
    }
}
