//! Literals and matchers: what a field is set to, and what it is held against.

use std::fmt;
use std::net::IpAddr;

use super::duration::DurationExpr;
use super::span::Span;
use super::topology::Cidr;

/// A value for a field of a packet or of a state view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number; also flags (0 and 1).
    Int(u64),
    /// Yes or no, in state views.
    Bool(bool),
    /// An address.
    Addr(IpAddr),
    /// An address with a prefix length, in state views.
    Prefix(Cidr),
    /// Octets.
    Hex(Vec<u8>),
    /// A word.
    Text(String),
    /// A length of time, to be resolved with the case's parameters.
    Duration(DurationExpr),
    /// A value that `{ bind: name }` kept earlier.
    Var(String),
    /// What another field of the same packet holds.
    Field(FieldRef),
}

/// Another field, and a number that is added to what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRef {
    /// Its path. In rules about two packets it may begin with the word for the other packet.
    pub path: String,
    /// What is added to it.
    pub plus: i64,
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match self.plus {
            0 => Ok(()),
            plus if plus > 0 => write!(f, " + {plus}"),
            minus => write!(f, " - {}", minus.unsigned_abs()),
        }
    }
}

/// What a field must be. At the top level `$name` is [`Matcher::Var`] and never `Literal(Value::Var)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// Equal.
    Literal(Value),
    /// There, whatever it holds. (`any` and `present` are the same for a field that its layer always has.)
    Any,
    /// There.
    Present,
    /// Not there.
    Absent,
    /// At least.
    Ge(Value),
    /// More.
    Gt(Value),
    /// At most.
    Le(Value),
    /// Less.
    Lt(Value),
    /// Both ends included.
    Between(Value, Value),
    /// Equal to one of them.
    OneOf(Vec<Value>),
    /// Anything but.
    Not(Box<Matcher>),
    /// `field & mask == is`.
    Mask {
        /// Bits looked at.
        mask: u64,
        /// What they must be.
        is: u64,
    },
    /// So many octets, or so many elements of a list.
    Len(u64),
    /// These octets.
    Hex(Vec<u8>),
    /// Anything; later steps know it as `$name`.
    Bind(String),
    /// Equal to what was bound.
    Var(String),
    /// Each of these groups is met by a different element of the list; others may be there.
    Contains(Vec<Row>),
    /// As many elements as groups, in the same order.
    Exactly(Vec<Row>),
    /// Every element of the list meets this group; a list that is empty or not there does.
    Every(Row),
    /// Contains this text (`exec` only).
    Text(String),
}

/// A group of fields that one element (a CIE, a line of a state view) has to meet.
pub type Row = Vec<FieldMatch>;

/// One field and its matcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMatch {
    /// Path of the field; within a [`Row`] of a list it is relative to the element.
    pub path: String,
    /// What it must be.
    pub matcher: Matcher,
    /// Where the field is named.
    pub span: Span,
}

/// One field and the value to give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue {
    /// Path of the field; within a CIE it is relative to it.
    pub path: String,
    /// What to set.
    pub value: Value,
    /// Where the field is named.
    pub span: Span,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(value) => value.fmt(f),
            Value::Bool(value) => value.fmt(f),
            Value::Addr(value) => value.fmt(f),
            Value::Prefix(value) => value.fmt(f),
            Value::Hex(octets) => write_hex(f, octets),
            Value::Text(value) => value.fmt(f),
            Value::Duration(value) => value.fmt(f),
            Value::Var(name) => write!(f, "${name}"),
            Value::Field(other) => other.fmt(f),
        }
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    if octets.is_empty() {
        return f.write_str("no octets");
    }
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

/// Reads as what follows the field's name: `is 5`, `is at least 5`, `is not there`.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matcher::Literal(value) => write!(f, "is {value}"),
            Matcher::Any => f.write_str("is anything"),
            Matcher::Present => f.write_str("is there"),
            Matcher::Absent => f.write_str("is not there"),
            Matcher::Ge(value) => write!(f, "is at least {value}"),
            Matcher::Gt(value) => write!(f, "is more than {value}"),
            Matcher::Le(value) => write!(f, "is at most {value}"),
            Matcher::Lt(value) => write!(f, "is less than {value}"),
            Matcher::Between(low, high) => write!(f, "is between {low} and {high}"),
            Matcher::OneOf(values) => {
                f.write_str("is one of ")?;
                write_list(f, values, ", ")
            }
            Matcher::Not(inner) => write!(f, "not: {inner}"),
            Matcher::Mask { mask, is } => write!(f, "masked with {mask:#x} is {is:#x}"),
            Matcher::Len(count) => write!(f, "has length {count}"),
            Matcher::Hex(octets) => {
                f.write_str("is the octets ")?;
                write_hex(f, octets)
            }
            Matcher::Bind(name) => write!(f, "is kept as ${name}"),
            Matcher::Var(name) => write!(f, "is ${name}"),
            Matcher::Contains(rows) => {
                f.write_str("contains ")?;
                write_rows(f, rows)
            }
            Matcher::Exactly(rows) => {
                f.write_str("is exactly ")?;
                write_rows(f, rows)
            }
            Matcher::Every(row) => {
                f.write_str("has only elements where ")?;
                write_list(f, row, ", ")
            }
            Matcher::Text(text) => write!(f, "contains {text:?}"),
        }
    }
}

impl fmt::Display for FieldMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.matcher)
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.path, self.value)
    }
}

/// Elements with a separator between them.
pub(crate) fn write_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T], separator: &str) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

/// `[code is 0, prefix_len is 255] and [...]`, or `nothing` for an empty list.
pub(crate) fn write_rows(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    if rows.is_empty() {
        return f.write_str("nothing");
    }
    for (index, row) in rows.iter().enumerate() {
        f.write_str(if index > 0 { " and [" } else { "[" })?;
        write_list(f, row, ", ")?;
        f.write_str("]")?;
    }
    Ok(())
}
