//! Headless Chromium, for tests that look at pages.

use std::path::Path;
use std::process::Command;

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The browser's name; `None`, said aloud, if there is none.
pub(crate) fn find(test: &str) -> Option<&'static str> {
    let found = NAMES.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        let denied = std::env::var_os("DMVPN_LAB_DENY_SKIPS").is_some_and(|value| value == "1");
        assert!(!denied, "no Chromium is installed, and skips are denied");
        eprintln!("skipped: {test}: no Chromium is installed");
    }
    found
}

/// What the browser has made of a page, and that page's script of itself. The frame is a page that looks at another one
/// in an `iframe`: a window has a least width of its own, which is more than that of a phone.
pub(crate) fn dom(browser: &str, frame: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let file = profile.path().join("frame.html");
    std::fs::write(&file, frame).unwrap();
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"])
        .args(["--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
        .arg(url(&file))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(dom.contains("</html>"), "{dom}{}", String::from_utf8_lossy(&output.stderr));
    dom
}

/// A file as the browser names it.
pub(crate) fn url(file: &Path) -> String {
    format!("file://{}", file.display())
}
