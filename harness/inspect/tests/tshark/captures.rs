//! Which captures there are, and why a test goes without them.

use std::path::{Path, PathBuf};

/// The folder of the project's captures.
pub(crate) fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures")
}

/// Folders with captures: the project's own, and if `DMVPN_LAB_CAPTURES` names it, one of other people's.
pub(crate) fn roots() -> Vec<PathBuf> {
    match std::env::var_os("DMVPN_LAB_CAPTURES") {
        Some(folder) => vec![own(), PathBuf::from(folder)],
        None => {
            skip("DMVPN_LAB_CAPTURES is not set, so only the project's own captures are read");
            vec![own()]
        }
    }
}

/// Says what is not tested; fails where skips are denied.
pub(crate) fn skip(words: &str) {
    assert!(std::env::var("DMVPN_LAB_DENY_SKIPS").as_deref() != Ok("1"), "skips are denied: {words}");
    eprintln!("SKIP {words}");
}

/// A capture file.
pub(crate) struct Capture {
    pub(crate) path: PathBuf,
    /// Its path from the root on, with `/`.
    pub(crate) name: String,
}

/// The captures under a folder, in the order of their names.
pub(crate) fn under(root: &Path) -> Vec<Capture> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_capture(&path) {
                let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                found.push(Capture { path, name });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn is_capture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    [".pcap", ".pcapng", ".cap"].iter().any(|end| name.ends_with(end))
}
