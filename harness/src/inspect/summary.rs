//! What happened in a capture, on a page.

use std::net::IpAddr;

use dmvpn_wire::code::MessageType;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

use dmvpn_inspect::exchange::{ExchangeKind, Origin, Role, Totals};
use dmvpn_inspect::story::{Count, IkeSa, Overview, Purge, Redirect, Registration, Resolution, Story};

use super::words::{self, counted, key, listed, span, times};
use crate::report::{Terminal, Tint};

/// Lines of each part; what is beyond is counted and said.
const LINES: usize = 20;

/// The summary of a file. Its parts are those of which there is something to say.
pub fn render(file: &str, story: &Story, terminal: &Terminal) -> String {
    let overview = story.overview();
    let mut page = Page { text: String::new(), terminal, start_ns: overview.totals.first_ns.unwrap_or(0) };
    page.head(file, &overview);
    page.stations(&overview);
    page.clouds(&overview);
    page.part("Registrations", overview.registrations.iter().map(registration));
    page.part("Resolutions", overview.resolutions.iter().map(resolution));
    page.part("Redirects", overview.redirects.iter().map(redirect));
    page.part("Purges", overview.purges.iter().map(purge));
    page.errors(&overview);
    page.lapsed(&overview);
    page.ipsec(&overview);
    page.unreadable(&overview);
    page.text
}

struct Page<'t> {
    text: String,
    terminal: &'t Terminal,
    start_ns: u64,
}

