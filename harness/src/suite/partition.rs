//! `--partition 1/4`: one share of a plan, so that several machines do the work of one.
//!
//! Cells are dealt like cards, in the order of the plan: share `k` of `n` gets every `n`th cell from the `k`th on. That
//! order depends on suites and options only, so the shares of the same command are disjoint and together the whole,
//! wherever and whenever they run. Neighbours are mostly alike in length, so shares take about as long as each other.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most shares. More would be an index that somebody has misread.
pub const MOST_SHARES: u32 = 10_000;

/// A share of a plan, written `1/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub struct Partition {
    /// Which share, from 1.
    share: u32,
    /// Of how many.
    of: u32,
}

/// A `--partition` that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartitionError {
    /// Not two numbers with a slash between.
    #[error("`{0}` is no share; expected SHARE/SHARES, such as `1/4` for the first of four")]
    Form(String),
    /// There are no shares, or absurdly many.
    #[error("there can not be {0} shares; expected a number from 1 to {MOST_SHARES} behind the slash")]
    Shares(u64),
    /// The share is not one of them.
    #[error(
        "there is no share {share} of {of}: shares count from 1 to {of}{}",
        if *share == 0 { "; where indices begin at 0, add one: `$((JOB_COMPLETION_INDEX+1))`" } else { "" }
    )]
    Share {
        /// As typed.
        share: u64,
        /// Of how many.
        of: u64,
    },
}

impl Partition {
    /// Share `share` of `of`.
    ///
    /// # Errors
    /// If there is no such share.
    pub fn new(share: u64, of: u64) -> Result<Partition, PartitionError> {
        let of =
            u32::try_from(of).ok().filter(|of| (1..=MOST_SHARES).contains(of)).ok_or(PartitionError::Shares(of))?;
        let fits = |share: &u32| (1..=of).contains(share);
        match u32::try_from(share).ok().filter(fits) {
            Some(share) => Ok(Partition { share, of }),
            None => Err(PartitionError::Share { share, of: of.into() }),
        }
    }

    /// Which share this is, from 1.
    pub fn share(self) -> u32 {
        self.share
    }

    /// Of how many.
    pub fn of(self) -> u32 {
        self.of
    }

    /// What is in this share, in its order.
    pub fn take<T>(self, all: Vec<T>) -> Vec<T> {
        // Both fit into 32 bits, and so into a `usize`.
        all.into_iter().skip(self.share as usize - 1).step_by(self.of as usize).collect()
    }
}

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Partition, PartitionError> {
        let form = || PartitionError::Form(text.to_owned());
        let (share, of) = text.split_once('/').ok_or_else(form)?;
        // `+1` is a number to Rust, and no share to anybody.
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
            digits.then(|| text.parse().unwrap_or(u64::MAX)).ok_or_else(form)
        };
        Partition::new(number(share)?, number(of)?)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.share, self.of)
    }
}

impl From<Partition> for String {
    fn from(partition: Partition) -> String {
        partition.to_string()
    }
}

impl TryFrom<String> for Partition {
    type Error = PartitionError;

    fn try_from(text: String) -> Result<Partition, PartitionError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_are_disjoint_complete_in_order_and_even(cells in 0usize..300, of in 1u32..40) {
            let all: Vec<usize> = (0..cells).collect();
            let mut together = Vec::new();
            for share in 1..=of {
                let part = Partition::new(share.into(), of.into()).unwrap().take(all.clone());
                prop_assert!(part.is_sorted());
                prop_assert!(part.len() == cells / of as usize || part.len() == cells.div_ceil(of as usize));
                together.extend(part);
            }
            together.sort_unstable();
            prop_assert_eq!(together, all);
        }

        #[test]
        fn a_share_reads_as_it_is_written(share in 1u32..=MOST_SHARES, of in 1u32..=MOST_SHARES) {
            let partition = Partition::new(share.into(), of.into());
            prop_assert_eq!(partition.is_ok(), share <= of);
            if let Ok(partition) = partition {
                prop_assert_eq!(partition.to_string().parse(), Ok(partition));
                let json = serde_json::to_string(&partition).unwrap();
                prop_assert_eq!(serde_json::from_str::<Partition>(&json).unwrap(), partition);
            }
        }
    }

    #[test]
    fn what_is_no_share_is_explained() {
        for (text, words) in [
            ("", "`` is no share; expected SHARE/SHARES"),
            ("1", "`1` is no share"),
            ("1/2/3", "`1/2/3` is no share"),
            ("+1/4", "`+1/4` is no share"),
            ("one/4", "`one/4` is no share"),
            ("1/", "`1/` is no share"),
            ("1/0", "there can not be 0 shares"),
            ("1/99999999999999999999", "there can not be"),
            (
                "0/4",
                "there is no share 0 of 4: shares count from 1 to 4; where indices begin at 0, add one: `$((JOB_COMPLETION_INDEX+1))`",
            ),
            ("5/4", "there is no share 5 of 4: shares count from 1 to 4"),
        ] {
            let error = text.parse::<Partition>().unwrap_err().to_string();
            assert!(error.starts_with(words), "{text}: {error}");
        }
    }
}
