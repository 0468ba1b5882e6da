//! Files that are broken on purpose: everything before the break is shown, the break is said, and nothing panics.

use std::ops::ControlFlow;
use std::path::Path;

use dmvpn_inspect::story::Story;
use dmvpn_inspect::view::Viewer;
use dmvpn_lab::inspect::ladder::{self, Rungs};
use dmvpn_lab::inspect::page::{self, Collection};
use dmvpn_lab::inspect::reading::Reading;
use dmvpn_lab::inspect::{document, exchanges, summary, tree};
use dmvpn_lab::report::Terminal;

use crate::scenario::{self, HUB, ONE};
use crate::{folder, inspect};

/// Shows a file in every way. Says how many packets were read, and whether anything was wrong.
fn show(path: &Path) -> (u64, bool) {
    let Ok(reading) = Reading::open(path, None) else { return (0, true) };
    let mut story = Story::new(10);
    let mut rungs = Rungs::new(10, true);
    let mut collection = Collection::default();
    let mut viewer = Viewer::new(None, true);
    let mut octets = 0;
    let errors = reading.each(&mut viewer, &mut |view| {
        story.packet(view);
        rungs.packet(view, &story);
        collection.packet(view, &story);
        octets += view.read.map_or(0, |read| tree::render(view.packet, read, 0, &Terminal::FILE).len());
        ControlFlow::Continue(())
    });
    story.finish();
    octets += summary::render("file", &story, &Terminal::FILE).len();
    octets += exchanges::table(story.exchanges(), story.left_out(), 0, &Terminal::FILE).len();
    octets += ladder::render(&rungs, 0, &Terminal::FILE).len();
    octets += document::document("file", &story, &errors).to_string().len();
    octets += page::render("file", &story, &collection, &[]).unwrap().len();
    assert!(octets > 0);
    (story.tracker().totals().packets, !errors.is_empty() || story.tracker().totals().broken > 0)
}

#[test]
fn a_cut_file_shows_everything_before_the_cut() {
    let folder = folder();
    let whole = scenario::pcap(&scenario::packets());
    let cut = folder.path().join("cut.pcap");
    let mut before = 0;
    for length in (0..whole.len()).step_by(61) {
        std::fs::write(&cut, &whole[..length]).unwrap();
        let (packets, _) = show(&cut);
        assert!(packets >= before, "{length}");
        before = packets;
    }
    assert!(before >= scenario::packets().len() as u64 - 2);
}

#[test]
fn flipped_bits_do_no_harm() {
    let folder = folder();
    let whole = scenario::pcap(&scenario::packets());
    let flipped = folder.path().join("flipped.pcap");
    let (mut wrong, mut state) = (0, 0x2545_F491_4F6C_DD1Du64);
    for _ in 0..150 {
        let mut octets = whole.clone();
        for _ in 0..3 {
            // xorshift: the same files in every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state % octets.len() as u64).unwrap();
            octets[at] ^= 1 << (state >> 60 & 7);
        }
        std::fs::write(&flipped, octets).unwrap();
        wrong += u32::from(show(&flipped).1);
    }
    assert!(wrong > 0, "no flip was noticed");
}

#[test]
fn absurd_lengths_are_said_with_their_place() {
    let folder = folder();
    let mut octets = scenario::pcap(&scenario::packets());
    // The length of the second packet.
    let second = 24 + 16 + scenario::packets()[0].1.len();
    octets[second + 8..second + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    std::fs::write(folder.path().join("long.pcap"), octets).unwrap();
    let said = inspect(folder.path(), &["long.pcap"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("long.pcap: 1 packet,"), "{}", said.out);
    assert!(said.err.contains(&format!("packet 2, offset {second}")), "{}", said.err);
}

#[test]
fn packets_that_can_not_be_read_are_named() {
    let folder = folder();
    let mut tunnels = scenario::ip(1, ONE, HUB, &[8, 0, 0, 0, 0, 1, 0, 1]);
    for _ in 0..40 {
        tunnels = scenario::gre(ONE, HUB, [8, 0], &tunnels);
    }
    let packets = [(0, tunnels), (1, scenario::packets()[4].1.clone())];
    for (name, file, says) in [
        ("deep.pcap", scenario::pcap(&packets), "packet 1, offset 24: more than 12 layers inside each other"),
        ("link.pcap", scenario::pcap_of(147, &packets), "packet 1, offset 24: link type 147 is not known"),
    ] {
        std::fs::write(folder.path().join(name), file).unwrap();
        let said = inspect(folder.path(), &[name]);
        assert_eq!(said.code, 1, "{name}");
        assert!(said.err.contains(says), "{name}: {}", said.err);
        assert!(said.out.contains("2 packets"), "{name}: {}", said.out);
        assert_eq!(show(&folder.path().join(name)), (2, true));
    }
}

#[test]
fn words_of_the_capture_stay_words() {
    let folder = folder();
    let name = "a<script>\u{202e}.pcap";
    scenario::write(&folder.path().join(name));
    let said = inspect(folder.path(), &[name]);
    assert!(!said.out.contains('\u{202e}'), "{}", said.out);
    let html = inspect(folder.path(), &[name, "--html", "page.html"]);
    assert_eq!(html.code, 0, "{}", html.err);
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert_eq!(page.matches("<script").count(), 2);
}
