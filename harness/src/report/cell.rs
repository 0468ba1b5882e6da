//! Where a result stands when results of several runs are laid beside each other: its row and its column.
//!
//! A variant names what makes the cell: who plays (`frr:10.3+dmvpn-peer:0.1.0`), under which driver (`@guest`), or a cell
//! of the suite's own matrix (`underlay=v4`). Who plays and where is a matter of the column, the rest of the row.

use crate::verdict::CaseResult;

/// What makes two results one cell: the same case, played by the same parties in the same place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellKey {
    /// The case, with the part of its variant that is its own.
    pub row: String,
    /// Who is judged, against whom and where.
    pub column: Column,
}

/// Who is judged, against whom and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Name of the subject, such as `frr`.
    pub subject: String,
    /// Its version.
    pub version: String,
    /// The part of the variant behind the subject, such as `+frr:8.4.4`; mostly empty.
    pub against: String,
    /// World and driver, such as `real/guest` or `sim`.
    pub place: String,
}

impl CellKey {
    /// The cell of a result.
    pub fn of(case: &CaseResult) -> CellKey {
        let variant = case.variant.as_deref().unwrap_or_default();
        let (variant, _driver) = variant.split_once('@').unwrap_or((variant, ""));
        let subject = format!("{}:{}", case.subject.name, case.subject.version);
        let behind = variant.strip_prefix(&subject).or_else(|| variant.strip_prefix(&case.subject.name));
        let (own, against) = match behind {
            Some(rest) if rest.is_empty() || rest.starts_with('+') => ("", rest),
            _ => variant.split_at(variant.find('+').unwrap_or(variant.len())),
        };
        let place = match &case.driver {
            Some(driver) => format!("{}/{driver}", case.world),
            None => case.world.clone(),
        };
        CellKey {
            row: if own.is_empty() { case.id.clone() } else { format!("{}[{own}]", case.id) },
            column: Column {
                subject: case.subject.name.clone(),
                version: case.subject.version.clone(),
                against: against.to_owned(),
                place,
            },
        }
    }
}

impl Column {
    /// Subject and version, and against whom if that was chosen.
    pub fn party(&self) -> String {
        let against = self.against.strip_prefix('+').map(|peer| format!(" against {peer}")).unwrap_or_default();
        format!("{} {}{against}", self.subject, self.version).trim_end().to_owned()
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.party(), self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::verdict::ImplRef;

    #[test]
    fn who_plays_is_the_column_and_the_rest_the_row() {
        for (subject, version, variant, row, party) in [
            ("peer", "0.1.0", None, "case", "peer 0.1.0"),
            ("frr", "10.3", Some("frr:10.3"), "case", "frr 10.3"),
            ("frr", "10.3", Some("frr:10.3@guest"), "case", "frr 10.3"),
            ("frr", "10.3", Some("frr:10.3+dmvpn-peer:0.1.0"), "case", "frr 10.3 against dmvpn-peer:0.1.0"),
            ("peer", "0.1.0", Some("peer+frr:8.4.4"), "case", "peer 0.1.0 against frr:8.4.4"),
            ("peer", "0.1.0", Some("underlay=v4"), "case[underlay=v4]", "peer 0.1.0"),
            ("frr", "10.3.1", Some("frr:10.3"), "case[frr:10.3]", "frr 10.3.1"),
        ] {
            let mut case = sample::run().cases.remove(0);
            (case.id, case.variant) = ("case".into(), variant.map(str::to_owned));
            case.subject = ImplRef::new(subject, version);
            let key = CellKey::of(&case);
            assert_eq!((key.row.as_str(), key.column.party().as_str()), (row, party), "{variant:?}");
        }
    }
}
