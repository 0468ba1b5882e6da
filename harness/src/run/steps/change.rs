//! `route`, `clear`, `renumber`: what an operator, a routing protocol or a provider does to a node while it runs.

use dmvpn_core::io::{Command, Reply};
use serde_json::{Value, json};

use super::lifecycle;
use crate::run::case::CaseRun;
use crate::suite::{ClearStep, RenumberStep, RouteChange, RouteStep};
use crate::world::LabError;

/// A route comes or goes.
pub(super) fn route(run: &mut CaseRun<'_>, step: &RouteStep) -> Result<(), LabError> {
    let broken = |problem: String| LabError::Router { node: step.node.clone(), problem };
    let (command, order, words) = match &step.change {
        RouteChange::Add(route) => {
            let topology = run.suite.topology_of(run.case);
            let decl = topology.nodes.get(&step.node).ok_or_else(|| broken("is not declared".to_owned()))?;
            let station = run.stations.get(&step.node).ok_or_else(|| broken("is on no link".to_owned()))?;
            let way = station.way(decl, topology, route.to, &route.via).map_err(broken)?;
            (Command::AddRoute(station.peer_route(&way)), "route_add", json!({ "route": way }))
        }
        RouteChange::Delete(to) => (
            Command::DeleteRoute { prefix: to.addr, prefix_len: to.prefix_len },
            "route_delete",
            json!({ "route": { "to": to.to_string(), "prefix": to.addr, "prefix_len": to.prefix_len } }),
        ),
    };
    if run.routers.contains_key(&step.node) {
        return order_named(run, &step.node, order, words);
    }
    match tell(run, &step.node, command)? {
        Reply::Route { changed: true } => Ok(()),
        _ => Err(broken(format!("`{order}` changed nothing: its routing table was so before"))),
    }
}

/// A node forgets.
pub(super) fn clear(run: &mut CaseRun<'_>, step: &ClearStep) -> Result<(), LabError> {
    if run.routers.contains_key(&step.node) {
        return order_named(run, &step.node, "clear", json!({ "what": step.what }));
    }
    tell(run, &step.node, Command::ClearNhrp { protocol: None }).map(drop)
}

/// A node gets another NBMA address; from now on packets find it there and no longer at the old one.
pub(super) fn renumber(run: &mut CaseRun<'_>, step: &RenumberStep) -> Result<(), LabError> {
    let id = run.world.fabric.station(&step.node)?;
    let old = run.world.fabric.nbma(id);
    let now = run.world.now();
    run.world.fabric.renumber(id, now, step.nbma);
    // Routers find it by asking on their side of the wire.
    for name in run.routers.keys().cloned().collect::<Vec<_>>() {
        let router = run.world.fabric.station(&name)?;
        let neighbours = run.world.fabric.neighbours(router);
        run.world.driver().neighbours(&name, neighbours)?;
    }
    if run.routers.contains_key(&step.node) {
        order_named(run, &step.node, "renumber", json!({ "old": old, "new": step.nbma }))?;
    }
    if let Some(station) = run.stations.get_mut(&step.node) {
        station.nbma = step.nbma;
    }
    Ok(())
}

/// Asks a built-in node, which has to run.
fn tell(run: &mut CaseRun<'_>, node: &str, command: Command) -> Result<Reply, LabError> {
    let id = run.world.fabric.station(node)?;
    let now = run.world.now();
    let reply = run.world.fabric.command(id, now, command);
    reply.ok_or_else(|| LabError::Router { node: node.to_owned(), problem: "does not run".to_owned() })
}

/// Has a router carry out an order of its implementation file, with the step's words beside its own.
fn order_named(run: &mut CaseRun<'_>, node: &str, order: &str, words: Value) -> Result<(), LabError> {
    let broken = |problem: String| LabError::Router { node: node.to_owned(), problem };
    let part = run.routers.get(node).ok_or_else(|| broken("is no router".to_owned()))?;
    if !part.started {
        return Err(broken("does not run".to_owned()));
    }
    let implementation = part.implementation.clone();
    let actions = implementation
        .orders
        .get(order)
        .ok_or_else(|| broken(format!("{} has no order `{order}` in its implementation file", implementation.name)))?;
    lifecycle::order_with(run, node, actions, words)?;
    lifecycle::settle(run)
}
