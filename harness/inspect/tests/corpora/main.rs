//! Replays the corpora of the fuzz targets: every file once through the function that was fuzzed with it.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets use them from outside")]
mod targets;

mod seeds;
mod worst;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// How many files and octets a corpus may have, so that replaying it stays fast and the repository small.
const MOST_FILES: usize = 400;
const MOST_OCTETS: usize = 500 << 10;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn replay(target: &str, read: fn(&[u8])) {
    let folder = corpus(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty: fuzz/README.md says how seeds are made", folder.display());
    let mut octets = 0;
    for file in &files {
        let input = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        octets += input.len();
        if catch_unwind(|| read(&input)).is_err() {
            panic!("{} breaks target `{target}`, the line above says how", file.display());
        }
    }
    assert!(
        files.len() <= MOST_FILES,
        "{} files in {}: fuzz/README.md says how to merge",
        files.len(),
        folder.display()
    );
    assert!(octets <= MOST_OCTETS, "{octets} octets in {}: fuzz/README.md says how to merge", folder.display());
}

macro_rules! corpora {
    ($($target:ident),*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), targets::$target);
        })*

        /// The targets that are replayed.
        const TARGETS: &[&str] = &[$(stringify!($target)),*];
    };
}

corpora!(frame, file, nhrp, gre_ip, isakmp, keys, filter);

#[test]
fn every_corpus_has_its_target() {
    let mut folders: Vec<String> = fs::read_dir(corpus(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    let mut targets: Vec<&str> = TARGETS.to_vec();
    targets.sort_unstable();
    assert_eq!(folders, targets, "a corpus that nothing replays, or a target without one");
}
