//! Captures of other people: each says what the table beside them says of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{inspect, skipped};

/// What the table says of a file: how many packets, and how many of them have which protocol in their stack.
#[derive(Debug, Default)]
struct Told {
    packets: u64,
    counts: BTreeMap<&'static str, u64>,
}

const KINDS: [&str; 4] = ["nhrp", "isakmp", "esp", "gre"];

fn told(row: &str) -> Option<(String, Told)> {
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    let [_, file, _, _, packets, protocols, ..] = cells[..] else { return None };
    let mut told = Told { packets: packets.parse().ok()?, ..Told::default() };
    for entry in protocols.split(", ") {
        let (stack, count) = entry.rsplit_once(" x")?;
        let count: u64 = count.parse().ok()?;
        for kind in KINDS {
            if stack.split(':').any(|layer| layer == kind) {
                *told.counts.entry(kind).or_default() += count;
            }
        }
    }
    Some((file.to_owned(), told))
}

fn agrees(told: &Told, totals: &Value) -> bool {
    let count = |name: &str| totals[name].as_u64().unwrap_or(0);
    let nhrp: u64 = totals["nhrp"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    let seen = |kind| match kind {
        "nhrp" => nhrp,
        "isakmp" => count("ike1") + count("ike2"),
        "esp" => count("esp"),
        _ => count("inner") + count("gre_other") + nhrp,
    };
    // The table counts what its maker could read to the end, and the rarest stacks are not in it.
    let broken = count("broken");
    let enough = told.counts.iter().all(|(kind, told)| seen(kind) + broken >= *told);
    count("packets") == told.packets && enough && nhrp == told.counts.get("nhrp").copied().unwrap_or(0)
}

#[test]
fn captures_of_others_are_told_as_their_table_has_them() {
    let test = "captures_of_others_are_told_as_their_table_has_them";
    let Some(folder) = std::env::var_os("DMVPN_LAB_CAPTURES").map(PathBuf::from) else {
        return skipped(test, "DMVPN_LAB_CAPTURES does not say where captures of others are");
    };
    let table = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut rows: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for (file, row) in table.lines().filter_map(told) {
        rows.entry(file).or_default().push(row);
    }
    assert!(rows.len() > 40, "{}", rows.len());
    for (file, rows) in &rows {
        let said = inspect(&folder, &[file, "--json"]);
        assert!([0, 1].contains(&said.code), "{file}: {}", said.err);
        let document: Value = serde_json::from_str(&said.out).unwrap();
        let totals = &document["summary"]["totals"];
        assert!(rows.iter().any(|row| agrees(row, totals)), "{file}: {rows:?} {totals}");
        // What is wrong with a file is said with its place, and nothing is wrong silently.
        assert_eq!(said.code == 1, said.err.contains("offset"), "{file}: {}", said.err);
        every_way(&folder, file);
    }
}

/// No way of showing the file fails where the summary did not.
fn every_way(folder: &Path, file: &str) {
    for mode in [&["--ladder=all"][..], &["--packets"], &["--tree", "1"]] {
        let said = inspect(folder, &[&[file], mode].concat());
        assert!([0, 1].contains(&said.code), "{file} {mode:?}: {}", said.err);
        assert!(!said.out.is_empty(), "{file} {mode:?}");
    }
}
