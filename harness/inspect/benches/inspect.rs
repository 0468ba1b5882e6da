//! What it costs to read a capture of a million packets: the file alone, summary and exchanges, the whole field tree as
//! JSON, and the same by `tshark -T json` for a ratio.
//!
//! `cargo bench -p dmvpn-inspect` makes the capture itself: registrations of 1000 spokes with their replies, data in GRE,
//! and ESP, a third each. `DMVPN_LAB_BENCH_PACKETS` is another number of packets; `DMVPN_LAB_BENCH_TSHARK=0` leaves tshark
//! out, which takes minutes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dmvpn_inspect::capture::{self, CapturedPacket, LinkType};
use dmvpn_inspect::dissect::{Dissection, Session};
use dmvpn_inspect::show::json;
use dmvpn_inspect::story::Story;
use dmvpn_inspect::view::{self, Step, Viewer};
use dmvpn_wire::checksum;

/// Packets per second that summary and exchanges have to reach on one core.
const WANTED: f64 = 1_000_000.0;
/// How many times faster than tshark the field tree has to be.
const WANTED_RATIO: f64 = 15.0;

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let packets = match std::env::var("DMVPN_LAB_BENCH_PACKETS") {
        Ok(number) => number.parse().expect("DMVPN_LAB_BENCH_PACKETS is a number"),
        Err(_) if measured => 1_000_000,
        Err(_) => 1_000,
    };
    let folder = tempfile::tempdir().expect("a folder for the capture");
    let path = folder.path().join("million.pcap");
    make(&path, packets).expect("the capture is written");

    println!("{packets} packets, {} octets", std::fs::metadata(&path).map_or(0, |file| file.len()));
    let read = timed(|| each(&path, |_| ()));
    say("file alone", packets, read);
    let exchanges = timed(|| {
        let mut file = capture::read(&path).expect("the capture opens");
        let mut story = Story::new(100);
        view::each(&mut file, &mut Viewer::default(), &mut |step| {
            match step {
                Step::Packet(view) => story.packet(view),
                Step::Beat => {}
                broken => panic!("the capture is broken: {broken:?}"),
            }
            ControlFlow::Continue(())
        });
        story.finish();
        let totals = story.tracker().totals();
        assert_eq!(story.exchanges().len() as u64 + story.left_out(), totals.exchanges);
        assert_eq!((totals.packets, totals.broken), (packets.into(), 0));
    });
    say("summary and exchanges", packets, exchanges);
    println!("{:>28.2} times {WANTED} per second", packets as f64 / exchanges.as_secs_f64() / WANTED);
    let mut octets = 0;
    let tree = timed(|| {
        let (mut session, mut dissection) = (Session::default(), Dissection::default());
        let mut out = Vec::new();
        let mut sink = BufWriter::new(File::create("/dev/null").expect("/dev/null"));
        each(&path, |packet| {
            dissection.read(&mut session, packet.linktype, &packet.octets);
            out.clear();
            json::packet(&mut out, packet, &dissection);
            octets += out.len();
            sink.write_all(&out).expect("written");
        });
    });
    say("field tree as JSON", packets, tree);
    println!("{octets:>28} octets of JSON");
    if !measured || std::env::var_os("DMVPN_LAB_BENCH_TSHARK").is_some_and(|value| value == "0") {
        return;
    }
    let mut status = Err(std::io::Error::other("not run"));
    let tshark = timed(|| {
        let mut command = Command::new("tshark");
        command.args(["-n", "-T", "json", "-r"]).arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        status = command.status();
    });
    match status {
        Ok(status) if status.success() => {
            say("tshark -T json", packets, tshark);
            let ratio = tshark.as_secs_f64() / tree.as_secs_f64();
            println!("{ratio:>28.1} times faster than tshark, wanted {WANTED_RATIO}");
        }
        other => println!("skipped: tshark did not run: {other:?}"),
    }
}

