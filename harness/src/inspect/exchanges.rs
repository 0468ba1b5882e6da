//! Exchanges as rows: for the table, for JSON, and one by one while a capture is under way.

use std::net::IpAddr;

use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::Style;

use dmvpn_inspect::exchange::{Exchange, ExchangeKind, IkePurpose, Seen};

use super::words;
use crate::report::{Terminal, Tint};

/// An exchange as it is told. Times are in nanoseconds, those that end in `_ns` since 1970.
#[derive(Clone, Debug, Serialize)]
pub struct Row<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// `NHRP Registration`, `IKE_AUTH` and the like.
    pub kind: String,
    /// When it began.
    pub began_ns: u64,
    /// GRE key of the tunnel.
    pub gre_key: Option<u32>,
    /// Who began.
    pub from: IpAddr,
    /// Whom with.
    pub to: IpAddr,
    /// Request ID of NHRP, Message ID of IKE; nothing for indications, which have none.
    pub id: Option<u32>,
    /// Protocol address of whoever began (NHRP).
    pub source: Option<IpAddr>,
    /// The protocol address that it is about (NHRP).
    pub about: Option<IpAddr>,
    /// SPI of the IKE SA's initiator, in hexadecimal digits.
    pub ike_spi: Option<String>,
    /// From the first request to the first reply.
    pub latency: Option<u64>,
    /// How often the request was sent again.
    pub retries: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Code of the reply or indication.
    pub code: Option<u16>,
    /// What came of it, in words.
    pub result: String,
    /// What it is for (IKEv2, where it can be read).
    pub purpose: Option<IkePurpose>,
    /// The NBMA address that was told.
    pub nbma: Option<IpAddr>,
    /// Holding time in seconds.
    pub holding_time: Option<u16>,
    /// When the mapping lapses that it made.
    pub expires_ns: Option<u64>,
    /// Whether it was inside ESP that was opened.
    pub protected: bool,
    /// How many packets there were.
    pub count: u64,
    /// The first of them.
    pub packets: &'a [Seen],
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A reply that serves the request.
    Answered,
    /// A reply that refuses it.
    Refused,
    /// An Error Indication.
    Error,
    /// A reply was due and none was seen.
    NoReply,
    /// No reply was asked for.
    Told,
}

impl<'a> Row<'a> {
    /// The row of that exchange.
    pub fn of(exchange: &'a Exchange) -> Self {
        let (outcome, result) = outcome(exchange);
        let indication = matches!(exchange.kind, ExchangeKind::ErrorIndication | ExchangeKind::TrafficIndication);
        Self {
            number: exchange.number,
            kind: exchange.kind.name(),
            began_ns: exchange.began_ns(),
            gre_key: exchange.gre_key,
            from: exchange.from,
            to: exchange.to,
            id: (!indication).then_some(exchange.id),
            source: exchange.source,
            about: exchange.about,
            ike_spi: exchange.ike_spi.map(|spi| format!("{spi:016x}")),
            latency: exchange.latency_ns,
            retries: exchange.retries,
            outcome,
            code: exchange.error.or(exchange.code),
            result,
            purpose: exchange.purpose,
            nbma: exchange.nbma.filter(|_| exchange.code == Some(0)),
            holding_time: exchange.holding_time.filter(|_| exchange.expires_ns.is_some()),
            expires_ns: exchange.expires_ns,
            protected: exchange.protected,
            count: exchange.count,
            packets: &exchange.packets,
        }
    }

    /// The cells of the table, in the order of [`HEAD`].
    pub(super) fn cells(&self, start_ns: u64) -> [String; 11] {
        let or_nothing = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let about = match (&self.ike_spi, self.about) {
            (Some(spi), _) => spi.clone(),
            (None, about) => or_nothing(about.map(|about| about.to_string())),
        };
        [
            self.number.to_string(),
            words::relative(self.began_ns, start_ns),
            self.kind.clone(),
            format!("{} -> {}", self.from, self.to),
            or_nothing(self.id.map(|id| id.to_string())),
            about,
            or_nothing(self.latency.map(words::span)),
            self.retries.to_string(),
            self.result.clone(),
            or_nothing(self.holding_time.map(|seconds| format!("{seconds} s"))),
            or_nothing(self.expires_ns.map(|at| words::relative(at, start_ns))),
        ]
    }

    /// One line about it, for those who watch.
    pub fn line(&self, start_ns: u64, terminal: &Terminal) -> String {
        let [number, time, kind, ends, id, about, latency, retries, result, holding, _] = self.cells(start_ns);
        let mut line = format!("{number:>5} {time:>12}  {kind} {ends} id {id} about {about}: ");
        line += &terminal.paint(tint(self.outcome), &result);
        if self.latency.is_some() {
            line += &format!(" after {latency}");
        }
        if self.retries > 0 {
            line += &format!(", retries {retries}");
        }
        if self.holding_time.is_some() {
            line += &format!(", holding time {holding}");
        }
        terminal.safe(&line)
    }
}

/// Columns of the table.
pub(super) const HEAD: [&str; 11] =
    ["exchange", "time", "kind", "from -> to", "id", "about", "latency", "retries", "result", "holding", "expires"];

fn outcome(exchange: &Exchange) -> (Outcome, String) {
    let name = |code| words::code(exchange.kind, code);
    if let Some(code) = exchange.error {
        let ike = matches!(exchange.kind, ExchangeKind::Ike1(_) | ExchangeKind::Ike2(_));
        return (Outcome::Error, format!("error {}", if ike { name(code) } else { words::error_code(code) }));
    }
    match (exchange.kind, exchange.code, exchange.latency_ns) {
        (ExchangeKind::ErrorIndication, Some(code), _) => (Outcome::Error, format!("error {}", name(code))),
        (ExchangeKind::TrafficIndication, Some(code), _) => (Outcome::Told, name(code)),
        _ if exchange.unanswered() => (Outcome::NoReply, "no reply".to_owned()),
        (_, Some(0), Some(_)) => (Outcome::Answered, "success".to_owned()),
        (_, Some(code), Some(_)) => (Outcome::Refused, format!("refused {}", name(code))),
        (_, None, Some(_)) => match exchange.purpose {
            Some(purpose) => (Outcome::Answered, format!("answered, {}", purpose.words())),
            None => (Outcome::Answered, "answered".to_owned()),
        },
        _ => (Outcome::Told, "no reply is wanted".to_owned()),
    }
}

fn tint(outcome: Outcome) -> Tint {
    match outcome {
        Outcome::Answered => Tint::Good,
        Outcome::Told => Tint::Aside,
        Outcome::NoReply => Tint::Caution,
        Outcome::Refused | Outcome::Error => Tint::Bad,
    }
}

/// The table, and a line about those that are left out. Times count from `start_ns`.
pub fn table(exchanges: &[Exchange], left_out: u64, start_ns: u64, terminal: &Terminal) -> String {
    if exchanges.is_empty() && left_out == 0 {
        return "no exchanges\n".to_owned();
    }
    let mut builder = Builder::default();
    builder.push_record(HEAD);
    for exchange in exchanges {
        let row = Row::of(exchange);
        let mut cells = row.cells(start_ns).map(|cell| terminal.safe(&cell));
        cells[8] = terminal.paint(tint(row.outcome), &cells[8]);
        builder.push_record(cells);
    }
    let mut text = String::new();
    for line in builder.build().with(Style::blank()).to_string().lines() {
        text += line.trim_end();
        text.push('\n');
    }
    if left_out > 0 {
        let more = words::counted(left_out, "more exchange");
        text += &format!("{more}; `--limit` shows more of them\n");
    }
    text
}
