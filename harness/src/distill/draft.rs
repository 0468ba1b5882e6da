//! The text of a draft.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use super::fields::{self, quoted};
use super::{Material, Source, Station};
use crate::dissect::Dissection;
use crate::exchange::{Exchange, PACKETS_KEPT, Part};
use crate::suite::{Msg, Shelf};

/// What is drafted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A case of world `replay` for each exchange: it looks for each of its messages.
    #[default]
    Replay,
    /// A case of world `sim` for each exchange: the built-in peer stands where the hub stood.
    Feed,
}

/// Drafts a suite of these exchanges. Secrets are left out unless they are wanted.
pub fn draft(
    material: &Material,
    exchanges: &[&Exchange],
    source: &Source,
    form: Form,
    with_secrets: bool,
) -> Result<String, String> {
    let mut text = String::new();
    let hub = material.stations.iter().find(|station| station.is_hub).map_or("hub", |hub| hub.name.as_str());
    let written = match form {
        Form::Replay => replay(&mut text, material, exchanges, source, with_secrets),
        Form::Feed => {
            if let Some(nameless) = material.stations.iter().find(|station| station.tunnel.is_none()) {
                let Station { name, nbma, .. } = nameless;
                return Err(format!("the capture does not say the address of {name} ({nbma}) in the tunnel"));
            }
            feed(&mut text, material, exchanges, source, hub, with_secrets)
        }
    };
    // A string takes all that is written to it.
    written.map_err(|error| error.to_string())?;
    Ok(text)
}

fn head(text: &mut String, source: &Source, title: &str, world: &str) -> fmt::Result {
    writeln!(text, "# Drafted by `cargo lab distill` from {}.", source.file)?;
    writeln!(text, "# Say which sentence each case stands on, and leave out what does not matter to it.")?;
    writeln!(text, "schema: 1\nsuite: {}\ntitle: {}\nworlds: [{world}]", source.suite, quoted(title, true))?;
    text.write_str("topology:\n  nodes:\n")
}

fn capture(text: &mut String, source: &Source) -> fmt::Result {
    let from = if source.shelf == Shelf::Project { String::new() } else { format!(", from: {}", source.shelf.name()) };
    writeln!(text, "  capture: {{ file: {}{from} }}", quoted(&source.file, true))
}

fn replay(
    text: &mut String,
    material: &Material,
    exchanges: &[&Exchange],
    source: &Source,
    with_secrets: bool,
) -> fmt::Result {
    head(text, source, "What a capture shows", "replay")?;
    for station in &material.stations {
        node(text, station, "bind: capture", "")?;
    }
    capture(text, source)?;
    text.push_str("cases:\n");
    exchanges.iter().try_for_each(|exchange| replayed(text, material, exchange, with_secrets))
}

/// A node in one line. `more` is what else it says.
fn node(text: &mut String, station: &Station, player: &str, more: &str) -> fmt::Result {
    let Station { name, is_hub, nbma, tunnel, key } = station;
    let role = if *is_hub { "hub" } else { "spoke" };
    write!(text, "    {name}: {{ role: {role}, {player}, nbma: {}", quoted(&nbma.to_string(), nbma.is_ipv6()))?;
    if let Some(tunnel) = tunnel {
        write!(text, ", tunnel: {}", quoted(&cidr(*tunnel, *is_hub), tunnel.is_ipv6()))?;
    }
    if let Some(key) = key {
        write!(text, ", key: {key}")?;
    }
    writeln!(text, "{more} }}")
}

/// No message says how long the tunnel's prefix is: a hub's is taken to be a usual one, a spoke needs none.
fn cidr(address: IpAddr, is_hub: bool) -> String {
    match (address.is_ipv4(), is_hub) {
        (true, true) => format!("{address}/24"),
        (true, false) => format!("{address}/32"),
        (false, true) => format!("{address}/64"),
        (false, false) => format!("{address}/128"),
    }
}

fn case_head(text: &mut String, exchange: &Exchange, how: &str) -> fmt::Result {
    let name = exchange.kind.name();
    let slug = name.to_lowercase().replace(' ', "-");
    let about = exchange.about.map(|about| format!(" about {about}")).unwrap_or_default();
    let by = exchange.source.map(|source| format!(" of {source}")).unwrap_or_default();
    writeln!(text, "  - id: {slug}-{}", exchange.number)?;
    writeln!(text, "    title: {}", quoted(&format!("{name}{by}{about}{how}."), true))?;
    text.write_str("    cites: [{ spec: project, section: captures, level: goal }]\n    steps:\n")
}

