//! Durations as suites write them: `20s`, `500ms`, `$hold`, `$hold/3 + 1s`.
//!
//! A unit is mandatory, because a bare `60` has been read as seconds by one author and as milliseconds by another in
//! every test language that allowed it. Arithmetic stops where a reader would have to calculate: whole-number factors of
//! a parameter, and sums.
//!
//! ```text
//! expression = term { ("+" | "-") term }
//! term       = (literal | "$" name) { ("*" | "/") whole number }
//! literal    = digits ["." digits] unit           unit = us | ms | s | m | h | d
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::model::{Param, Params};

/// A length of time, possibly in terms of the suite's parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct DurationExpr {
    text: String,
    terms: Vec<Term>,
}

/// One summand.
#[derive(Clone, PartialEq, Eq)]
struct Term {
    minus: bool,
    base: Base,
    factors: Vec<(Operator, u32)>,
}

#[derive(Clone, PartialEq, Eq)]
enum Base {
    Literal(Duration),
    Param(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Times,
    Divide,
}

/// Why a text is no duration, or why one has no value with given parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number without a unit.
    #[error("the unit is missing")]
    NoUnit {
        /// What was probably meant, with seconds as the unit.
        suggestion: String,
    },
    /// Not of the grammar at all.
    #[error("`{0}` is not a duration")]
    Syntax(String),
    /// A parameter that is not declared.
    #[error("there is no parameter `{0}`")]
    UnknownParam(String),
    /// A parameter of another type.
    #[error("the parameter `{0}` is not a duration")]
    NotADuration(String),
    /// The value would lie before zero.
    #[error("the result is negative")]
    Negative,
    /// Longer than can be counted in nanoseconds (584 years), or a division by zero.
    #[error("the result can not be represented")]
    OutOfRange,
}

impl DurationExpr {
    /// A fixed length of time.
    pub fn literal(value: Duration) -> Self {
        let terms = vec![Term { minus: false, base: Base::Literal(value), factors: Vec::new() }];
        Self { text: show(value), terms }
    }

    /// Reads an expression. Parameters are looked up later, by [`DurationExpr::resolve`].
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let text = text.trim();
        let syntax = || DurationError::Syntax(text.to_owned());
        let mut terms = Vec::new();
        let mut minus = false;
        let mut rest = text;
        loop {
            let end = rest.find(['+', '-']).unwrap_or(rest.len());
            terms.push(parse_term(rest[..end].trim(), minus).map_err(|error| error.unwrap_or_else(syntax))?);
            let Some(sign) = rest[end..].chars().next() else { break };
            minus = sign == '-';
            rest = &rest[end + 1..];
        }
        Ok(Self { text: text.to_owned(), terms })
    }

    /// The value with these parameters.
    pub fn resolve(&self, params: &Params) -> Result<Duration, DurationError> {
        let mut total: i128 = 0;
        for term in &self.terms {
            let base = match &term.base {
                Base::Literal(value) => *value,
                Base::Param(name) => match params.get(name) {
                    Some(Param::Duration(value)) => *value,
                    Some(_) => return Err(DurationError::NotADuration(name.clone())),
                    None => return Err(DurationError::UnknownParam(name.clone())),
                },
            };
            let mut nanos = i128::try_from(base.as_nanos()).map_err(|_| DurationError::OutOfRange)?;
            for (operator, factor) in &term.factors {
                let factor = i128::from(*factor);
                let result = match operator {
                    Operator::Times => nanos.checked_mul(factor),
                    Operator::Divide => nanos.checked_div(factor),
                };
                nanos = result.ok_or(DurationError::OutOfRange)?;
            }
            let sum = if term.minus { total.checked_sub(nanos) } else { total.checked_add(nanos) };
            total = sum.ok_or(DurationError::OutOfRange)?;
        }
        if total < 0 {
            return Err(DurationError::Negative);
        }
        u64::try_from(total).map(Duration::from_nanos).map_err(|_| DurationError::OutOfRange)
    }

    /// The names of the parameters that the expression uses.
    pub fn params(&self) -> BTreeSet<&str> {
        let names = self.terms.iter().filter_map(|term| match &term.base {
            Base::Param(name) => Some(name.as_str()),
            Base::Literal(_) => None,
        });
        names.collect()
    }

    /// The name, if the expression is nothing but `$name`. Such a text may as well stand for a bound value.
    pub fn as_single_name(&self) -> Option<&str> {
        match self.terms.as_slice() {
            [Term { minus: false, base: Base::Param(name), factors }] if factors.is_empty() => Some(name),
            _ => None,
        }
    }
}

