//! Which packets to show: expressions over field paths.
//!
//! ```text
//! nhrp and cie[].code != 0                    any entry that is refused
//! ip.src == 192.0.2.0/24 and not esp          what the network sends in the clear
//! frame.number >= 100 and (ike or gre.key == 42)
//! malformed ~ "checksum"                      a word contains another
//! ```
//!
//! A path without a comparison is true where the packet has such a field; the name of a layer is true where it has such
//! a layer. `[]` stands for any index. A comparison is true if any field of that path fulfils it, so `!=` is true where
//! one differs; `not a == b` is true where none is equal.

use std::net::IpAddr;

use crate::capture::CapturedPacket;
use crate::dissect::{Dissection, Field, Value, catalogue};

/// How deep parentheses and `not` may go.
const MAX_DEPTH: usize = 64;

/// The names of layers that a filter may ask for.
pub const LAYERS: &[&str] = &[
    "eth",
    "vlan",
    "sll",
    "null",
    "nflog",
    "ip",
    "ipv6",
    "udp",
    "tcp",
    "gre",
    "nhrp",
    "esp",
    "ike",
    "icmp",
    "icmpv6",
    "ospf",
    "eigrp",
    "rip",
    "bgp",
    "keepalive",
    "data",
];

/// A filter that was understood.
#[derive(Clone, Debug)]
pub struct Filter(Expr);

/// A filter that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
pub struct FilterError {
    message: String,
    #[source_code]
    text: String,
    #[label("here")]
    at: miette::SourceSpan,
    #[help]
    help: Option<String>,
}

#[derive(Clone, Debug)]
enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Layer(String),
    Exists(Path),
    Compare(Path, Op, Wanted),
}

/// What a path names.
#[derive(Clone, Debug)]
enum Path {
    Number,
    Length,
    Time,
    Field(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
}

#[derive(Clone, Debug)]
enum Wanted {
    Number(u64),
    Address(IpAddr, u8),
    Octets(Vec<u8>),
    Text(String),
}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`FilterError`] with the place and the nearest known word.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let tokens = tokens(text)?;
        let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0 };
        let expr = parser.or()?;
        match parser.peek() {
            None => Ok(Self(expr)),
            Some(token) => Err(parser.error(token, "expected `and`, `or` or the end", None)),
        }
    }

    /// Whether the packet is one of those that are asked for.
    pub fn holds(&self, packet: &CapturedPacket, read: &Dissection) -> bool {
        self.0.holds(packet, read)
    }
}

impl Expr {
    fn holds(&self, packet: &CapturedPacket, read: &Dissection) -> bool {
        match self {
            Expr::Or(any) => any.iter().any(|expr| expr.holds(packet, read)),
            Expr::And(all) => all.iter().all(|expr| expr.holds(packet, read)),
            Expr::Not(expr) => !expr.holds(packet, read),
            Expr::Layer(name) => read.layers().any(|layer| layer.name == name),
            Expr::Exists(Path::Field(path)) => read.fields().any(|field| fits(path, &field)),
            Expr::Exists(_) => true,
            Expr::Compare(path, op, wanted) => {
                let number = |number| compare(Value::Uint(number), *op, wanted);
                match path {
                    Path::Number => number(packet.number),
                    Path::Length => number(packet.original_len.into()),
                    Path::Time => number(packet.timestamp_ns / 1_000_000_000),
                    Path::Field(path) => {
                        read.fields().any(|field| fits(path, &field) && compare(field.value, *op, wanted))
                    }
                }
            }
        }
    }
}

/// Whether the field has that path, where `[]` is any index.
fn fits(pattern: &str, field: &Field<'_>) -> bool {
    if !pattern.contains("[]") {
        return field.is(pattern);
    }
    let Some(stem) = pattern.strip_suffix(field.name) else { return false };
    let mut rest = field.stem;
    let mut parts = stem.split("[]").peekable();
    while let Some(part) = parts.next() {
        let Some(behind) = rest.strip_prefix(part) else { return false };
        rest = behind;
        if parts.peek().is_some() {
            let index = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let Some((index, behind)) = index else { return false };
            if index.is_empty() || !index.bytes().all(|digit| digit.is_ascii_digit()) {
                return false;
            }
            rest = behind;
        }
    }
    rest.is_empty()
}