/// A line of a part, and whether it is about something that deserves a look.
struct Line(Option<Tint>, String);

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self(None, text)
    }
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.text += &self.terminal.safe(text);
        self.text.push('\n');
    }

    fn title(&mut self, title: &str) {
        self.text.push('\n');
        self.text += &self.terminal.paint(Tint::Strong, title);
        self.text.push('\n');
    }

    fn part(&mut self, title: &str, lines: impl ExactSizeIterator<Item = Line>) {
        let more = lines.len().saturating_sub(LINES);
        if lines.len() == 0 {
            return;
        }
        self.title(title);
        for Line(tint, text) in lines.take(LINES) {
            let text = self.terminal.safe(&text);
            let text = tint.map_or(text.clone(), |tint| self.terminal.paint(tint, &text));
            self.text += &format!("  {text}\n");
        }
        if more > 0 {
            self.line(&format!("  and {more} more; `--json` has all of them"));
        }
    }

    fn head(&mut self, file: &str, overview: &Overview) {
        let totals = &overview.totals;
        let mut head = format!("{file}: {}, {}", counted(totals.packets, "packet"), counted(totals.octets, "octet"));
        if let (Some(first), Some(last)) = (totals.first_ns, totals.last_ns) {
            head += &format!(" in {}", span(last.saturating_sub(first)));
            if let Ok(at) = jiff::Timestamp::from_nanosecond(first.into()) {
                head += &format!(" from {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"));
            }
        }
        self.line(&head);
        let kinds = protocols(totals);
        if !kinds.is_empty() {
            self.line(&format!("  {}", kinds.join(", ")));
        }
        if !overview.routing.is_empty() {
            let spoken: Vec<String> = overview.routing.iter().map(|(name, count)| format!("{name} {count}")).collect();
            self.line(&format!("  routing: {}", spoken.join(", ")));
        }
        let nhrp: u64 = totals.nhrp.iter().sum();
        if nhrp > 0 {
            let authenticated = match overview.authenticated {
                0 => "none authenticated".to_owned(),
                all if all == nhrp => "all authenticated".to_owned(),
                some => format!("{some} of {nhrp} authenticated"),
            };
            self.line(&format!("  NHRP messages: {authenticated}"));
        }
    }

    fn stations(&mut self, overview: &Overview) {
        if overview.stations.is_empty() {
            return;
        }
        self.title("Stations");
        let mut builder = Builder::default();
        builder.push_record(["NBMA address", "role", "tunnel addresses", "sent", "received", ""]);
        for member in overview.stations.iter().take(LINES) {
            let station = &member.station;
            let addresses: Vec<String> =
                station.addresses.iter().map(|(gre, address)| format!("{address} ({})", key(*gre))).collect();
            let behind = station.claims.map(|claims| format!("behind NAT: it claims {claims}")).unwrap_or_default();
            builder.push_record([
                member.nbma.to_string(),
                role(member.role).to_owned(),
                if addresses.is_empty() { "-".to_owned() } else { listed(&addresses) },
                station.sent.to_string(),
                station.received.to_string(),
                behind,
            ]);
        }
        let table = builder.build().with(Style::blank()).with(Padding::new(1, 1, 0, 0)).to_string();
        for line in table.lines() {
            self.line(&format!(" {}", line.trim_end()));
        }
        let more = overview.stations.len().saturating_sub(LINES);
        if more > 0 {
            self.line(&format!("  and {more} more; `--json` has all of them"));
        }
        if overview.bystanders > 0 {
            self.line(&format!("  and {} that took no part", counted(overview.bystanders, "other address")));
        }
    }

    fn clouds(&mut self, overview: &Overview) {
        let members = |word: &str, all: &[IpAddr]| match all.len() {
            0 => String::new(),
            1 => format!("; {word} {}", all[0]),
            count => format!("; {count} {word}s {}", listed(all)),
        };
        let lines: Vec<Line> = overview
            .clouds
            .iter()
            .map(|cloud| {
                let network = cloud.network.as_deref().unwrap_or("no addresses");
                let hubs = members("hub", &cloud.hubs);
                let rest = members("spoke", &cloud.spokes) + &members("other", &cloud.others);
                format!("{}, within {network}{hubs}{rest}", key(cloud.gre_key)).into()
            })
            .collect();
        self.part("Clouds", lines.into_iter());
    }

    fn errors(&mut self, overview: &Overview) {
        let complaints = overview.errors.iter().map(|row| {
            let text = format!(
                "{} told {} {}: error {}, first in packet {}",
                row.from,
                row.to,
                times(row.packets),
                words::error_code(row.code),
                row.first_packet
            );
            Line(Some(Tint::Bad), text)
        });
        self.part("Errors", complaints);
    }

    fn lapsed(&mut self, overview: &Overview) {
        let start_ns = self.start_ns;
        let lines: Vec<Line> = overview
            .lapsed
            .iter()
            .map(|lapsed| {
                let mapped = &lapsed.mapped;
                let (binding, whose) = (&mapped.binding, origin(mapped.origin));
                let at = words::relative(binding.expires_ns, start_ns);
                let text = match (lapsed.gone, binding.lapses) {
                    (true, 0) => format!("it lapsed at {at} and was not renewed"),
                    (true, before) => format!("it lapsed at {at}, and {} before", times(before)),
                    (false, lapses) => format!("it lapsed {} and was told again", times(lapses)),
                };
                let text = format!("{} is {} ({}, {whose}): {text}", mapped.address, binding.nbma, key(mapped.gre_key));
                Line(Some(Tint::Caution), text)
            })
            .collect();
        self.part("Lapsed mappings", lines.into_iter());
    }

    fn ipsec(&mut self, overview: &Overview) {
        self.part("IKE SAs", overview.ike_sas.iter().map(ike_sa));
        let flows = overview.esp.iter().map(|esp| {
            let flow = &esp.flow;
            let mut text =
                format!("{} -> {} SPI 0x{:08x}: {}", esp.from, esp.to, esp.spi, counted(flow.packets, "packet"));
            text += &format!(", {} missing, {} late or repeated", esp.missing, flow.late);
            text += if flow.in_udp { ", in UDP" } else { "" };
            text += if flow.opened { ", opened" } else { "" };
            Line((esp.missing + flow.late > 0).then_some(Tint::Caution), text)
        });
        self.part("ESP", flows);
        let leaks = overview.clear_beside_esp.iter().map(|leak| {
            let text = format!(
                "{} -> {}: GRE in clear text after ESP, first in packet {}: a leak, if the tunnel is to be protected \
                 ({} in the clear, {} of ESP)",
                leak.from,
                leak.to,
                leak.first_packet,
                counted(leak.clear, "packet"),
                leak.esp
            );
            Line(Some(Tint::Bad), text)
        });
        self.part("Not protected", leaks);
    }

    fn unreadable(&mut self, overview: &Overview) {
        let broken = overview.totals.broken;
        if broken > 0 {
            self.title("Unreadable");
            self.line(&format!(
                "  {}",
                if broken == 1 {
                    "1 packet can not be read to its end".to_owned()
                } else {
                    format!("{broken} packets can not be read to their end")
                }
            ));
        }
        if overview.no_room > 0 {
            let text = format!(
                "  there was no room for {}: what is said of stations, mappings and flows is not all",
                counted(overview.no_room, "entry")
            );
            self.title("Limits");
            self.line(&text);
        }
        if overview.totals.given_up > 0 {
            let text =
                format!("  {} given up early: too many were open", counted(overview.totals.given_up, "exchange"));
            self.line(&text);
        }
    }
}

/// How many packets there were of each kind.
fn protocols(totals: &Totals) -> Vec<String> {
    let mut kinds = Vec::new();
    let nhrp: u64 = totals.nhrp.iter().sum();
    if nhrp > 0 {
        let types = (0u8..).zip(totals.nhrp).filter(|(_, count)| *count > 0).map(|(kind, count)| match kind {
            0 => format!("unknown types {count}"),
            kind => format!("{} {count}", MessageType(kind)),
        });
        kinds.push(format!("NHRP {nhrp} ({})", types.collect::<Vec<_>>().join(", ")));
    }
    let named = [
        ("IP in GRE", totals.inner),
        ("other GRE", totals.gre_other),
        ("ESP", totals.esp),
        ("opened ESP", totals.esp_opened),
        ("IKEv1", totals.ike1),
        ("IKEv2", totals.ike2),
        ("other", totals.other),
    ];
    kinds.extend(named.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")));
    kinds
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Hub => "hub",
        Role::Spoke => "spoke",
        Role::HubAndSpoke => "hub and spoke",
        Role::Unknown => "-",
    }
}

