//! Suites: typed YAML with the place of every value.
//!
//! ```text
//! file -> spanned tree -> typed suite (names found, units given, verbs legal) -> selection -> runner
//! ```
//!
//! A file is read once, all its errors are reported together, and nothing that the loader let pass can be wrong for the
//! runner. `cargo lab schema` prints the vocabulary for editors, from the same tables by which the loader reads.

mod alone;
mod describe;
pub mod diagnostic;
pub mod duration;
mod load;
pub mod model;
pub mod packet;
pub mod partition;
pub mod rule;
mod schema;
pub mod select;
pub mod span;
pub mod step;
pub mod topology;
mod tree;
pub mod value;
pub mod views;
mod vocabulary;

pub use alone::alone;
pub use diagnostic::Diagnostic;
pub use duration::{DurationError, DurationExpr};
pub use load::{load_file, load_rules, load_str, load_tree};
pub use model::{
    Case, Cite, ClockKind, Defaults, Keyword, Level, Param, Params, Steps, Suite, Tolerance, VerdictOnFail, WorldKind,
};
pub use packet::{
    At, Count, ExpectEvery, ExpectNone, ExtensionContent, ExtensionSpec, Fix, GreChecksum, GreFields, GreKey, IpFields,
    Msg, Mutation, PacketExpectation, PacketPattern, Place, SendContent, SendStep,
};
pub use schema::{rules_schema, schema};
pub use select::{Filter, Pick, SelectError, Selection, select, select_by};
pub use span::{SourceFile, Span, Spanned};
pub use step::{
    ClearStep, ExecStep, FeedException, FeedStep, GroupStep, ImpairStep, MeasureStep, PingStep, ReadyStep,
    RenumberStep, RouteChange, RouteStep, StateCheck, StateStep, Step, WaitStep, flatten,
};
pub use topology::{
    Binding, CaptureDecl, Cidr, ClusterDecl, IpsecDecl, LinkDecl, LinkEnd, MapDecl, MulticastDecl, NhrpDecl, NhsDecl,
    NodeDecl, Percent, Profile, Role, RouteDecl, Shelf, Station, Topology, TunnelDecl, TunnelMode,
};
pub use value::{FieldMatch, FieldRef, FieldValue, Matcher, Row, Value};
