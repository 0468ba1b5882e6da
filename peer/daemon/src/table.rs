//! Views as tables for people.

use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

use crate::control::proto::Counter;
use crate::view::NhrpView;

/// NHRP state: bindings, then shortcuts and next hop servers where there are any.
pub fn nhrp(view: &NhrpView) -> String {
    let mut cache = Builder::default();
    cache.push_record(["TUNNEL", "PROTOCOL", "NBMA", "CLAIMED", "TYPE", "U", "EXPIRES"]);
    for row in &view.cache {
        let behind_nat = row.claimed_nbma != row.nbma;
        cache.push_record([
            row.tunnel.clone(),
            format!("{}/{}", row.protocol, row.prefix_len),
            // What is asked for or was refused is nowhere.
            if row.nbma.is_unspecified() { "-".into() } else { row.nbma.to_string() },
            if behind_nat { row.claimed_nbma.to_string() } else { "-".into() },
            row.kind.clone(),
            if row.unique { "u" } else { "-" }.into(),
            row.remaining_ms.map_or_else(|| "never".into(), seconds),
        ]);
    }
    let mut out = table(cache);
    if !view.shortcuts.is_empty() {
        let mut shortcuts = Builder::default();
        shortcuts.push_record(["TUNNEL", "SHORTCUT", "VIA", "NBMA", "USED", "EXPIRES"]);
        for row in &view.shortcuts {
            shortcuts.push_record([
                row.tunnel.clone(),
                format!("{}/{}", row.prefix, row.prefix_len),
                row.via.to_string(),
                row.nbma.to_string(),
                row.used_ms.map_or_else(|| "never".into(), |used| format!("{} ago", seconds(used))),
                seconds(row.remaining_ms),
            ]);
        }
        out.push('\n');
        out.push_str(&table(shortcuts));
    }
    if !view.nhs.is_empty() {
        let mut nhs = Builder::default();
        nhs.push_record(["TUNNEL", "NHS", "NBMA", "STATE", "TRIES", "NEXT", "EXPIRES", "REMARK"]);
        for row in &view.nhs {
            nhs.push_record([
                row.tunnel.clone(),
                row.protocol.map_or_else(|| "-".into(), |protocol| protocol.to_string()),
                row.nbma.to_string(),
                row.state.clone(),
                row.attempts.to_string(),
                row.next_ms.map_or_else(|| "-".into(), seconds),
                row.remaining_ms.map_or_else(|| "-".into(), seconds),
                remark(row),
            ]);
        }
        out.push('\n');
        out.push_str(&table(nhs));
    }
    out
}

fn remark(row: &crate::view::NhsRow) -> String {
    let refused = row.refusal.as_ref().map(|refusal| format!("refused: {refusal}"));
    let seen = row.public_nbma.map(|nbma| format!("sees us as {nbma}"));
    let remarks: Vec<String> = refused.into_iter().chain(seen).collect();
    if remarks.is_empty() { "-".into() } else { remarks.join(", ") }
}

/// Counters; without `all` those that are zero are left out.
pub fn counters(counters: &[Counter], all: bool) -> String {
    let mut rows = Builder::default();
    rows.push_record(["COUNTER", "VALUE"]);
    for counter in counters.iter().filter(|counter| all || counter.value != 0) {
        rows.push_record([counter.name.clone(), counter.value.to_string()]);
    }
    table(rows)
}

/// Columns with two blanks between them and none at the ends of lines.
fn table(rows: Builder) -> String {
    let mut table = rows.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}s", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{CacheRow, NhsRow, ShortcutRow};

    #[test]
    fn tables_line_up() {
        let ip = |text: &str| text.parse().unwrap();
        let binding = |protocol, nbma, claimed, kind: &str, remaining_ms| CacheRow {
            tunnel: "tun0".into(),
            protocol: ip(protocol),
            prefix_len: 32,
            nbma: ip(nbma),
            claimed_nbma: ip(claimed),
            kind: kind.into(),
            unique: kind == "dynamic",
            mtu: 0,
            holding_time: 0,
            age_ms: 0,
            refreshed_ms: 0,
            remaining_ms,
            request_id: 0,
        };
        let server = |protocol: Option<&str>, state: &str, refusal: Option<&str>, public: Option<&str>| NhsRow {
            tunnel: "tun0".into(),
            nbma: ip("192.0.2.1"),
            protocol: protocol.map(ip),
            priority: 0,
            cluster: 0,
            state: state.into(),
            up: state == "registered",
            request_id: None,
            attempts: 3,
            next_ms: Some(4_000),
            remaining_ms: protocol.map(|_| 599_001),
            public_nbma: public.map(ip),
            refusal: refusal.map(Into::into),
        };
        let view = NhrpView {
            now_ms: 0,
            cache: vec![
                binding("10.0.0.1", "192.0.2.1", "192.0.2.1", "local", None),
                binding("10.0.0.11", "198.51.100.11", "172.16.0.11", "dynamic", Some(7_199_004)),
                binding("10.0.0.12", "0.0.0.0", "0.0.0.0", "incomplete", Some(3_000)),
            ],
            shortcuts: vec![ShortcutRow {
                tunnel: "tun0".into(),
                prefix: ip("172.20.5.0"),
                prefix_len: 24,
                via: ip("10.0.0.15"),
                nbma: ip("198.51.100.15"),
                used_ms: Some(1_500),
                remaining_ms: 7_100_000,
            }],
            nhs: vec![
                server(Some("10.0.0.254"), "registered", None, Some("203.0.113.7")),
                server(None, "await_reply", Some("code 4 (administratively prohibited)"), None),
            ],
            next_request_id: 1,
        };
        insta::assert_snapshot!(nhrp(&view));
        let list = [("underlay.in", 12), ("drop.not_gre", 0)].map(|(name, value)| Counter { name: name.into(), value });
        insta::assert_snapshot!(format!("{}\n{}", counters(&list, false), counters(&list, true)));
    }
}
