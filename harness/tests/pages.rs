//! Pages of a run in a browser: headless Chromium, from `file://`, at the width of a desk and of a phone.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the functions that clippy knows as such")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "common/browser.rs"]
mod browser;

/// One case holds and one does not; a title tries to be more than a text.
const SUITE: &str = "schema: 1
suite: own
title: Own
worlds: [sim]
topology:
  nodes:
    hub: { role: hub, bind: subject, nbma: 192.0.2.1, tunnel: 10.0.0.1/24 }
    spoke: { role: spoke, bind: peer, nbma: 192.0.2.2, tunnel: 10.0.0.2/24, nhs: [{ node: hub }], nhrp: { hold: 3s } }
  links: [{ name: wan, ends: [hub:nbma, spoke:nbma], capture: true }]
cases:
  - id: holds
    title: A reply comes.
    cites: [{ spec: project, section: harness, level: goal }]
    steps: &start
      - start: [hub, spoke]
      - expect: { from: hub, msg: nhrp.registration_reply }
  - id: breaks
    title: \"</script><script>document.documentElement.dataset.evil = 1</script><b>A reply has another code.\"
    cites: [{ spec: rfc2332, section: \"5.2.4\", level: must, requirement: NHRP-5.2.4-01 }]
    steps:
      - start: [hub, spoke]
      - expect: { from: hub, msg: nhrp.registration_reply, match: { \"cie[0].code\": 14 }, within: 1s }
";

/// The page as the browser has made it of the file, at this width.
///
/// The frame's page tells what the script of the page has set.
fn seen(browser: &str, page: &Path, hash: &str, width: u32) -> String {
    let url = browser::url(page);
    let frame = format!(
        "<!doctype html><iframe width={width} height=900 src=\"{url}{hash}\"></iframe><pre></pre><script>
        addEventListener('load', () => {{
          const inside = document.querySelector('iframe').contentDocument;
          document.querySelector('pre').textContent = inside.documentElement.outerHTML;
          Object.assign(document.body.dataset, inside.documentElement.dataset);
          document.body.dataset.opened = [...inside.querySelectorAll('details.result[open]')].length;
          document.body.dataset.visible = [...inside.querySelectorAll('tr.case:not([hidden])')].map((row) => row.cells[0].innerText.split('\\n')[0]);
          inside.querySelector('tr.case:not([hidden]) a')?.focus();
          for (const key of ['ArrowRight', 'ArrowDown']) {{
            inside.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key, bubbles: true }}));
          }}
          document.body.dataset.focus = inside.activeElement.dataset.verdict;
          document.body.dataset.stops = inside.querySelectorAll('#matrix a[tabindex=\"0\"]').length;
        }});</script>"
    );
    browser::dom(browser, &frame)
}

/// What the script of a page has noted about itself.
fn noted<'a>(dom: &'a str, name: &str) -> &'a str {
    let (_, body) = dom.split_once("<body").unwrap();
    let (_, rest) = body.split_once(&format!("data-{name}=\"")).unwrap_or_else(|| panic!("no {name}: {dom:.600}"));
    rest.split_once('"').unwrap().0
}

/// The pages of a run of the suite.
fn pages(folder: &Path) -> PathBuf {
    fs::create_dir(folder.join("suites")).unwrap();
    fs::write(folder.join("suites/own.yaml"), SUITE).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_dmvpn-lab"));
    run.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
    run.args(["run", "-q", "--suites"]).arg(folder.join("suites")).arg("--out").arg(folder.join("runs"));
    let output = run.arg("--format").arg(format!("html={}", folder.join("pages").display())).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    folder.join("pages").canonicalize().unwrap()
}

#[test]
fn a_browser_shows_the_matrix_and_its_filter() {
    let Some(browser) = browser::find("a_browser_shows_the_matrix_and_its_filter") else { return };
    let folder = tempfile::tempdir().unwrap();
    let index = pages(folder.path()).join("index.html");
    for width in [390, 1280] {
        let dom = seen(browser, &index, "", width);
        let notes = ["ready", "fits", "shown", "visible"].map(|name| noted(&dom, name));
        assert_eq!(notes, ["yes", "yes", "2", "holds,breaks"], "at {width}");
        assert!(!dom.contains("data-evil"), "{dom}");
        // To the right is the verdict, below it the one of the next case; the whole table is one stop of the tab key.
        assert_eq!(["focus", "stops"].map(|name| noted(&dom, name)), ["fail", "1"], "at {width}");
    }
    for (hash, visible) in [
        ("#verdict=fail", "breaks"),
        ("#verdict=pass,fail", "holds,breaks"),
        ("#q=another%20CODE", "breaks"),
        ("#q=code&verdict=pass", ""),
        ("#verdict=nonsense", "holds,breaks"),
    ] {
        assert_eq!(noted(&seen(browser, &index, hash, 1280), "visible"), visible, "{hash}");
    }
}

#[test]
fn a_browser_shows_a_case() {
    let Some(browser) = browser::find("a_browser_shows_a_case") else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = pages(folder.path()).join("cases/own-breaks.html");
    for width in [390, 1280] {
        let dom = seen(browser, &page, "", width);
        let notes = ["ready", "fits", "opened"].map(|name| noted(&dom, name));
        assert_eq!(notes, ["yes", "yes", "1"], "at {width}");
        assert!(!dom.contains("data-evil"), "{dom}");
    }
    // What the page has to say, in the file itself.
    let text = fs::read_to_string(&page).unwrap();
    for wanted in [
        "RFC 2332 section 5.2.4, MUST [NHRP-5.2.4-01]",
        "<mark>cie[0].code=14</mark>",
        "<mark title=\"cie[0].code\">00</mark>",
        "<svg class=\"ladder\"",
        "Registration Reply id 1",
        "wan.pcapng</a>",
        "cargo lab run own/breaks --seed 1",
    ] {
        assert!(text.contains(wanted), "{wanted}");
    }
}