/// The error is `None` for a plain syntax error: only the caller knows the whole text.
fn parse_term(text: &str, minus: bool) -> Result<Term, Option<DurationError>> {
    let mut pieces = text.split_inclusive(['*', '/']);
    let first = pieces.next().unwrap_or_default();
    let (head, mut operator) = split_operator(first);
    let base = match head.strip_prefix('$') {
        Some(name) if is_name(name) => Base::Param(name.to_owned()),
        Some(_) => return Err(None),
        None => Base::Literal(parse_literal(head)?),
    };
    let mut factors = Vec::new();
    for piece in pieces {
        let (number, next) = split_operator(piece);
        let factor = number.parse().map_err(|_| None)?;
        factors.push((operator.ok_or(None)?, factor));
        operator = next;
    }
    // `$hold/` ends in an operator with nothing to apply.
    if operator.is_some() { Err(None) } else { Ok(Term { minus, base, factors }) }
}

/// Takes the operator off the end of a piece.
fn split_operator(piece: &str) -> (&str, Option<Operator>) {
    if let Some(head) = piece.strip_suffix('*') {
        (head.trim(), Some(Operator::Times))
    } else if let Some(head) = piece.strip_suffix('/') {
        (head.trim(), Some(Operator::Divide))
    } else {
        (piece.trim(), None)
    }
}

fn parse_literal(text: &str) -> Result<Duration, Option<DurationError>> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return Err(None);
    }
    let per_unit: u64 = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "d" => 86_400 * 1_000_000_000,
        "" => return Err(Some(DurationError::NoUnit { suggestion: format!("{number}s") })),
        _ => return Err(None),
    };
    let too_long = || Some(DurationError::OutOfRange);
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    // Nine digits are nanoseconds of a second; what lies behind them can not be kept.
    let digits = fraction.get(..9).unwrap_or(fraction);
    let scale = 10u64.pow(u32::try_from(digits.len()).unwrap_or(9));
    let part: u64 = digits.parse().map_err(|_| None)?;
    let part = u128::from(part) * u128::from(per_unit) / u128::from(scale);
    let nanos = u128::from(whole) * u128::from(per_unit) + part;
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| too_long())
}

/// A name of a parameter, mark or bound value: a letter, then letters, digits and `_`. No hyphen: in an expression it is
/// a minus sign.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A duration in the suites' own notation, in the largest unit that divides it.
pub fn show(value: Duration) -> String {
    let nanos = value.as_nanos();
    let units = [("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)];
    let small = [("ms", 1_000_000), ("us", 1_000)];
    if nanos == 0 {
        return "0s".to_owned();
    }
    for (unit, size) in units.into_iter().chain(small) {
        // 7200 s are 2h, but 90 s stay 90s and 60 s stay 60s: seconds are the protocol's unit.
        let readable = size <= 1_000_000_000 || nanos >= 2 * size;
        if nanos.is_multiple_of(size) && readable {
            return format!("{}{unit}", nanos / size);
        }
    }
    format!("{}us", nanos / 1_000)
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<Duration, DurationError> {
        let params = Params::from([
            ("hold".to_owned(), Param::Duration(Duration::from_secs(60))),
            ("tries".to_owned(), Param::Int(3)),
        ]);
        DurationExpr::parse(text)?.resolve(&params)
    }

    #[test]
    fn expressions_have_their_value() {
        for (text, millis) in [
            ("20s", 20_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("25d", 2_160_000_000),
            ("1.5s", 1_500),
            ("0s", 0),
            ("$hold", 60_000),
            ("$hold/3", 20_000),
            ("$hold*2", 120_000),
            (" $hold / 3 + 1s ", 21_000),
            ("$hold*2/3", 40_000),
            ("$hold - 100ms", 59_900),
            ("1s + $hold - $hold", 1_000),
        ] {
            assert_eq!(value(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        assert_eq!(value("60"), Err(DurationError::NoUnit { suggestion: "60s".to_owned() }));
        assert_eq!(value("1s + 2"), Err(DurationError::NoUnit { suggestion: "2s".to_owned() }));
        assert_eq!(value("$hodl"), Err(DurationError::UnknownParam("hodl".to_owned())));
        assert_eq!(value("$tries"), Err(DurationError::NotADuration("tries".to_owned())));
        assert_eq!(value("1s - $hold"), Err(DurationError::Negative));
        assert_eq!(value("$hold/0"), Err(DurationError::OutOfRange));
        assert_eq!(value("300000d"), Err(DurationError::OutOfRange));
        assert_eq!(value("99999999999999999999s"), Err(DurationError::OutOfRange));
        for text in ["", "s", "1", "1.s", ".5s", "1..5s", "-1s", "+", "$", "$1", "$hold/", "$hold//3", "/3", "1s 2s"] {
            assert!(value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_shown_as_people_write_them() {
        for text in ["0s", "90s", "60s", "2m", "7201s", "2h", "25d", "59900ms", "1500us"] {
            assert_eq!(show(value(text).expect("of the grammar")), text);
        }
    }
}
