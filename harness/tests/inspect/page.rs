//! The page in a browser: headless Chromium, from `file://`, at the width of a desk and of a phone.

use std::path::Path;

use crate::browser::{self, url};
use crate::{folder, inspect};

/// What the page's script has noted about itself, after the second arrow of the ladder was opened and a field looked at.
fn noted(browser: &str, page: &Path, width: u32) -> String {
    let frame = format!(
        "<!doctype html><iframe width={width} height=900 src=\"{}\"></iframe><script>
        addEventListener('load', async () => {{
          const inside = document.querySelector('iframe').contentDocument;
          inside.querySelectorAll('.ladder a')[6].dispatchEvent(new MouseEvent('click', {{ bubbles: true, cancelable: true }}));
          await new Promise((done) => setTimeout(done, 200));
          const rows = [...inside.querySelectorAll('.field[tabindex]')];
          rows.find((row) => row.firstChild.textContent === 'cie[0].mtu').focus();
          inside.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'ArrowDown', bubbles: true }}));
          const at = {{ ...inside.documentElement.dataset }};
          inside.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'n', bubbles: true }}));
          await new Promise((done) => setTimeout(done, 200));
          at.next = inside.documentElement.dataset.packet;
          document.title = Object.keys(at).sort().map((name) => `${{name}}=${{at[name]}}`).join(';');
        }});</script>",
        url(page)
    );
    let dom = browser::dom(browser, &frame);
    let title = dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    title.unwrap_or_else(|| panic!("{dom}")).0.to_owned()
}

#[test]
fn a_browser_opens_packets_and_their_fields() {
    let Some(browser) = browser::find("a_browser_opens_packets_and_their_fields") else { return };
    let folder = folder();
    let page = folder.path().join("page.html").canonicalize().unwrap_or(folder.path().join("page.html"));
    let said = inspect(folder.path(), &["all.pcap", "--html", "page.html"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    for width in [390, 1280] {
        let notes = noted(browser, &page, width);
        for wanted in
            ["ready=yes", "fits=yes", "packets=31", "packet=7", "field=cie[0].holding_time", "lit=012c", "next=8"]
        {
            assert!(notes.split(';').any(|note| note == wanted), "{wanted} at {width}: {notes}");
        }
    }
}