fn compare(actual: Value<'_>, op: Op, wanted: &Wanted) -> bool {
    use std::cmp::Ordering;
    let order = match (actual, wanted) {
        (Value::Uint(actual), Wanted::Number(wanted)) => actual.cmp(wanted),
        (Value::Addr(actual), Wanted::Address(network, len)) => {
            let inside = in_network(actual, *network, *len);
            return match op {
                Op::Equal | Op::Contains => inside,
                Op::NotEqual => !inside,
                Op::Less => actual < *network,
                Op::AtMost => actual <= *network || inside,
                Op::More => actual > *network && !inside,
                Op::AtLeast => actual >= *network,
            };
        }
        (Value::Bytes(actual), Wanted::Octets(wanted)) if op == Op::Contains => {
            return wanted.is_empty() || actual.windows(wanted.len()).any(|part| part == wanted);
        }
        (Value::Bytes(actual), Wanted::Octets(wanted)) => actual.cmp(wanted.as_slice()),
        (Value::Text(actual), Wanted::Text(wanted)) if op == Op::Contains => return actual.contains(wanted.as_str()),
        (Value::Text(actual), Wanted::Text(wanted)) => actual.cmp(wanted.as_str()),
        // Values of different kinds are never equal, and neither is more.
        _ => return op == Op::NotEqual,
    };
    match op {
        Op::Equal => order == Ordering::Equal,
        Op::NotEqual => order != Ordering::Equal,
        Op::Less => order == Ordering::Less,
        Op::AtMost => order != Ordering::Greater,
        Op::More => order == Ordering::Greater,
        Op::AtLeast => order != Ordering::Less,
        Op::Contains => false,
    }
}

fn in_network(address: IpAddr, network: IpAddr, len: u8) -> bool {
    let (difference, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()) << 96, 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
        _ => return false,
    };
    difference.leading_zeros().min(width) >= u32::from(len)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Word,
    Quoted,
    Open,
    Close,
    Op(Op),
    And,
    Or,
    Not,
}

/// A token, and where its text begins and ends.
type Placed = (Token, usize, usize);

