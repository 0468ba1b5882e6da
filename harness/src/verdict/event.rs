//! What happens in a run, as it happens: the lines of `--format jsonl`, and the input of every live display.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaseResult, Counts, StepRef, model::full_name};

/// The version of the JSON forms of results and events. It grows when a reader written for the previous one could
/// misunderstand; new optional fields do not count.
pub const SCHEMA: u32 = 1;

/// One line of the event stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The selection is made and the run begins.
    RunStart {
        /// [`SCHEMA`].
        schema: u32,
        /// The version of the harness.
        harness_version: String,
        /// The command as it was typed.
        command: Vec<String>,
        /// When, in UTC.
        began: String,
        /// The seed of the run.
        seed: u64,
        /// How many cases, every variant counted.
        cases: usize,
    },
    /// Something takes time outside any case: building an image, booting a node.
    Phase {
        /// One word of at most twelve letters, such as `Building`.
        verb: String,
        /// What it is done to.
        what: String,
    },
    /// A case begins.
    CaseStart {
        /// The full id.
        id: String,
        /// The matrix cell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
    },
    /// A step of a case begins.
    Step {
        /// The case's id.
        id: String,
        /// The matrix cell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
        /// Nanoseconds on the case's clock.
        at_ns: u64,
        /// The number of the step, from 1.
        number: usize,
        /// Where it is written, and what it says.
        step: StepRef,
    },
    /// A packet was seen.
    Packet {
        /// The case's id.
        id: String,
        /// The matrix cell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        variant: Option<String>,
        /// Nanoseconds on the case's clock.
        at_ns: u64,
        /// The link it was seen on.
        link: String,
        /// The sending node, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// The receiving node, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// Its number in the capture of that link, from 1 as Wireshark counts.
        number: u64,
        /// The packet in one line.
        summary: String,
    },
    /// A case is judged.
    Verdict {
        /// Everything about it.
        case: Box<CaseResult>,
    },
    /// The run is over.
    RunEnd {
        /// How many cases came to what.
        counts: Counts,
        /// The code the process is about to end with.
        exit_code: u8,
        /// The last line of the human report.
        summary: String,
    },
}

impl Event {
    /// The name of the case that the event belongs to, with its variant.
    pub fn case_name(&self) -> Option<String> {
        match self {
            Event::CaseStart { id, variant } | Event::Step { id, variant, .. } | Event::Packet { id, variant, .. } => {
                Some(full_name(id, variant.as_deref()))
            }
            Event::Verdict { case } => Some(case.name()),
            Event::RunStart { .. } | Event::Phase { .. } | Event::RunEnd { .. } => None,
        }
    }
}
