//! The YAML syntax. `examples/hub.yaml` and `examples/spoke.yaml` show every key with its meaning.
//!
//! Strict on purpose: an unknown or repeated key, a key without a value and a second document are errors, `yes` is not a
//! boolean, and durations have a unit. A typing error in a configuration must not become a default.

use std::fmt;
use std::ops::Range;

use dmvpn_core::Config;
use dmvpn_core::config::{Multicast, Profile, Secret};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_yaml::budget::BudgetBreach;
use serde_yaml::{Error as YamlError, Location, Spanned};

use crate::Settings;
use crate::document::{
    Cluster, Document, Gateway, Interface, Limits, Located, Map, Nhrp, Nhs, Prefix, Retry, Route, Tunnel,
};
use crate::error::{Error, printable, suggestion};
use crate::scalar::Scalar;

/// Reads what a node needs from `text`; `file` is its name in messages.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(text: &str, file: &str) -> Result<Config, Error> {
    settings(text, file).map(|settings| settings.node)
}

/// Reads everything that `text` sets, for the node and for its shell.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn settings(text: &str, file: &str) -> Result<Settings, Error> {
    document(text, file)?.into_settings(file, text)
}

/// Reads the text as it is written, without defaults and without a judgment of the whole.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn document(text: &str, file: &str) -> Result<Document, Error> {
    let options = serde_yaml::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
        budget: serde_yaml::budget! {
            max_depth: 16,
            max_events: 200_000,
            max_nodes: 100_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_documents: 1,
        },
    };
    serde_yaml::from_str_with_options::<Raw>(text, options)
        .map(Document::from)
        .map_err(|error| complaint(&error, file, text))
}

/// Turns the parser's error into ours.
fn complaint(error: &YamlError, file: &str, text: &str) -> Error {
    let error = error.without_snippet();
    let span = error.location().map_or(0..0, |location| octets(&location));
    let at = |code, message: String| Error::at(code, file, text, span.clone(), message);
    match error {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            at("config::unknown_key", format!("there is no setting `{}`", printable(field)))
                .with_label("not known here")
                .with_help(suggestion(field, expected))
        }
        YamlError::SerdeMissingField { field, .. } => {
            at("config::missing_key", format!("the setting `{field}` is missing")).with_label("in here")
        }
        YamlError::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map_or_else(String::new, |key| format!(" `{}`", printable(key)));
            at("config::duplicate_key", format!("the setting{key} is there twice")).with_label("the second one")
        }
        YamlError::NullIntoString { .. } => {
            at("config::no_value", "the value is missing".into()).with_help("leave the key out to get the default")
        }
        YamlError::Unexpected { expected, .. } => at("config::shape", wanted(expected)),
        YamlError::Eof { .. } => at("config::empty", "the file has no content".into()),
        YamlError::Budget { breach: BudgetBreach::Documents { .. }, .. } | YamlError::MultipleDocuments { .. } => {
            at("config::syntax", "a second document begins here".into())
        }
        YamlError::Budget { .. } => {
            at("config::too_complex", "this is deeper or has more parts than a configuration can need".into())
        }
        YamlError::Message { msg, .. } => at("config::value", printable(msg)),
        other => {
            let plain = serde_yaml::render_options! { snippets: serde_yaml::SnippetMode::Off };
            let message = other.render_with_options(plain);
            // The place is said in front already.
            let message = message.split(" at line ").next().unwrap_or(&message);
            at("config::syntax", printable(message))
        }
    }
}

/// What should stand there, in the words of someone who writes a file and not of someone who parses it.
fn wanted(expected: &str) -> String {
    match expected {
        "mapping start" => "settings (`key: value`) are expected here".into(),
        "sequence start" => "a list (`- ...`) is expected here".into(),
        "string scalar" => "a single value is expected here".into(),
        other => format!("{other} is expected here"),
    }
}

/// Octets of the file that a location means.
fn octets(location: &Location) -> Range<usize> {
    let span = location.span();
    let at = |octet: Option<u64>| octet.and_then(|octet| usize::try_from(octet).ok()).unwrap_or(0);
    let start = at(span.byte_offset());
    start..start.saturating_add(at(span.byte_len()))
}

/// A scalar with its place.
struct Value<T>(Located<T>);

impl<'de, T: Scalar> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: Word(value), referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self(Located { value, span: octets(&referenced) }))
    }
}