fn tokens(text: &str) -> Result<Vec<Placed>, FilterError> {
    let octets = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        let two = octets.get(at..at + 2).unwrap_or_default();
        let (token, len) = match (octet, two) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => {
                at += 1;
                continue;
            }
            (_, b"==") => (Token::Op(Op::Equal), 2),
            (_, b"!=") => (Token::Op(Op::NotEqual), 2),
            (_, b"<=") => (Token::Op(Op::AtMost), 2),
            (_, b">=") => (Token::Op(Op::AtLeast), 2),
            (_, b"&&") => (Token::And, 2),
            (_, b"||") => (Token::Or, 2),
            (b'<', _) => (Token::Op(Op::Less), 1),
            (b'>', _) => (Token::Op(Op::More), 1),
            (b'~', _) => (Token::Op(Op::Contains), 1),
            (b'!', _) => (Token::Not, 1),
            (b'(', _) => (Token::Open, 1),
            (b')', _) => (Token::Close, 1),
            (b'"', _) => match text[at + 1..].find('"') {
                Some(len) => (Token::Quoted, len + 2),
                None => return Err(error(text, at, text.len(), "the quotation mark is never closed", None)),
            },
            _ => {
                let word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '[' | ']' | ':' | '/' | '-');
                let len = text[at..].find(|c| !word(c)).unwrap_or(text.len() - at);
                if len == 0 {
                    let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                    return Err(error(text, at, end, "this means nothing here", None));
                }
                let token = match &text[at..at + len] {
                    "and" => Token::And,
                    "or" => Token::Or,
                    "not" => Token::Not,
                    "contains" => Token::Op(Op::Contains),
                    _ => Token::Word,
                };
                (token, len)
            }
        };
        found.push((token, at, at + len));
        at += len;
    }
    Ok(found)
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Placed],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Placed> {
        self.tokens.get(self.at).copied()
    }

    fn take(&mut self, token: Token) -> bool {
        let there = self.peek().is_some_and(|(found, ..)| found == token);
        self.at += usize::from(there);
        there
    }

    fn or(&mut self) -> Result<Expr, FilterError> {
        let mut any = vec![self.and()?];
        while self.take(Token::Or) {
            any.push(self.and()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expr::Or(any) })
    }

    fn and(&mut self) -> Result<Expr, FilterError> {
        let mut all = vec![self.not()?];
        while self.take(Token::And) {
            all.push(self.not()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn not(&mut self) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let (start, end) = self.peek().map_or((0, self.text.len()), |(_, start, end)| (start, end));
            return Err(error(self.text, start, end, &format!("more than {MAX_DEPTH} levels"), None));
        }
        let expr = if self.take(Token::Not) { self.not().map(|expr| Expr::Not(Box::new(expr))) } else { self.atom() };
        self.depth -= 1;
        expr
    }

    fn atom(&mut self) -> Result<Expr, FilterError> {
        if self.take(Token::Open) {
            let expr = self.or()?;
            return if self.take(Token::Close) { Ok(expr) } else { Err(self.missing("`)`")) };
        }
        let Some((Token::Word, start, end)) = self.peek() else {
            return Err(self.missing("a field path or the name of a layer"));
        };
        self.at += 1;
        let word = &self.text[start..end];
        let op = match self.peek() {
            Some((Token::Op(op), ..)) => {
                self.at += 1;
                op
            }
            _ if LAYERS.contains(&word) => return Ok(Expr::Layer(word.to_owned())),
            _ => return Ok(Expr::Exists(self.path(start, end)?)),
        };
        let path = self.path(start, end)?;
        let Some((token @ (Token::Word | Token::Quoted), start, end)) = self.peek() else {
            return Err(self.missing("a value"));
        };
        self.at += 1;
        let wanted = self.wanted(&path, token, start, end)?;
        Ok(Expr::Compare(path, op, wanted))
    }

    fn path(&self, start: usize, end: usize) -> Result<Path, FilterError> {
        let word = &self.text[start..end];
        match word {
            "frame.number" => return Ok(Path::Number),
            "frame.length" => return Ok(Path::Length),
            "frame.time" => return Ok(Path::Time),
            _ => {}
        }
        match catalogue::lookup(word) {
            Ok(_) => Ok(Path::Field(word.to_owned())),
            Err(unknown) => {
                let help = match unknown.nearest {
                    Some(nearest) => format!("did you mean `{nearest}`? `cargo lab inspect --fields` lists all"),
                    None => "`cargo lab inspect --fields` lists all fields".to_owned(),
                };
                Err(error(self.text, start, end, &format!("there is no field or layer `{word}`"), Some(help)))
            }
        }
    }

    fn wanted(&self, path: &Path, token: Token, start: usize, end: usize) -> Result<Wanted, FilterError> {
        use catalogue::FieldKind;
        let text = match token {
            Token::Quoted => &self.text[start + 1..end - 1],
            _ => &self.text[start..end],
        };
        let kind = match path {
            Path::Field(path) => catalogue::lookup(path).unwrap_or(FieldKind::Text),
            _ => FieldKind::Uint { bits: 64 },
        };
        let wrong = |what: &str| error(self.text, start, end, &format!("`{text}` is not {what}"), None);
        Ok(match kind {
            FieldKind::Uint { .. } | FieldKind::Flag | FieldKind::Seconds | FieldKind::List => {
                let text = if kind == FieldKind::Seconds { text.strip_suffix('s').unwrap_or(text) } else { text };
                let number = match text.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16),
                    None => text.parse(),
                };
                Wanted::Number(number.map_err(|_| wrong("a number"))?)
            }
            FieldKind::Addr => {
                let (address, len) = match text.split_once('/') {
                    Some((address, len)) => (address, Some(len)),
                    None => (text, None),
                };
                let address: IpAddr = address.parse().map_err(|_| wrong("an address or a prefix"))?;
                let width = if address.is_ipv4() { 32 } else { 128 };
                let len = len.map_or(Ok(width), str::parse).map_err(|_| wrong("a prefix"))?;
                if len > width {
                    return Err(wrong("a prefix"));
                }
                Wanted::Address(address, len)
            }
            FieldKind::Bytes => {
                let digits: String = text.trim_start_matches("0x").chars().filter(|c| *c != ':').collect();
                let octets = (0..digits.len()).step_by(2).map(|at| {
                    let pair = digits.get(at..at + 2)?;
                    u8::from_str_radix(pair, 16).ok()
                });
                Wanted::Octets(octets.collect::<Option<_>>().ok_or_else(|| wrong("octets in hexadecimal digits"))?)
            }
            FieldKind::Text => Wanted::Text(text.to_owned()),
        })
    }

    fn missing(&self, what: &str) -> FilterError {
        match self.peek() {
            Some(token) => self.error(token, &format!("expected {what}"), None),
            None => error(self.text, self.text.len(), self.text.len(), &format!("expected {what} here"), None),
        }
    }

    fn error(&self, (_, start, end): Placed, message: &str, help: Option<String>) -> FilterError {
        error(self.text, start, end, message, help)
    }
}

