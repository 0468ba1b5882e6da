//! What an NHRP message costs, next to its checksum alone: compare rows of one run, not runs.
//!
//! `checksum` is the floor: `parse` and `emit` each have to take it once.

use divan::{Bencher, black_box};
use dmvpn_wire::{checksum, nhrp};

fn main() {
    divan::main();
}

/// A live Registration Reply of FRR 8.4.4, 88 octets: one client, three extensions, one of them with an entry.
const REPLY: [u8; 88] = [
    0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x58, 0xe5, 0x93, 0x00, 0x34, 0x01, 0x04, 0x04,
    0x00, 0x04, 0x04, 0x80, 0x02, 0x00, 0x00, 0x00, 0x01, 0xac, 0x11, 0x00, 0x02, 0x0a, 0x00, 0x00, 0x02, 0x0a, 0x00,
    0x00, 0x01, 0x00, 0xff, 0x00, 0x00, 0x05, 0xc4, 0x01, 0x2c, 0x00, 0x00, 0x00, 0x00, 0x80, 0x03, 0x00, 0x14, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x58, 0x04, 0x00, 0x04, 0x00, 0xac, 0x11, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x01,
    0x80, 0x04, 0x00, 0x00, 0x80, 0x05, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00,
];

// Samples of many iterations, results dropped inside them: as in a receive loop, where a message does not outlive its turn.
const SAMPLE: u32 = 2000;

#[divan::bench(sample_size = SAMPLE)]
fn a_checksum(bencher: Bencher<'_, '_>) {
    bencher.bench(|| checksum::of(black_box(&REPLY)));
}

#[divan::bench(sample_size = SAMPLE)]
fn b_view_addresses(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let packet = nhrp::Packet::new(black_box(&REPLY));
        black_box((packet.request_id(), packet.src_nbma(), packet.src_proto(), packet.dst_proto()));
    });
}

#[divan::bench(sample_size = SAMPLE)]
fn c_parse(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        black_box(&nhrp::Message::parse(black_box(&REPLY)));
    });
}

#[divan::bench(sample_size = SAMPLE)]
fn d_emit(bencher: Bencher<'_, '_>) {
    let message = nhrp::Message::parse(&REPLY).expect("the sample is legal");
    let mut out = [0; 128];
    bencher.bench_local(|| black_box(&message).emit(black_box(&mut out)).is_ok());
}

#[divan::bench(sample_size = SAMPLE)]
fn e_parse_and_emit(bencher: Bencher<'_, '_>) {
    let mut out = [0; 128];
    bencher.bench_local(|| {
        let message = nhrp::Message::parse(black_box(&REPLY));
        black_box(&message).as_ref().is_ok_and(|message| message.emit(black_box(&mut out)).is_ok())
    });
}
