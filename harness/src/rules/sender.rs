//! Who sent a packet of a run's evidence, so that nobody is judged for what a case has put into its mouth.
//!
//! Evidence says it in two places: `cast.json` beside a case's captures says who plays which node (a capture that the project
//! keeps has a sidecar instead), and the comment of each packet which node sent it (`spoke -> hub`, and behind a colon
//! what became of it).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr};
use serde::{Deserialize, Serialize};

use crate::capture::CapturedPacket;
use crate::evidence::CAST;
use crate::world::link::Fate;

/// What it says of a node that the case itself plays.
pub const SCRIPTED: &str = "scripted";

/// Who sent a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// Nobody says; it is judged.
    #[default]
    Unknown,
    /// A node that an implementation plays.
    Player {
        /// The node.
        node: String,
        /// The implementation, `peer` for the built-in one.
        implementation: String,
        /// Its version.
        version: String,
    },
    /// The case, which may break any rule on purpose, or a link that has flipped a bit.
    Script,
}

/// What a sidecar of `captures/` says that matters here.
#[derive(Deserialize)]
struct Sidecar {
    nodes: BTreeMap<String, String>,
    keys: Option<String>,
}

/// What lies beside a capture.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Who plays which node, if anything says so.
    pub(super) cast: Option<Cast>,
    /// Keys that open it.
    pub(super) keys: Option<PathBuf>,
}

impl Beside {
    /// Reads what lies beside a capture: the cast of its case, or the `nodes` and `keys` of its sidecar.
    ///
    /// # Errors
    /// A folder of a case (there is a `verdict.json`) that does not say who plays.
    pub(super) fn of(capture: &Path) -> miette::Result<Self> {
        let Some(folder) = capture.parent() else { return Ok(Self::default()) };
        let cast = folder.join(CAST);
        if cast.is_file() || folder.join("verdict.json").is_file() {
            return Ok(Self { cast: Some(Cast::of_case(&cast)?), keys: None });
        }
        let sidecar = std::fs::read_to_string(capture.with_extension("yaml")).ok();
        let Some(sidecar) = sidecar.and_then(|text| serde_yaml::from_str::<Sidecar>(&text).ok()) else {
            return Ok(Self::default());
        };
        let keys = sidecar.keys.filter(|keys| keys != "none").map(|keys| folder.join(keys));
        Ok(Self { cast: Some(Cast::of_nodes(sidecar.nodes)), keys })
    }
}

/// Who plays which node of a case.
#[derive(Clone, Debug, Default)]
pub struct Cast(BTreeMap<String, String>);

impl Cast {
    /// The cast of a case, in its folder of evidence.
    fn of_case(path: &Path) -> miette::Result<Self> {
        let text = std::fs::read_to_string(path).into_diagnostic().wrap_err_with(|| {
            format!("{} is needed to know whose packets are judged; run the case again to get one", path.display())
        })?;
        let nodes = serde_json::from_str(&text)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} does not say who plays which node", path.display()))?;
        Ok(Self(nodes))
    }

    /// The `nodes` of a sidecar, as in `hub: hub, frr 10.3` and `spoke: spoke, scripted by the case`.
    fn of_nodes(nodes: BTreeMap<String, String>) -> Self {
        let player = |text: &str| {
            let player = text.split_once(", ").map_or(text, |(_, player)| player);
            match player {
                "the built-in peer" => "peer".to_owned(),
                scripted if scripted.starts_with(SCRIPTED) => SCRIPTED.to_owned(),
                player => player.to_owned(),
            }
        };
        Self(nodes.into_iter().map(|(node, text)| (node, player(&text))).collect())
    }

    /// Who plays which node: `scripted`, or name and version.
    pub fn new(nodes: BTreeMap<String, String>) -> Self {
        Self(nodes)
    }

    /// Who sent a packet, by its comment.
    pub fn sender(&self, packet: &CapturedPacket) -> Sender {
        let comment = packet.comment.as_deref().unwrap_or_default();
        let Some((node, rest)) = comment.split_once(" -> ") else { return Sender::Unknown };
        let fate = rest.split_once(": ").map(|(_, fate)| fate);
        if fate == Some(&Fate::Corrupted.to_string()) {
            return Sender::Script;
        }
        match self.0.get(node).map(String::as_str) {
            // What is not in the cast is not a node of the case: it is the case that sends under that name.
            None | Some(SCRIPTED) => Sender::Script,
            Some(player) => {
                let (implementation, version) = player.split_once(' ').unwrap_or((player, ""));
                Sender::Player {
                    node: node.to_owned(),
                    implementation: implementation.to_owned(),
                    version: version.to_owned(),
                }
            }
        }
    }
}