fn error(text: &str, start: usize, end: usize, message: &str, help: Option<String>) -> FilterError {
    FilterError { message: message.to_owned(), text: text.to_owned(), at: (start, end - start).into(), help }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;

    fn packet() -> (CapturedPacket, Dissection) {
        // GRE with key 42 and an echo request in it.
        let octets = [
            &[0x45, 0, 0, 56, 0, 1, 0, 0, 64, 47, 0, 0, 192, 0, 2, 11, 192, 0, 2, 1][..],
            &[0x20, 0, 8, 0, 0, 0, 0, 42],
            &[0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 0, 11, 10, 0, 0, 1],
            &[8, 0, 0, 0, 0, 7, 0, 9],
        ]
        .concat();
        let read = Dissection::of_ip(&octets);
        let packet = CapturedPacket {
            number: 3,
            timestamp_ns: 5_000_000_000,
            interface: 0,
            linktype: LinkType::RAW,
            original_len: 56,
            octets,
            comment: None,
            offset: 0,
        };
        (packet, read)
    }

    #[test]
    fn expressions_hold_or_do_not() {
        let (packet, read) = packet();
        for (text, expected) in [
            ("gre", true),
            ("nhrp", false),
            ("not nhrp and icmp", true),
            ("gre.key == 42", true),
            ("gre.key == 0x2a", true),
            ("gre.key != 42 or ip.ttl >= 64", true),
            ("gre.key > 42", false),
            ("ip.src == 192.0.2.0/24", true),
            ("ip.src == 192.0.3.0/24", false),
            ("inner.dst == 10.0.0.1", true),
            ("inner.payload ~ 0007", true),
            ("inner.payload == 08:00:00:00:00:07:00:09", true),
            ("frame.number == 3 && frame.length < 57 && frame.time >= 5", true),
            ("cie[].code", false),
            ("!(gre and nhrp) or esp.spi", true),
            ("gre.sequence", false),
        ] {
            assert_eq!(Filter::parse(text).unwrap().holds(&packet, &read), expected, "{text}");
        }
    }

    #[test]
    fn any_index_is_meant_by_empty_brackets() {
        let field = |stem, name| Field {
            stem,
            name,
            value: Value::Uint(0),
            buffer: 0,
            range: 0..0,
            mask: None,
            alias: false,
            secret: false,
        };
        assert!(fits("cie[].code", &field("cie[12].", "code")));
        assert!(fits("ext.responder.cie[].code", &field("ext.responder.cie[0].", "code")));
        assert!(!fits("cie[].code", &field("cie[12].", "mtu")));
        assert!(!fits("cie[].code", &field("ext.nat.cie[0].", "code")));
    }

    #[test]
    fn mistakes_say_where_and_what_was_meant() {
        for (text, message, at) in [
            ("gre.kee == 1", "there is no field or layer `gre.kee`", 0),
            ("gre and", "expected a field path or the name of a layer here", 7),
            ("ip.src == 300.1.1.1", "`300.1.1.1` is not an address or a prefix", 10),
            ("gre.key == x", "`x` is not a number", 11),
            ("(gre", "expected `)` here", 4),
            ("gre nhrp", "expected `and`, `or` or the end", 4),
            ("malformed ~ \"a", "the quotation mark is never closed", 12),
            ("gre ? nhrp", "this means nothing here", 4),
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert_eq!((error.message.as_str(), error.at.offset()), (message, at), "{text}");
        }
        assert!(Filter::parse("gre.kee").unwrap_err().help.unwrap().contains("gre.key"));
        assert!(Filter::parse(&"(".repeat(1000)).is_err());
        assert!(Filter::parse(&"not ".repeat(1000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = Filter::parse(&text);
        }
    }
}
