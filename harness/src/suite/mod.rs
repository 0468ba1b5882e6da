//! Suites: typed YAML with the place of every value.
//!
//! ```text
//! file -> spanned tree -> typed suite (names found, units given, verbs legal) -> selection -> runner
//! ```
//!
//! A file is read once, all its errors are reported together, and nothing that the checker let pass can be wrong for
//! the runner. The vocabulary is described in `suites/README.md`; `cargo lab schema` prints it for editors.

mod describe;
pub mod duration;
pub mod model;
pub mod span;
pub mod step;
pub mod value;

pub use duration::{DurationError, DurationExpr};
pub use model::{
    Binding, Case, Cidr, Cite, ClockKind, Defaults, Keyword, Level, LinkDecl, LinkEnd, NhrpDecl, NhsDecl, NodeDecl,
    Param, Params, Percent, Role, Steps, Suite, Tolerance, Topology, TunnelMode, VerdictOnFail, WorldKind,
};
pub use span::{SourceFile, Span, Spanned};
pub use step::{
    At, Count, ExecStep, ExpectEvery, ExpectNone, ExtensionContent, ExtensionSpec, Fix, GreFields, GreKey, GroupStep,
    ImpairStep, MeasureStep, Msg, Mutation, PacketExpectation, PacketPattern, Place, ReadyStep, SendContent, SendStep,
    StateCheck, StateStep, Step, WaitStep, flatten,
};
pub use value::{FieldMatch, FieldValue, Matcher, Row, Value};