fn origin(origin: Origin) -> String {
    match origin {
        Origin::Registered(server) => format!("registered with {server}"),
        Origin::Resolved(asker) => format!("resolved by {asker}"),
    }
}

/// `, 2 retries, 1 unanswered` where there are any.
fn troubles_of(count: &Count) -> String {
    let mut text = String::new();
    if count.retries > 0 {
        text += &format!(", {}", counted(count.retries, "retry"));
    }
    if count.unanswered > 0 {
        text += &format!(", {} unanswered", count.unanswered);
    }
    text
}

fn refusals(kind: ExchangeKind, refused: &[(u16, u64)], errors: &[(u16, u64)]) -> String {
    let refused =
        refused.iter().map(|(code, count)| format!(", refused {}: {}", times(*count), words::code(kind, *code)));
    let errors = errors.iter().map(|(code, count)| format!(", error {}: {}", times(*count), words::error_code(*code)));
    refused.chain(errors).collect()
}

fn registration(row: &Registration) -> Line {
    let who = words::address(row.address);
    let mut text = format!("{who} ({}) with {}, {}", row.client, row.server, key(row.gre_key));
    text += &format!(": {}, {} accepted", times(row.count.exchanges), row.accepted);
    if let Some(holding_time) = row.holding_time {
        text += &format!(", holding time {holding_time} s");
    }
    if let (Some(shortest), Some(longest)) = (row.shortest_ns, row.longest_ns) {
        let average = row.count.last_ns.saturating_sub(row.count.first_ns) / (row.count.exchanges - 1).max(1);
        text += &format!(", every {}", span(average));
        if span(shortest) != span(longest) {
            text += &format!(" ({} to {})", span(shortest), span(longest));
        }
    }
    let bad = refusals(ExchangeKind::Registration, &row.refused, &row.errors);
    let tint = tint_of(!bad.is_empty(), &row.count);
    Line(tint, text + &bad + &troubles_of(&row.count))
}

fn tint_of(bad: bool, count: &Count) -> Option<Tint> {
    match (bad, count.unanswered > 0) {
        (true, _) => Some(Tint::Bad),
        (_, true) => Some(Tint::Caution),
        _ => None,
    }
}

fn resolution(row: &Resolution) -> Line {
    let mut text = format!(
        "{} ({}) asked for {}, {}: {}, {} answered",
        words::address(row.source),
        row.asker,
        words::address(row.about),
        key(row.gre_key),
        times(row.count.exchanges),
        row.answered
    );
    if let (Some(nbma), Some(by)) = (row.nbma, row.answered_by) {
        text += &format!(" with {nbma} by {by}");
    }
    if let Some(holding_time) = row.holding_time {
        text += &format!(", holding time {holding_time} s");
    }
    let bad = refusals(ExchangeKind::Resolution, &row.refused, &row.errors);
    let tint = tint_of(!bad.is_empty(), &row.count);
    Line(tint, text + &bad + &troubles_of(&row.count))
}

fn redirect(row: &Redirect) -> Line {
    let about = words::address(row.about);
    let mut text = format!("{} told {} {} of a shorter way to {about}", row.hub, row.spoke, times(row.count.exchanges));
    match (row.followed_by, row.shortcut) {
        (Some(number), Some(nbma)) => {
            text += &format!("; shortcut to {nbma} (exchange {number})");
            if let Some(took) = row.took_ns {
                text += &format!(" after {}", span(took));
            }
        }
        (Some(number), None) => text += &format!("; it asked, and got no shortcut (exchange {number})"),
        (None, _) => text += "; it never asked",
    }
    Line(row.shortcut.is_none().then_some(Tint::Caution), text)
}

fn purge(row: &Purge) -> Line {
    let about = words::address(row.about);
    let mut text = format!("{} took {about} back from {}, {}", row.from, row.to, key(row.gre_key));
    text += &format!(": {}, {} answered", times(row.count.exchanges), row.answered);
    Line(tint_of(false, &row.count), text + &troubles_of(&row.count))
}

fn ike_sa(sa: &IkeSa) -> Line {
    let mut text = format!(
        "{} -> {} IKEv{} SPIs {:016x} {:016x}: {}",
        sa.initiator,
        sa.responder,
        sa.version,
        sa.initiator_spi,
        sa.responder_spi,
        counted(sa.packets, "message")
    );
    text += if sa.nat { ", on UDP port 4500" } else { "" };
    for (kind, count) in &sa.exchanges {
        text += &format!(", {} {count}", kind.name());
    }
    if sa.unanswered > 0 {
        text += &format!(", {} unanswered", sa.unanswered);
    }
    let done = sa.purposes.iter().map(|(purpose, count)| (purpose.words().to_owned(), *count));
    let errors =
        sa.errors.iter().map(|(code, count)| (format!("error {}", words::notification(sa.version, *code)), *count));
    for (what, count) in done.chain(errors) {
        text += &format!("; {what}");
        if count > 1 {
            text += &format!(" {}", times(count));
        }
    }
    if !sa.errors.is_empty() {
        return Line(Some(Tint::Bad), text);
    }
    Line((sa.unanswered > 0).then_some(Tint::Caution), text)
}
