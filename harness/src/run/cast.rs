//! Who plays which node of a case: from the words of `bind:` and the names on the command line to implementations.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::subject::{Implementation, Subject};
use crate::suite::{Binding, Diagnostic, Suite, Topology, WorldKind};
use crate::verdict::ImplRef;

/// Who plays what in one case.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Who is judged: what plays the nodes with `bind: subject`. A case that has none judges the first node that is
    /// bound to an implementation by its name.
    pub subject: Subject,
    /// What plays the nodes with `bind: peer`, and hosts and observers that nobody is bound to.
    pub peer: Subject,
    /// What plays each node that is not scripted.
    players: BTreeMap<String, Subject>,
    /// Whether a node has `bind: subject`.
    asks_subject: bool,
    /// Whether the nodes have played already, in a capture.
    recorded: bool,
}

impl Cast {
    /// Gives every node of a topology its player. `reference` is the built-in peer, whatever the peer of this run is:
    /// the suites were proved with it.
    ///
    /// # Errors
    /// A binding to an implementation that there is not.
    pub fn new(
        topology: &Topology,
        subject: &Subject,
        peer: &Subject,
        implementations: &[Arc<Implementation>],
    ) -> Result<Self, Box<Diagnostic>> {
        let mut players = BTreeMap::new();
        let (mut asks_subject, mut by_name, mut recorded) = (false, None, false);
        for (name, node) in topology.nodes.iter().filter(|(_, node)| !node.scripted) {
            let player = match &node.bind {
                Some(Binding::Subject) => {
                    asks_subject = true;
                    subject.clone()
                }
                Some(Binding::Peer) | None => peer.clone(),
                Some(Binding::Reference) => Subject::BuiltIn,
                Some(Binding::Capture) => {
                    recorded = true;
                    continue;
                }
                Some(Binding::Impl(word)) => {
                    let player = Subject::named(word, implementations).map_err(|error| {
                        let label = "no implementation of suites/impls";
                        Diagnostic::new("suite::binding", &word.span, error.problem, label).with_help(error.help)
                    })?;
                    by_name.get_or_insert_with(|| player.clone());
                    player
                }
            };
            players.insert(name.clone(), player);
        }
        let subject = if asks_subject { subject.clone() } else { by_name.unwrap_or_else(|| subject.clone()) };
        Ok(Self { subject, peer: peer.clone(), players, asks_subject, recorded })
    }

    /// What plays a node; `None` if the case itself does.
    pub fn player(&self, node: &str) -> Option<&Subject> {
        self.players.get(node)
    }

    /// Nodes and what plays them, by the name of the node.
    pub fn players(&self) -> impl Iterator<Item = (&str, &Subject)> {
        self.players.iter().map(|(node, player)| (node.as_str(), player))
    }

    /// The routers that play, each once however many nodes it plays.
    pub fn routers(&self) -> Vec<&Subject> {
        let mut routers: Vec<&Subject> = Vec::new();
        for player in self.players.values().filter(|player| matches!(player, Subject::Router(..))) {
            if !routers.contains(&player) {
                routers.push(player);
            }
        }
        routers
    }

    /// Where this can be played: among real routers if any node is one, and only once more if it is recorded.
    pub fn world(&self) -> WorldKind {
        match self.recorded {
            true => WorldKind::Replay,
            false if self.routers().is_empty() => WorldKind::Sim,
            false => WorldKind::Real,
        }
    }

    /// Who is judged. Who is in a capture is told by its sidecar, and is none of those that can be named here.
    pub fn judged(&self) -> ImplRef {
        if self.recorded {
            return ImplRef::new(Binding::Capture.to_string(), "");
        }
        ImplRef::new(self.subject.name(), self.subject.version())
    }

    /// Whether who is judged depends on `--subject`.
    pub fn asks_subject(&self) -> bool {
        self.asks_subject
    }

