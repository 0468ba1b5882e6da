//! Log lines on standard error, behind a queue: whoever started the peer and does not read must not hold up the node.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::stats::Stats;

/// Lines that may wait.
const QUEUE: usize = 4096;

/// How long the end of the peer waits for the reader.
const PATIENCE: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The way to standard error.
#[derive(Clone, Debug)]
pub struct Log {
    queue: SyncSender<Item>,
    stats: Arc<Stats>,
}

impl Log {
    /// Starts the writer and makes it the target of all tracing in this process.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(filter: EnvFilter, stats: Arc<Stats>) -> io::Result<Self> {
        let (queue, items) = sync_channel(QUEUE);
        std::thread::Builder::new().name("log".into()).spawn(move || write(&items))?;
        let log = Self { queue, stats };
        let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(log.clone()).finish();
        tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
        Ok(log)
    }

    /// A line without time and level.
    pub fn notice(&self, text: &str) {
        self.push(format!("{text}\n").into_bytes());
    }

    fn push(&self, line: Vec<u8>) {
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.stats.log_lost.add();
        }
    }

    /// Waits until everything is written, for a second at most.
    pub fn finish(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

fn write(items: &Receiver<Item>) {
    let mut to = io::stderr();
    while let Ok(item) = items.recv() {
        match item {
            // A closed standard error is no reason to stop, and there is nowhere to say so.
            Item::Line(line) => drop(to.write_all(&line)),
            Item::Flush(done) => drop(done.send(())),
        }
    }
}

/// One event on its way into the queue.
#[derive(Debug)]
pub struct Line<'a> {
    log: &'a Log,
    octets: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.octets.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.log.push(std::mem::take(&mut self.octets));
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { log: self, octets: Vec::new() }
    }
}