/// A scalar: its text is read by ourselves, because YAML's own types say too little when they do not fit.
struct Word<T>(T);

impl<'de, T: Scalar> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(std::marker::PhantomData<T>);
        impl<T: Scalar> Visitor<'_> for Reader<T> {
            type Value = Word<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a single value")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::read(text).map(Word).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Reader(std::marker::PhantomData))
    }
}

/// A setting that may be absent, but that has a value if it is there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    tunnels: Vec<RawTunnel>,
    #[serde(default)]
    lan: Vec<Value<Interface>>,
    #[serde(default)]
    routes: Vec<Spanned<RawRoute>>,
    #[serde(default, deserialize_with = "present")]
    state: Option<Value<std::path::PathBuf>>,
    #[serde(default, deserialize_with = "present")]
    limits: Option<RawLimits>,
    #[serde(default, deserialize_with = "present")]
    first_request_id: Option<Value<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    to: Value<Prefix>,
    via: Value<Gateway>,
    #[serde(default, deserialize_with = "present")]
    tunnel: Option<Value<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTunnel {
    name: Value<String>,
    nbma: Value<std::net::IpAddr>,
    address: Value<Interface>,
    #[serde(default, deserialize_with = "present")]
    remote: Option<Value<std::net::IpAddr>>,
    #[serde(default, deserialize_with = "present")]
    key: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    ttl: Option<Value<u8>>,
    #[serde(default, deserialize_with = "present")]
    tos: Option<Value<u8>>,
    #[serde(default, deserialize_with = "present")]
    mtu: Option<Value<u16>>,
    #[serde(default, deserialize_with = "present")]
    nhrp: Option<RawNhrp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNhrp {
    #[serde(default, deserialize_with = "present")]
    network_id: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    holding_time: Option<Value<std::time::Duration>>,
    #[serde(default, deserialize_with = "present")]
    authentication: Option<Value<Secret>>,
    #[serde(default, deserialize_with = "present")]
    unique: Option<Value<bool>>,
    #[serde(default, deserialize_with = "present")]
    server: Option<Value<bool>>,
    #[serde(default, deserialize_with = "present")]
    profile: Option<Value<Profile>>,
    #[serde(default, deserialize_with = "present")]
    answers: Option<Value<bool>>,
    #[serde(default, deserialize_with = "present")]
    redirect: Option<Value<bool>>,
    #[serde(default, deserialize_with = "present")]
    shortcut: Option<Value<bool>>,
    #[serde(default, deserialize_with = "present")]
    resolution_holding_time: Option<Value<std::time::Duration>>,
    #[serde(default, deserialize_with = "present")]
    multicast: Option<Vec<Value<Multicast>>>,
    #[serde(default)]
    clusters: Vec<Spanned<RawCluster>>,
    #[serde(default, deserialize_with = "present")]
    fallback: Option<Value<std::time::Duration>>,
    #[serde(default, deserialize_with = "present")]
    registration_prefix: Option<Value<u8>>,
    #[serde(default, deserialize_with = "present")]
    retry: Option<Spanned<RawRetry>>,
    #[serde(default)]
    nhs: Vec<Spanned<RawNhs>>,
    #[serde(default)]
    map: Vec<Spanned<RawMap>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRetry {
    #[serde(default, deserialize_with = "present")]
    first: Option<Value<std::time::Duration>>,
    #[serde(default, deserialize_with = "present")]
    max: Option<Value<std::time::Duration>>,
    #[serde(default, deserialize_with = "present")]
    jitter_percent: Option<Value<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNhs {
    nbma: Value<std::net::IpAddr>,
    #[serde(default, deserialize_with = "present")]
    protocol: Option<Value<std::net::IpAddr>>,
    #[serde(default, deserialize_with = "present")]
    priority: Option<Value<u8>>,
    #[serde(default, deserialize_with = "present")]
    cluster: Option<Value<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCluster {
    id: Value<u8>,
    max_connections: Value<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMap {
    protocol: Value<std::net::IpAddr>,
    nbma: Value<std::net::IpAddr>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    #[serde(default, deserialize_with = "present")]
    bindings: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    bindings_per_peer: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    entries_per_request: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    errors_per_second: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    routes: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    resolutions: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    resolutions_per_second: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    purges_per_second: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    held_packets: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    multicast_copies: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    icmp_per_second: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    cached: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    requesters: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    redirects: Option<Value<u32>>,
    #[serde(default, deserialize_with = "present")]
    messages_per_second_per_peer: Option<Value<u32>>,
}

fn place<T>(value: Option<Value<T>>) -> Option<Located<T>> {
    value.map(|value| value.0)
}

fn spanned<T, U: From<T>>(Spanned { value, referenced, .. }: Spanned<T>) -> Located<U> {
    Located { value: value.into(), span: octets(&referenced) }
}

impl From<Raw> for Document {
    fn from(raw: Raw) -> Self {
        Self {
            tunnels: raw.tunnels.into_iter().map(Tunnel::from).collect(),
            lan: raw.lan.into_iter().map(|lan| lan.0).collect(),
            routes: raw.routes.into_iter().map(spanned).collect(),
            state: place(raw.state),
            limits: raw.limits.unwrap_or_default().into(),
            first_request_id: place(raw.first_request_id),
        }
    }
}

impl From<RawRoute> for Route {
    fn from(raw: RawRoute) -> Self {
        Self { to: raw.to.0, via: raw.via.0, tunnel: place(raw.tunnel) }
    }
}

impl From<RawCluster> for Cluster {
    fn from(raw: RawCluster) -> Self {
        Self { id: raw.id.0, max_connections: raw.max_connections.0 }
    }
}

impl From<RawTunnel> for Tunnel {
    fn from(raw: RawTunnel) -> Self {
        Self {
            name: raw.name.0,
            nbma: raw.nbma.0,
            address: raw.address.0,
            remote: place(raw.remote),
            key: place(raw.key),
            ttl: place(raw.ttl),
            tos: place(raw.tos),
            mtu: place(raw.mtu),
            nhrp: raw.nhrp.map(Nhrp::from),
        }
    }
}

impl From<RawNhrp> for Nhrp {
    fn from(raw: RawNhrp) -> Self {
        Self {
            network_id: place(raw.network_id),
            holding_time: place(raw.holding_time),
            authentication: place(raw.authentication),
            unique: place(raw.unique),
            server: place(raw.server),
            profile: place(raw.profile),
            answers: place(raw.answers),
            redirect: place(raw.redirect),
            shortcut: place(raw.shortcut),
            resolution_holding_time: place(raw.resolution_holding_time),
            multicast: raw.multicast.map(|list| list.into_iter().map(|value| value.0).collect()),
            clusters: raw.clusters.into_iter().map(spanned).collect(),
            fallback: place(raw.fallback),
            registration_prefix: place(raw.registration_prefix),
            retry: raw.retry.map(spanned),
            nhs: raw.nhs.into_iter().map(spanned).collect(),
            map: raw.map.into_iter().map(spanned).collect(),
        }
    }
}

impl From<RawRetry> for Retry {
    fn from(raw: RawRetry) -> Self {
        Self { first: place(raw.first), max: place(raw.max), jitter_percent: place(raw.jitter_percent) }
    }
}

impl From<RawNhs> for Nhs {
    fn from(raw: RawNhs) -> Self {
        Self {
            protocol: place(raw.protocol),
            nbma: raw.nbma.0,
            priority: place(raw.priority),
            cluster: place(raw.cluster),
        }
    }
}

impl From<RawMap> for Map {
    fn from(raw: RawMap) -> Self {
        Self { protocol: raw.protocol.0, nbma: raw.nbma.0 }
    }
}

impl From<RawLimits> for Limits {
    fn from(raw: RawLimits) -> Self {
        Self {
            bindings: place(raw.bindings),
            bindings_per_peer: place(raw.bindings_per_peer),
            entries_per_request: place(raw.entries_per_request),
            errors_per_second: place(raw.errors_per_second),
            routes: place(raw.routes),
            resolutions: place(raw.resolutions),
            resolutions_per_second: place(raw.resolutions_per_second),
            purges_per_second: place(raw.purges_per_second),
            held_packets: place(raw.held_packets),
            multicast_copies: place(raw.multicast_copies),
            icmp_per_second: place(raw.icmp_per_second),
            cached: place(raw.cached),
            requesters: place(raw.requesters),
            redirects: place(raw.redirects),
            messages_per_second_per_peer: place(raw.messages_per_second_per_peer),
        }
    }
}
