//! The matrix as a text in git: a line per requirement, in the order of ids, so that a change of a suite shows what it
//! changes.

use similar::TextDiff;

use super::{Matrix, State};

/// The file, beside the suites.
pub const FILE: &str = "coverage.snapshot";

/// The command that writes it again.
pub const RENEW: &str = "cargo lab coverage --bless";

/// The whole text.
pub fn render(matrix: &Matrix<'_>) -> String {
    let mut text = format!(
        "# Which requirement is judged against which implementation, and by which cases. Written by `{RENEW}`.\n# {}\n",
        matrix.columns.join(" ")
    );
    for row in &matrix.rows {
        let mut parts = Vec::new();
        match row.untested() {
            Some(Some(class)) => parts.push(format!("untested: {class}")),
            Some(None) => parts.push("untested: no reason".to_owned()),
            None => {
                for state in State::ALL {
                    let columns: Vec<&str> = matrix
                        .columns
                        .iter()
                        .filter(|column| row.cells.get(*column) == Some(&state))
                        .map(String::as_str)
                        .collect();
                    if !columns.is_empty() {
                        parts.push(format!("{state}: {}", columns.join(" ")));
                    }
                }
                parts.push(format!("cases: {}", row.cases.join(" ")));
            }
        }
        text.push_str(&format!("{} {} | {}\n", row.requirement.id, row.requirement.level, parts.join(" | ")));
    }
    text
}

/// How a text differs from what it should be, as a patch; nothing if it does not.
pub fn difference(known: &str, now: &str) -> Option<String> {
    (known != now).then(|| {
        let diff = TextDiff::from_lines(known, now);
        diff.unified_diff().context_radius(1).header("in git", "as it is").to_string()
    })
}