fn replayed(text: &mut String, material: &Material, exchange: &Exchange, with_secrets: bool) -> fmt::Result {
    case_head(text, exchange, ", as recorded")?;
    let frames: Vec<_> =
        exchange.packets.iter().filter_map(|seen| Some((seen, material.frames.get(&seen.number)?))).collect();
    let first = frames.first().map_or(Duration::ZERO, |(_, frame)| frame.at);
    // Others like it may come before and after: the first message is the one in the microsecond behind this instant.
    let begin = u64::try_from(first.as_nanos().saturating_sub(1) / 1000).unwrap_or(u64::MAX);
    let mut marked = begin > 0;
    if marked {
        writeln!(text, "      - advance: {begin}us\n      - mark: begin")?;
    }
    let (mut before, mut id) = (Duration::from_micros(begin), None);
    for (seen, frame) in frames {
        let read = Dissection::of_ip(&frame.octets);
        let msg = Msg::ALL.into_iter().find(|msg| msg.nhrp_type().is_some() && msg.nhrp_type() == read.nhrp_type());
        let gap = frame.at.saturating_sub(before);
        before = frame.at;
        let note = match seen.part {
            Part::Retry => " # the request again",
            Part::Forward => " # passed on",
            Part::ReplyAgain => " # the reply again, or passed on",
            Part::Request | Part::Reply | Part::Error | Part::Message | Part::Piece => "",
        };
        writeln!(text, "      # frame {}\n      - expect:{note}", frame.number)?;
        for (word, nbma) in [("from", seen.from), ("to", seen.to)] {
            if let Some(name) = material.name_of(nbma) {
                writeln!(text, "          {word}: {name}")?;
            }
        }
        writeln!(text, "          msg: {}", msg.unwrap_or(Msg::Nhrp).name())?;
        if std::mem::take(&mut marked) {
            text.push_str("          after: begin\n");
        }
        let within =
            if id.is_none() && frame.at == first { "1us".to_owned() } else { format!("{}s", gap.as_secs() + 1) };
        writeln!(text, "          within: {within}\n          match:")?;
        for line in fields::lines(&read, &mut id, if with_secrets { &[] } else { &material.secrets }) {
            writeln!(text, "            {line}")?;
        }
    }
    let more = exchange.count.saturating_sub(PACKETS_KEPT as u64);
    if more > 0 {
        writeln!(text, "      - note: {more} more messages of this exchange are left out")?;
    }
    Ok(())
}

fn feed(
    text: &mut String,
    material: &Material,
    exchanges: &[&Exchange],
    source: &Source,
    hub: &str,
    with_secrets: bool,
) -> fmt::Result {
    head(text, source, "The built-in peer in place of a recorded hub", "sim")?;
    let auth = match material.secrets.first() {
        None => String::new(),
        Some(octets) if with_secrets => {
            format!(", nhrp: {{ auth: {} }}", quoted(&String::from_utf8_lossy(octets), true))
        }
        // Without it nothing will be answered: what has to be filled in is said where it is missing.
        Some(_) => ", nhrp: { auth: SECRET }".to_owned(),
    };
    if !material.secrets.is_empty() && !with_secrets {
        text.push_str("    # SECRET stands for the recorded one, which only `--with-secrets` writes down.\n");
    }
    for station in &material.stations {
        let player = if station.name == hub { "bind: subject" } else { "scripted: true" };
        node(text, station, player, &auth)?;
    }
    text.push_str("  links: [{ name: wan, capture: true }]\n");
    capture(text, source)?;
    text.push_str("cases:\n");
    let others: Vec<&str> = material.stations.iter().map(|s| s.name.as_str()).filter(|name| *name != hub).collect();
    for exchange in exchanges {
        let numbers = || exchange.packets.iter().map(|seen| seen.number);
        let (first, last) = (numbers().min().unwrap_or(1), numbers().max().unwrap_or(1));
        case_head(text, exchange, ": the built-in hub answers as the recorded one did")?;
        writeln!(text, "      - start: {hub}")?;
        writeln!(text, "      - feed: {{ from: [{}], to: {hub}, frames: [{first}, {last}] }}", others.join(", "))?;
    }
    Ok(())
}
