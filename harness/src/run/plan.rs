//! From a selection of cases and the names on the command line to the cells that will run.

use std::sync::Arc;

use super::cast::Cast;
use crate::place::{CaptureFiles, Captures};
use crate::subject::{Implementation, Subject};
use crate::suite::select::Selection;
use crate::suite::{
    Case, ClockKind, Diagnostic, NodeDecl, Profile, RouteChange, Station, Step, Suite, WorldKind, flatten,
};
use crate::verdict::{Outcome, Verdict, cause};
use crate::world::sim::EPOCH_NS;

/// One case with one cast in one world.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The case.
    pub case: &'a Case,
    /// Who plays what.
    pub cast: Cast,
    /// Where.
    pub world: WorldKind,
    /// The capture that it plays, where there is one.
    pub capture: Option<CaptureFiles>,
    /// The verdict that is known without running it: what a player declares that it does not have, or a capture that is
    /// not on this machine.
    pub known: Option<Verdict>,
}

impl Cell<'_> {
    /// The full id of the case.
    pub fn id(&self) -> String {
        self.suite.case_id(self.case)
    }

    /// What the clock on the wall says when the cell begins, where time is virtual: nanoseconds since 1970.
    pub fn epoch_ns(&self) -> u64 {
        self.suite.epoch_of(self.case).unwrap_or(EPOCH_NS)
    }

    /// What decides the routers of a lab: cells with the same one share it.
    pub fn lab_key(&self) -> LabKey<'_> {
        // Nobody is to be judged by what is left of routers that a case may have destroyed.
        let alone = is_destructive(self.case).then_some(self.case.id.as_str());
        (self.cast.subject.id(), self.cast.peer.id(), self.suite.id.as_str(), self.epoch_ns(), alone)
    }
}

/// Subject, peer, suite, epoch, and the case if it is [destructive](is_destructive).
pub type LabKey<'a> = (String, String, &'a str, u64, Option<&'a str>);

/// The tag of cases that may kill who is judged: they run after all others, each in a lab of its own, and a daemon of the
/// subject that dies is a failure of the subject.
pub const DESTRUCTIVE: &str = "destructive";

/// Whether a case is tagged [`DESTRUCTIVE`].
pub fn is_destructive(case: &Case) -> bool {
    case.tags.iter().any(|tag| tag == DESTRUCTIVE)
}

/// The tag of cases that take a moment in simulation, and minutes to hours with a daemon that is never idle for long.
pub const LONG: &str = "long";

/// Who is wanted where.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Who is judged, one after the other.
    pub subjects: &'a [Subject],
    /// Who plays the other side.
    pub peer: &'a Subject,
    /// Who else there is to play, for nodes that are bound by name.
    pub implementations: &'a [Arc<Implementation>],
    /// Cells of other worlds are left out.
    pub worlds: &'a [WorldKind],
    /// Where captures lie.
    pub captures: &'a Captures,
    /// The clock that world `real` has here.
    pub clock: ClockKind,
    /// Whether cases tagged [`LONG`] run against routers.
    pub long: bool,
}

/// What runs, and what does not because it does not belong here.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// In the order of subjects, suites and files; what is destructive comes last.
    pub cells: Vec<Cell<'a>>,
    /// Cases that are not for this world or clock: id and why. They are said, and are no skips: nothing that this
    /// machine lacks would make them run.
    pub elsewhere: Vec<(String, String)>,
}

/// Plans every selected case for every subject; a case whose nodes leave no choice is planned once.
///
/// # Errors
/// Bindings to implementations that there are not.
pub fn plan<'a>(selection: &Selection<'a>, wanted: Wanted<'_>) -> Result<Plan<'a>, Vec<Diagnostic>> {
    let mut plan = Plan::default();
    let mut mistakes: Vec<Diagnostic> = Vec::new();
    for (round, subject) in wanted.subjects.iter().enumerate() {
        for pick in &selection.picks {
            let (suite, case) = (pick.suite, pick.case);
            let cast = match Cast::new(suite.topology_of(case), subject, wanted.peer, wanted.implementations) {
                Ok(cast) => cast,
                Err(mistake) => {
                    if !mistakes.contains(&mistake) {
                        mistakes.push(*mistake);
                    }
                    continue;
                }
            };
            if round > 0 && !cast.asks_subject() {
                continue;
            }
            let world = cast.world();
            let clock = if world == WorldKind::Real { wanted.clock } else { ClockKind::Virtual };
            if !wanted.worlds.contains(&world) {
                plan.elsewhere.push((pick.id(), foreign(&cast)));
            } else if !suite.worlds_of(case).contains(&world) {
                plan.elsewhere.push((pick.id(), format!("not for world {}", world.name())));
            } else if suite.clock_of(case).is_some_and(|wanted| wanted != clock) {
                plan.elsewhere.push((pick.id(), format!("not with a {} clock", clock.name())));
            } else if world == WorldKind::Real && !wanted.long && case.tags.iter().any(|tag| tag == LONG) {
                plan.elsewhere.push((pick.id(), format!("tagged `{LONG}`: minutes to hours with a router (`--long`)")));
            } else {
                let found = suite.topology_of(case).capture.as_ref().map(|capture| wanted.captures.files(capture));
                let (capture, absent) = match found.transpose() {
                    Ok(capture) => (capture, None),
                    Err(why) => (None, Some(Verdict::skip(cause::CAPTURES, why))),
                };
                let known = unsupported(suite, case, &cast).or(absent);
                plan.cells.push(Cell { suite, case, cast, world, capture, known });
            }
        }
    }
    plan.cells.sort_by_key(|cell| is_destructive(cell.case));
    if mistakes.is_empty() { Ok(plan) } else { Err(mistakes) }
}

