//! `--capture`: the peer's own pcapng of what it sends and receives, outer IP packets as they are on the wire.
//!
//! A thread of its own writes, behind a queue of bounded length, because a full disk or a hanging file system must not
//! hold up the node. Whenever the queue runs empty the file is flushed, so a reader sees each packet soon after it passed
//! and no clock is needed. The octets are not masked: a Cisco authentication string is in the file as it was sent.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgWriteError, PcapNgWriter};
use tokio::sync::oneshot;

use crate::stats::Stats;

/// Packets that may wait for the disk.
const QUEUE: usize = 4096;

/// How long the end of the peer waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To us.
    In,
    /// From us.
    Out,
}

struct Entry {
    wall_nanos: u64,
    direction: Direction,
    packet: Vec<u8>,
}

/// A capture that is being written.
#[derive(Debug)]
pub struct Capture {
    queue: SyncSender<Entry>,
    done: oneshot::Receiver<()>,
    stats: Arc<Stats>,
}

impl Capture {
    /// Starts a capture; a file that is there already is overwritten.
    ///
    /// # Errors
    /// If the file can not be made.
    pub fn create(path: &Path, stats: Arc<Stats>) -> io::Result<Self> {
        let mut writer = Writer::start(BufWriter::new(File::create(path)?)).map_err(to_io)?;
        writer.inner.get_mut().flush()?;
        let (queue, entries) = sync_channel(QUEUE);
        let (finished, done) = oneshot::channel();
        let counters = Arc::clone(&stats);
        std::thread::Builder::new().name("capture".into()).spawn(move || {
            writer.run(&entries, &counters);
            // Nobody waits any more if the peer was too impatient.
            let _ = finished.send(());
        })?;
        Ok(Self { queue, done, stats })
    }

    /// Adds a packet, or counts it as lost if the disk does not keep up.
    pub fn packet(&self, wall_nanos: u64, direction: Direction, packet: Vec<u8>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Entry { wall_nanos, direction, packet })
        {
            self.stats.capture_lost.add();
        }
    }

    /// Writes what is waiting and closes the file; gives up after two seconds.
    pub async fn finish(self) {
        drop(self.queue);
        if tokio::time::timeout(PATIENCE, self.done).await.is_err() {
            tracing::error!("the capture is not complete: its file does not take the last packets");
        }
    }
}

struct Writer<W: Write> {
    inner: PcapNgWriter<W>,
    broken: bool,
}

impl<W: Write> Writer<W> {
    fn start(to: W) -> Result<Self, PcapNgWriteError> {
        let application = concat!("dmvpn-peer ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            options: vec![SectionHeaderOption::UserApplication(application.into())],
            ..SectionHeaderBlock::default()
        };
        let mut inner = PcapNgWriter::with_section_header(to, section)?;
        inner.write_pcapng_block(InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName("underlay".into()),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        })?;
        Ok(Self { inner, broken: false })
    }

    fn run(&mut self, entries: &Receiver<Entry>, stats: &Stats) {
        loop {
            let entry = match entries.try_recv() {
                Ok(entry) => entry,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    match entries.recv() {
                        Ok(entry) => entry,
                        Err(_) => break,
                    }
                }
            };
            let result = if self.broken { Ok(false) } else { self.write(&entry).map(|()| true) };
            match result {
                Ok(true) => stats.capture_packets.add(),
                Ok(false) => stats.capture_failed.add(),
                Err(error) => {
                    self.give_up(&error);
                    stats.capture_failed.add()
                }
            };
        }
        self.flush();
    }

    fn write(&mut self, entry: &Entry) -> Result<(), PcapNgWriteError> {
        // if_direction of epb_flags.
        let direction = match entry.direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(entry.wall_nanos),
            original_len: u32::try_from(entry.packet.len()).unwrap_or(u32::MAX),
            data: Cow::Borrowed(&entry.packet),
            options: vec![EnhancedPacketOption::Flags(direction)],
        };
        self.inner.write_pcapng_block(block).map(|_| ())
    }

    fn flush(&mut self) {
        if !self.broken
            && let Err(error) = self.inner.get_mut().flush()
        {
            self.give_up(&PcapNgWriteError::Io(error));
        }
    }

    /// A block may be half written: nothing behind it could be read.
    fn give_up(&mut self, error: &PcapNgWriteError) {
        self.broken = true;
        tracing::error!("the capture ends here: {error}");
    }
}

fn to_io(error: PcapNgWriteError) -> io::Error {
    match error {
        PcapNgWriteError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many octets, then is full.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            if octets.len() > self.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= octets.len();
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_the_capture_and_is_counted() {
        let mut writer = Writer::start(Disk(400)).unwrap_or_else(|_| panic!("the header fits"));
        let stats = Stats::default();
        let (queue, entries) = sync_channel(100);
        for _ in 0..10 {
            queue.try_send(Entry { wall_nanos: 1, direction: Direction::In, packet: vec![0; 60] }).unwrap();
        }
        drop(queue);
        writer.run(&entries, &stats);
        assert!(writer.broken);
        assert!(stats.capture_packets.value() > 0 && stats.capture_failed.value() > 0);
        assert_eq!(stats.capture_packets.value() + stats.capture_failed.value(), 10);
    }

    #[tokio::test]
    async fn what_is_queued_is_in_the_file_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pcapng");
        let stats = Arc::new(Stats::default());
        let capture = Capture::create(&path, Arc::clone(&stats)).unwrap();
        // From 50 ns before 2106-02-07T06:28:16, where seconds need a 33rd bit.
        let begin = (1 << 32) * 1_000_000_000 - 50;
        for at in 0..100 {
            capture.packet(begin + at, Direction::Out, vec![0x45; 40]);
        }
        capture.finish().await;

        let mut reader = pcap_file::pcapng::PcapNgReader::new(File::open(&path).unwrap()).unwrap();
        let mut times = Vec::new();
        while let Some(block) = reader.next_block() {
            if let (pcap_file::pcapng::Block::EnhancedPacket(packet), _) = block.unwrap() {
                times.push(packet.timestamp.as_nanos());
            }
        }
        assert_eq!(times, (0..100).map(|at| u128::from(begin + at)).collect::<Vec<_>>());
        assert_eq!(stats.capture_packets.value(), 100);
    }
}
