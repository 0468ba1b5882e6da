//! Suites: typed YAML with the place of every value.
//!
//! ```text
//! file -> spanned tree -> typed suite (names found, units given, verbs legal) -> selection -> runner
//! ```
//!
//! A file is read once, all its errors are reported together, and nothing that the loader let pass can be wrong for the
//! runner. `cargo lab schema` prints the vocabulary for editors, from the same tables by which the loader reads.

mod describe;
pub mod diagnostic;
pub mod duration;
mod load;
pub mod model;
mod schema;
pub mod select;
pub mod span;
pub mod step;
mod tree;
pub mod value;
pub mod views;
mod vocabulary;

pub use diagnostic::Diagnostic;
pub use duration::{DurationError, DurationExpr};
pub use load::{load_file, load_str, load_tree};
pub use model::{
    Binding, Case, Cidr, Cite, ClockKind, Defaults, Keyword, Level, LinkDecl, LinkEnd, NhrpDecl, NhsDecl, NodeDecl,
    Param, Params, Percent, Role, Steps, Suite, Tolerance, Topology, TunnelMode, VerdictOnFail, WorldKind,
};
pub use schema::schema;
pub use select::{Filter, Pick, SelectError, Selection, select, select_by};
pub use span::{SourceFile, Span, Spanned};
pub use step::{
    At, Count, ExecStep, ExpectEvery, ExpectNone, ExtensionContent, ExtensionSpec, Fix, GreFields, GreKey, GroupStep,
    ImpairStep, MeasureStep, Msg, Mutation, PacketExpectation, PacketPattern, Place, ReadyStep, SendContent, SendStep,
    StateCheck, StateStep, Step, WaitStep, flatten,
};
pub use value::{FieldMatch, FieldValue, Matcher, Row, Value};