/// Why a cast is not for the worlds wanted.
fn foreign(cast: &Cast) -> String {
    match cast.players().find(|(_, player)| matches!(player, Subject::Router(..))) {
        Some((node, player)) => format!("in world real, as {} plays {node} (`--world real`)", player.id()),
        None if cast.world() == WorldKind::Replay => "in world replay, of a capture (`--world replay`)".to_owned(),
        None => "in world sim, as no router plays in it (name one, as in `--subject frr:10.3`)".to_owned(),
    }
}

/// What a player declares that it does not have.
pub fn unsupported(suite: &Suite, case: &Case, cast: &Cast) -> Option<Verdict> {
    let verdict = |cause: String, reason: String| Some(Verdict::new(Outcome::Unsupported, reason).with_cause(cause));
    let topology = suite.topology_of(case);
    for (name, player) in cast.players() {
        let Subject::Router(implementation, release) = player else { continue };
        let role = topology.nodes.get(name).map_or("", |node| node.role.name());
        if !implementation.roles.iter().any(|known| known == role) {
            return verdict(
                format!("role.{role}"),
                format!("{} is not described as {role} (node {name})", player.id()),
            );
        }
        let lists = [&case.steps, &case.control, &case.teardown];
        let steps = || lists.into_iter().flat_map(|steps| flatten(steps)).map(|step| &step.value);
        let pings = steps().any(|step| pinged(step, name)).then_some(HOST);
        for capability in suite.needs_of(case).chain(pings) {
            if let Some(lack) = implementation.lack(release, capability) {
                return verdict(capability.to_owned(), format!("{}: {}", player.id(), lack.because));
            }
        }
        // What a suite says of a node is never left out in silence.
        let words = topology.nodes.get(name).map(words_of).unwrap_or_default();
        if let Some(word) = words.into_iter().find(|word| !implementation.knows(word)) {
            let reason = format!("its implementation file has no `{word}`, which node {name} is declared with");
            return verdict(format!("word.{word}"), format!("{}: {reason}", player.id()));
        }
        let mut orders = steps().filter_map(|step| order_of(step, name));
        if let Some(order) = orders.find(|order| !implementation.orders.contains_key(*order)) {
            let reason = format!("its implementation file has no order `{order}`, which node {name} gets");
            return verdict(format!("order.{order}"), format!("{}: {reason}", player.id()));
        }
    }
    None
}

/// Words that a node is declared with, among those that not every implementation has to have.
fn words_of(node: &NodeDecl) -> Vec<&'static str> {
    let mut words = Vec::new();
    let mut used = |word: &'static str, used: bool| words.extend(used.then_some(word));
    used("lan", !node.lan.is_empty());
    used("routes", !node.routes.is_empty());
    used("clouds", !node.tunnels.is_empty());
    for tunnel in node.all_tunnels() {
        let nhrp = &tunnel.nhrp;
        used("maps", !tunnel.maps.is_empty());
        used("discover", tunnel.nhs.iter().any(|server| server.discover));
        used("cluster", tunnel.nhs.iter().any(|server| server.cluster != 0));
        used("profile", nhrp.profile != Profile::default());
        used("redirect", nhrp.redirect.is_some());
        used("shortcut", nhrp.shortcut.is_some());
        used("answers", !nhrp.answers);
        used("multicast", nhrp.multicast.is_some());
        used("clusters", !nhrp.clusters.is_empty());
        used("fallback", nhrp.fallback.is_some());
        used("resolution_hold", nhrp.resolution_hold.is_some());
    }
    words
}

/// Capability: the router is a host on its tunnel and its networks, which asks for echoes and answers them.
const HOST: &str = "host";

/// Whether a node is one side of a `ping`.
fn pinged(step: &Step, node: &str) -> bool {
    match step {
        Step::Ping(ping) => ping.from == node || matches!(&ping.to, Station::Node(to) if to == node),
        _ => false,
    }
}

/// The order of an implementation file that a step needs of a node.
fn order_of(step: &Step, node: &str) -> Option<&'static str> {
    match step {
        Step::Route(route) if route.node == node => Some(match route.change {
            RouteChange::Add(_) => "route_add",
            RouteChange::Delete(_) => "route_delete",
        }),
        Step::Clear(clear) if clear.node == node => Some("clear"),
        Step::Renumber(renumber) if renumber.node == node => Some("renumber"),
        _ => None,
    }
}