    /// Who the subject is judged against: all other players, or the script of the case where there is none.
    pub fn opponent(&self, topology: &Topology) -> ImplRef {
        let judged = |node: &str| match topology.nodes.get(node).and_then(|node| node.bind.as_ref()) {
            Some(Binding::Subject) => true,
            Some(Binding::Impl(_)) => !self.asks_subject && self.players.get(node) == Some(&self.subject),
            _ => false,
        };
        let mut others: Vec<ImplRef> = Vec::new();
        for (_, player) in self.players().filter(|(node, _)| !judged(node)) {
            let other = ImplRef::new(player.name(), player.version());
            if !others.contains(&other) {
                others.push(other);
            }
        }
        match others.as_slice() {
            [] if self.recorded => self.judged(),
            [] => ImplRef::new("scripted", ""),
            [one] => one.clone(),
            several => ImplRef::new(several.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "), ""),
        }
    }
}

/// Bindings to implementations that there are not, or to routers in a case that is not for routers, each said once.
pub fn mistakes(suites: &[Suite], implementations: &[Arc<Implementation>]) -> Vec<Diagnostic> {
    let mut mistakes: Vec<Diagnostic> = Vec::new();
    for suite in suites {
        for case in &suite.cases {
            let topology = suite.topology_of(case);
            let mistake = match Cast::new(topology, &Subject::BuiltIn, &Subject::BuiltIn, implementations) {
                Err(mistake) => Some(*mistake),
                Ok(cast) if cast.world() == WorldKind::Real => (!suite.worlds_of(case).contains(&WorldKind::Real))
                    .then(|| {
                        let what = format!("`{}` is played by a router and is not for world real", case.id);
                        let help = "put `real` into `worlds`, or bind the node to `subject` or `peer`";
                        Diagnostic::new("suite::world", &case.span, what, "can run nowhere").with_help(help)
                    }),
                Ok(_) => None,
            };
            mistakes.extend(mistake.filter(|mistake| !mistakes.contains(mistake)));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::run::plan::{Plan, Wanted, plan};
    use crate::suite::{ClockKind, load_str, select};

    fn known() -> Vec<Arc<Implementation>> {
        crate::subject::find_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/impls")).unwrap()
    }

    fn suite(hub: &str, spoke: &str) -> Suite {
        let text = format!(
            "schema: 1
suite: own
title: Own
worlds: [sim, real]
topology:
  nodes:
    hub: {{ role: hub, {hub}, nbma: 192.0.2.1, tunnel: 10.0.0.1/24 }}
    spoke: {{ role: spoke, {spoke}, nbma: 192.0.2.2, tunnel: 10.0.0.2/24, nhs: [{{ node: hub }}] }}
  links: [{{ name: wan, ends: [hub:nbma, spoke:nbma], capture: true }}]
cases:
  - id: case
    title: A case.
    cites: [{{ spec: project, section: harness, level: goal }}]
    steps:
      - expect: {{ msg: nhrp.registration_reply }}
"
        );
        load_str(&PathBuf::from("suites/own.yaml"), &text).unwrap()
    }

    /// Plans the case for these subjects against this peer.
    fn planned<'s>(suites: &'s [Suite], subjects: &[&str], peer: &str, worlds: &[WorldKind]) -> Plan<'s> {
        let known = known();
        let named = |name: &&str| Subject::named(name, &known).unwrap();
        let subjects: Vec<_> = subjects.iter().map(named).collect();
        let peer = named(&peer);
        let wanted = Wanted {
            subjects: &subjects,
            peer: &peer,
            implementations: &known,
            worlds,
            captures: &crate::place::Captures::default(),
            clock: ClockKind::Real,
            long: false,
        };
        plan(&select(suites, &[]).unwrap(), wanted).unwrap()
    }

    const BOTH: &[WorldKind] = &[WorldKind::Sim, WorldKind::Real];

    #[test]
    fn one_router_makes_the_world_real() {
        let suites = [suite("bind: subject", "bind: peer")];
        for (subject, peer, world) in [
            ("peer", "peer", WorldKind::Sim),
            ("frr:10.3", "peer", WorldKind::Real),
            ("peer", "frr:8.4.4", WorldKind::Real),
            ("frr:10.3", "frr:8.4.4", WorldKind::Real),
        ] {
            let plan = planned(&suites, &[subject], peer, BOTH);
            let [cell] = plan.cells.as_slice() else { panic!("{plan:?}") };
            assert_eq!((cell.world, cell.cast.world()), (world, world), "{subject} against {peer}");
            assert_eq!(cell.cast.player("hub").map(Subject::id).as_deref(), Some(subject));
            assert_eq!(cell.cast.player("spoke").map(Subject::id).as_deref(), Some(peer));
            let opponent = cell.cast.opponent(&suites[0].topology);
            assert!(peer.starts_with(&opponent.name), "{opponent}");
        }
        // Who asks for no router gets none.
        let plan = planned(&suites, &["peer"], "frr", &[WorldKind::Sim]);
        assert!(plan.cells.is_empty() && plan.elsewhere[0].1.contains("frr:10.3 plays spoke"), "{plan:?}");
    }

    #[test]
    fn a_script_is_the_opponent_where_nobody_else_plays() {
        let suites = [suite("bind: subject", "scripted: true")];
        let plan = planned(&suites, &["peer"], "frr:10.3", BOTH);
        assert_eq!(plan.cells[0].world, WorldKind::Sim);
        assert_eq!(plan.cells[0].cast.opponent(&suites[0].topology).to_string(), "scripted");
        assert!(plan.cells[0].cast.player("spoke").is_none());
    }

    #[test]
    fn bindings_by_name_leave_no_choice() {
        let suites = [suite("bind: frr:10.3", "bind: frr:8.4.4")];
        let plan = planned(&suites, &["peer", "frr:10.3"], "peer", BOTH);
        let [cell] = plan.cells.as_slice() else { panic!("once, whoever is asked for: {plan:?}") };
        assert_eq!(cell.cast.subject.id(), "frr:10.3");
        assert_eq!(cell.cast.opponent(&suites[0].topology).to_string(), "frr 8.4.4");

        let suites = [suite("bind: subject", "bind: frr:8.4.4")];
        let plan = planned(&suites, &["frr:10.3"], "peer", BOTH);
        let players: Vec<String> = plan.cells[0].cast.players().map(|(_, player)| player.id()).collect();
        assert_eq!(players, ["frr:10.3", "frr:8.4.4"]);
        // The built-in peer proved the suites.
        let suites = [suite("bind: subject", "bind: reference")];
        let plan = planned(&suites, &["peer"], "frr:10.3", BOTH);
        assert_eq!(plan.cells[0].world, WorldKind::Sim);
    }

    #[test]
    fn what_a_peer_lacks_is_not_tried() {
        let mut suites = [suite("bind: subject", "bind: peer")];
        suites[0].needs = vec!["nhrp.auth.cisco".to_owned()];
        let known = |peer| {
            let plan = planned(&suites, &["peer"], peer, BOTH);
            plan.cells[0].known.as_ref().map(|verdict| verdict.reason.clone())
        };
        assert_eq!(known("frr:10.3"), None);
        assert!(known("frr:8.4.4").is_some_and(|reason| reason.starts_with("frr:8.4.4: ")));
    }

    #[test]
    fn what_is_destructive_comes_last_and_alone() {
        let mut suites = [suite("bind: subject", "bind: peer")];
        let mut case = suites[0].cases[0].clone();
        for (id, tag) in [("kills", "destructive"), ("kills-too", "destructive"), ("lives", "other")] {
            case.id = id.to_owned();
            case.tags = vec![tag.to_owned()];
            suites[0].cases.push(case.clone());
        }
        let plan = planned(&suites, &["frr:8.4.4", "frr:10.3"], "peer", BOTH);
        let order: Vec<String> =
            plan.cells.iter().map(|cell| format!("{} {}", cell.case.id, cell.cast.subject.version())).collect();
        let wanted = [
            "case 8.4.4",
            "lives 8.4.4",
            "case 10.3",
            "lives 10.3",
            "kills 8.4.4",
            "kills-too 8.4.4",
            "kills 10.3",
            "kills-too 10.3",
        ];
        assert_eq!(order, wanted);
        assert_eq!(plan.cells[0].lab_key(), plan.cells[1].lab_key(), "ordinary cases share routers");
        assert_ne!(plan.cells[4].lab_key(), plan.cells[5].lab_key(), "destructive ones do not");
    }

    #[test]
    fn names_that_nobody_bears() {
        let suites = [suite("bind: subject", "bind: fr:10.3"), suite("bind: subject", "bind: frr:10.4")];
        let mistakes = mistakes(&suites, &known());
        assert_eq!(mistakes.len(), 2);
        assert_eq!(mistakes[0].span.text(), "fr:10.3");
        assert_eq!(mistakes[0].span.to_string(), "suites/own.yaml:8:33");
        let help = |at: usize| mistakes[at].help.as_deref().unwrap();
        assert_eq!(help(0), "did you mean `frr:10.3`?");
        assert_eq!(mistakes[1].message, "`frr` has no version `10.4`");
        let nobody = |name: &str| Subject::named(name, &known()).unwrap_err();
        assert!(nobody("cisco").help.contains("`peer`") && nobody("cisco").help.contains("`frr:8.4.4`"));
        assert!(nobody("peer:2").problem.contains("no versions"));
    }
}
