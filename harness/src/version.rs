//! Versions of implementations and ranges of them: `>=8.0`, `<10.2`, `>=10.3, <10.6`, `8.4.4`.
//!
//! Distribution versions are not semantic versions: they are compared number by number, as far as both go.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A set of versions: all bounds have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    text: String,
    bounds: Vec<(Bound, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Ge,
    Gt,
    Le,
    Lt,
    Eq,
}

impl Range {
    /// Whether a version lies in the range.
    pub fn contains(&self, version: &str) -> bool {
        self.bounds.iter().all(|(bound, limit)| {
            let order = compare(version, limit);
            match bound {
                Bound::Ge => order.is_ge(),
                Bound::Gt => order.is_gt(),
                Bound::Le => order.is_le(),
                Bound::Lt => order.is_lt(),
                Bound::Eq => order.is_eq(),
            }
        })
    }
}

/// Number by number; a missing number is 0.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    let (left, right) = (numbers(left), numbers(right));
    let len = left.len().max(right.len());
    let at = |list: &[u64], index: usize| list.get(index).copied().unwrap_or(0);
    (0..len)
        .map(|index| at(&left, index).cmp(&at(&right, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bounds = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (bound, version) =
                [(">=", Bound::Ge), ("<=", Bound::Le), (">", Bound::Gt), ("<", Bound::Lt), ("=", Bound::Eq)]
                    .into_iter()
                    .find_map(|(sign, bound)| Some((bound, part.strip_prefix(sign)?.trim())))
                    .unwrap_or((Bound::Eq, part));
            if !version.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(format!("`{part}` is no version bound; write for example `>=8.0, <10.2`"));
            }
            bounds.push((bound, version.to_owned()));
        }
        Ok(Self { text: text.to_owned(), bounds })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Range {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_number_by_number() {
        let range: Range = ">=8.0, <10.2".parse().unwrap();
        assert!(range.contains("8.4.4") && range.contains("8") && range.contains("10.1.9"));
        assert!(!range.contains("10.2") && !range.contains("7.5.1") && !range.contains("10.10"));
        let exact: Range = "10.3".parse().unwrap();
        assert!(exact.contains("10.3") && exact.contains("10.3.0") && !exact.contains("10.3.1"));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        assert!("newer".parse::<Range>().is_err());
        assert!(">=".parse::<Range>().is_err());
    }
}
