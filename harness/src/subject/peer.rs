//! Neutral state views of the built-in peer.

use std::net::IpAddr;

use dmvpn_core::io::NhrpView;
use dmvpn_core::time::Instant;

use super::ViewRow;
use crate::dissect::FieldValue;

/// The rows of a view, or `None` if the peer has no such view. `name_of` tells which node has an NBMA address.
pub fn rows_of_peer(
    view: &str,
    state: &NhrpView,
    now: Instant,
    name_of: impl Fn(IpAddr) -> Option<String>,
) -> Option<Vec<ViewRow>> {
    let row = |cells: Vec<(&str, Option<FieldValue>)>| -> ViewRow {
        cells.into_iter().filter_map(|(column, value)| Some((column.to_owned(), value?))).collect()
    };
    match view {
        "nhrp.cache" => Some(
            state
                .bindings
                .iter()
                // As in every router's cache: a node's own addresses are no bindings that it learned.
                .filter(|binding| binding.kind.name() != "local")
                .map(|binding| {
                    let remaining = binding.expires.map(|at| FieldValue::Uint(at.saturating_since(now).as_secs()));
                    row(vec![
                        ("protocol", Some(FieldValue::Addr(binding.protocol))),
                        ("prefix_len", Some(FieldValue::Uint(binding.prefix_len.into()))),
                        ("nbma", Some(FieldValue::Addr(binding.nbma))),
                        ("claimed_nbma", Some(FieldValue::Addr(binding.claimed_nbma))),
                        ("type", Some(FieldValue::Text(binding.kind.name().to_owned()))),
                        ("unique", Some(FieldValue::Uint(binding.unique.into()))),
                        ("remaining", remaining),
                    ])
                })
                .collect(),
        ),
        "nhrp.nhs" => Some(
            state
                .nhs
                .iter()
                .map(|server| {
                    row(vec![
                        ("node", name_of(server.nbma).map(FieldValue::Text)),
                        ("nbma", Some(FieldValue::Addr(server.nbma))),
                        ("protocol", server.protocol.map(FieldValue::Addr)),
                        ("up", Some(FieldValue::Uint(server.registered.into()))),
                        ("priority", Some(FieldValue::Uint(server.priority.into()))),
                    ])
                })
                .collect(),
        ),
        "nhrp.shortcut" => Some(
            state
                .shortcuts
                .iter()
                .map(|shortcut| {
                    let remaining = shortcut.expires.saturating_since(now).as_secs();
                    row(vec![
                        ("prefix", Some(FieldValue::Text(format!("{}/{}", shortcut.prefix, shortcut.prefix_len)))),
                        ("via", Some(FieldValue::Addr(shortcut.via))),
                        ("nbma", Some(FieldValue::Addr(shortcut.nbma))),
                        ("remaining", Some(FieldValue::Uint(remaining))),
                    ])
                })
                .collect(),
        ),
        _ => None,
    }
}
