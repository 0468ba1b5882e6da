//! A packet in one line.

use super::words;
use crate::capture::CapturedPacket;
use crate::dissect::Dissection;
use crate::report::Terminal;

/// Number, time since `start_ns`, layers, and what the packet is.
pub fn line(packet: &CapturedPacket, read: &Dissection, start_ns: u64, terminal: &Terminal) -> String {
    let ends = match (read.addr("ip.src"), read.addr("ip.dst")) {
        (Some(src), Some(dst)) => format!("{src} -> {dst}  "),
        _ => String::new(),
    };
    let time = words::relative(packet.timestamp_ns, start_ns);
    let line = format!("{:>6} {time:>14}  {:<16} {ends}{}", packet.number, read.stack(), read.summary());
    terminal.safe(&line) + "\n"
}