fn say(what: &str, packets: u32, took: Duration) {
    println!("{what:>28}  {:>12.0} packets/s  {took:?}", f64::from(packets) / took.as_secs_f64());
}

#[allow(clippy::disallowed_methods, reason = "a benchmark measures the time of the machine")]
fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn each(path: &Path, mut with: impl FnMut(&CapturedPacket)) {
    for packet in capture::read(path).expect("the capture opens") {
        with(&packet.expect("the packet is read"));
    }
}

/// Writes a classic pcap of raw IP: as many packets, a millisecond apart.
fn make(path: &Path, packets: u32) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, u32::from(LinkType::RAW.0)] {
        file.write_all(&word.to_le_bytes())?;
    }
    for number in 0..packets {
        let octets = octets(number);
        let length = u32::try_from(octets.len()).expect("packets are short");
        for word in [1_767_225_600 + number / 1000, number % 1000 * 1000, length, length] {
            file.write_all(&word.to_le_bytes())?;
        }
        file.write_all(&octets)?;
    }
    file.flush()
}

/// One of six packets: registration, its reply, data both ways, ESP both ways.
fn octets(number: u32) -> Vec<u8> {
    let round = number / 6;
    let spoke = u8::try_from(round % 250).expect("less than 250");
    let cloud = u8::try_from(round / 250 % 4).expect("less than 4");
    let (hub, client) = ([192, 0, 2, 1], [198, 51, 100 + cloud, spoke]);
    let (inside, server) = ([10, 0, cloud, spoke], [10, 0, 0, 1]);
    let gre = |protocol: [u8; 2]| [&[0x20, 0][..], &protocol, &[0, 0, 0, 42]].concat();
    match number % 6 {
        kind @ (0 | 1) => {
            let mut nhrp = [
                &[0, 1, 8, 0, 0, 0, 0, 0, 0, 255, 0, 80, 0, 0, 0, 52, 1, 3 + kind as u8, 4, 0, 4, 4, 0x80, 2][..],
                &round.to_be_bytes(),
                &client,
                &inside,
                &server,
                &[0, 255, 0, 0, 5, 0xc4, 1, 44, 0, 0, 0, 0],
                &[0x80, 3, 0, 0, 0x80, 4, 0, 0, 0x80, 5, 0, 0, 0x80, 9, 0, 0, 0x80, 0, 0, 0],
            ]
            .concat();
            let length = u16::try_from(nhrp.len()).expect("short").to_be_bytes();
            nhrp[10..12].copy_from_slice(&length);
            let sum = checksum::of(&nhrp).to_be_bytes();
            nhrp[12..14].copy_from_slice(&sum);
            let (src, dst) = if kind == 0 { (client, hub) } else { (hub, client) };
            ip(47, src, dst, &[gre([0x20, 1]), nhrp].concat())
        }
        kind @ (2 | 3) => {
            let (src, dst) = if kind == 2 { (client, hub) } else { (hub, client) };
            let (from, to) = if kind == 2 { (inside, server) } else { (server, inside) };
            let echo = [&[8, 0, 0, 0, 0, 7, 0, 9][..], &[0; 56]].concat();
            ip(47, src, dst, &[gre([8, 0]), ip(1, from, to, &echo)].concat())
        }
        kind => {
            let (src, dst) = if kind == 4 { (client, hub) } else { (hub, client) };
            let esp = [&[0xC0, 0, cloud, spoke][..], &(round / 1000 + 1).to_be_bytes(), &[0xA5; 104]].concat();
            ip(50, src, dst, &esp)
        }
    }
}

fn ip(protocol: u8, src: [u8; 4], dst: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).expect("short").to_be_bytes();
    let header = [&[0x45, 0][..], &length, &[0, 1, 0, 0, 64, protocol, 0, 0], &src, &dst].concat();
    let mut packet = [&header, payload].concat();
    dmvpn_wire::ipv4::Packet::new(&mut packet).fill_checksum();
    packet
}
