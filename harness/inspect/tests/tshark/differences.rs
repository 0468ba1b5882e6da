//! Where the two are known to differ, and why: `differences.yaml`.

use serde::Deserialize;

/// A row of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The capture, from its root on; `*` stands for anything.
    file: String,
    /// The packets, each of which has to differ.
    #[serde(default)]
    packets: Vec<u64>,
    /// Names as tshark has them with `*` for anything, or `stack`. Each has to differ in some of the packets.
    fields: Vec<String>,
    /// What is read here, where it can be said in a line.
    ours: Option<String>,
    /// What tshark reads.
    theirs: Option<String>,
    /// Which of the two is right, and why.
    reason: String,
}

/// A difference that was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) file: String,
    pub(crate) packet: u64,
    /// tshark's name, or `stack`.
    pub(crate) field: &'static str,
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} packet {} {}: here {}, tshark {}", self.file, self.packet, self.field, self.ours, self.theirs)
    }
}

/// Takes the known ones away; says which are new, and if `complete` which entries meet nothing any more.
pub(crate) fn judge(yaml: &str, mut found: Vec<Difference>, complete: bool) -> Vec<String> {
    let entries: Vec<Entry> = serde_yaml::from_str(yaml).expect("differences.yaml");
    let mut wrong = Vec::new();
    for entry in &entries {
        let name = format!("differences.yaml: {} {:?}", entry.file, entry.fields);
        if entry.reason.is_empty() {
            wrong.push(format!("{name} has no reason"));
        }
        let mut met = Vec::new();
        found.retain(|difference| {
            let known = entry.takes(difference);
            if known {
                met.push((difference.packet, difference.field));
            }
            !known
        });
        let stale: Vec<u64> =
            entry.packets.iter().copied().filter(|packet| !met.iter().any(|(met, _)| met == packet)).collect();
        let unmet: Vec<&String> =
            entry.fields.iter().filter(|field| !met.iter().any(|(_, met)| fits(field, met))).collect();
        if complete && !stale.is_empty() {
            wrong.push(format!("{name} is stale: nothing differs in packets {stale:?}"));
        }
        if complete && !unmet.is_empty() {
            wrong.push(format!("{name} is stale: nothing differs in {unmet:?}"));
        }
    }
    wrong.extend(found.iter().map(ToString::to_string));
    wrong
}

impl Entry {
    fn takes(&self, difference: &Difference) -> bool {
        let says = |text: &Option<String>, value: &str| text.as_ref().is_none_or(|text| text == value);
        fits(&self.file, &difference.file)
            && (self.packets.is_empty() || self.packets.contains(&difference.packet))
            && self.fields.iter().any(|field| fits(field, difference.field))
            && says(&self.ours, &difference.ours)
            && says(&self.theirs, &difference.theirs)
    }
}

/// Whether a pattern with `*` fits.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, behind)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(behind, &rest[at..]))
        }),
    }
}

#[test]
fn a_known_difference_is_taken_and_a_stale_one_is_said() {
    let yaml = "[{file: 'a/*.pcap', packets: [1, 2], fields: [stack], ours: ip, reason: x}]";
    let found = |packet, ours: &str| Difference {
        file: "a/b.pcap".into(),
        packet,
        field: "stack",
        ours: ours.into(),
        theirs: "eth".into(),
    };
    assert_eq!(judge(yaml, vec![found(1, "ip"), found(2, "ip")], true), Vec::<String>::new());
    assert_eq!(judge(yaml, vec![found(1, "ip")], true).len(), 1);
    assert_eq!(judge(yaml, vec![], true).len(), 2);
    assert_eq!(judge(yaml, vec![found(1, "ip"), found(2, "ip"), found(3, "ip")], true).len(), 1);
    assert_eq!(judge(yaml, vec![found(1, "ip"), found(2, "gre")], true).len(), 2);
    assert_eq!(judge(yaml, vec![], false), Vec::<String>::new());
}
