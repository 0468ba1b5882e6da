//! What a case knows by name while it runs: parameters, bound values, packets, marks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dmvpn_core::time::Instant;

use crate::dissect::FieldValue;
use crate::suite::{DurationExpr, Param, Params, Value};
use crate::world::timeline::Packet;

/// Something that a step gave a name to.
#[derive(Clone, Debug)]
pub enum Bound {
    /// A field's value (`{ bind: name }`).
    Value(FieldValue),
    /// A packet (`as: name`) with the instant at which it was seen.
    Packet(Instant, Arc<Packet>),
    /// An instant (`mark: name`).
    Mark(Instant),
}

/// Names of one case.
#[derive(Clone, Debug, Default)]
pub struct Env {
    params: Params,
    bound: BTreeMap<String, Bound>,
}

impl Env {
    /// Starts with the parameters of a case.
    pub fn new(params: Params) -> Self {
        Self { params, bound: BTreeMap::new() }
    }

    /// Gives something a name; a name can be given anew.
    pub fn bind(&mut self, name: &str, what: Bound) {
        self.bound.insert(name.to_owned(), what);
    }

    /// What a name stands for.
    pub fn bound(&self, name: &str) -> Option<&Bound> {
        self.bound.get(name)
    }

    /// The instant that a name stands for: a mark, or when a packet was seen.
    pub fn instant(&self, name: &str) -> Option<Instant> {
        match self.bound.get(name)? {
            Bound::Packet(at, _) | Bound::Mark(at) => Some(*at),
            Bound::Value(_) => None,
        }
    }

    /// The packet that a name stands for.
    pub fn packet(&self, name: &str) -> Option<&Arc<Packet>> {
        match self.bound.get(name)? {
            Bound::Packet(_, packet) => Some(packet),
            _ => None,
        }
    }

    /// A length of time with this case's parameters. The loader has resolved every expression once, so failure means
    /// that the case changed under its feet; zero then lets the step fail visibly.
    pub fn duration(&self, expr: &DurationExpr) -> Duration {
        expr.resolve(&self.params).unwrap_or_default()
    }

    /// A suite's literal as a field value, in the form that packets and views have it. `None` for a name that nothing is
    /// bound to.
    pub fn value(&self, value: &Value) -> Option<FieldValue> {
        Some(match value {
            Value::Int(number) => FieldValue::Uint(*number),
            Value::Bool(truth) => FieldValue::Uint((*truth).into()),
            Value::Addr(address) => FieldValue::Addr(*address),
            Value::Prefix(prefix) => FieldValue::Text(prefix.to_string()),
            Value::Hex(octets) => FieldValue::Bytes(octets.clone()),
            Value::Text(text) => FieldValue::Text(text.clone()),
            // Fields of packets count whole seconds.
            Value::Duration(expr) => FieldValue::Uint(self.duration(expr).as_secs()),
            Value::Var(name) => return self.variable(name),
            // Other fields are put in where the packet is at hand, before values are asked for.
            Value::Field(_) => return None,
        })
    }

    /// What `$name` stands for.
    pub fn variable(&self, name: &str) -> Option<FieldValue> {
        if let Some(Bound::Value(value)) = self.bound.get(name) {
            return Some(value.clone());
        }
        Some(match self.params.get(name)? {
            Param::Duration(length) => FieldValue::Uint(length.as_secs()),
            Param::Int(number) => FieldValue::Uint(*number),
            Param::Addr(address) => FieldValue::Addr(*address),
            Param::Text(text) => FieldValue::Text(text.clone()),
        })
    }
}
