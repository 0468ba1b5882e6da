//! The peer's side. Each client has a task; the node sees only whole requests, one at a time.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::path::{BindError, Bound};
use super::proto::{ErrorKind, MAX_REQUEST, Request, Response};
use crate::stats::Stats;

/// Clients at the same time.
const CLIENTS: usize = 16;

/// How long a client may take for a request, and for reading an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the end of the peer waits for clients that have an answer to read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A request and where its answer goes.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub request: Request,
    /// The answer's way.
    pub reply: oneshot::Sender<Response>,
}

/// A control socket that is being served.
#[derive(Debug)]
pub struct Server {
    bound: Option<Bound>,
    accepting: JoinHandle<()>,
    closing: watch::Sender<bool>,
    clients: Arc<Semaphore>,
}

impl Server {
    /// Takes the path and serves it; calls come out of the receiver.
    ///
    /// # Errors
    /// Why the path can not be had.
    pub async fn start(path: &Path, stats: Arc<Stats>) -> Result<(Self, mpsc::Receiver<Call>), BindError> {
        let (bound, listener) = Bound::bind(path).await?;
        let listener =
            UnixListener::from_std(listener).map_err(|source| BindError::Io { path: path.to_owned(), source })?;
        let (calls, receiver) = mpsc::channel(CLIENTS);
        let (closing, closed) = watch::channel(false);
        let clients = Arc::new(Semaphore::new(CLIENTS));
        let accepting = tokio::spawn(accept(listener, calls, closed, Arc::clone(&clients), stats));
        Ok((Self { bound: Some(bound), accepting, closing, clients }, receiver))
    }

    /// Takes no more clients and removes the path. Clients stay connected until [`Server::finish`].
    pub fn close(&mut self) {
        self.accepting.abort();
        self.bound = None;
    }

    /// Lets clients read what they were answered, for a second, and ends their connections.
    pub async fn finish(mut self) {
        self.close();
        // No receiver: no client.
        let _ = self.closing.send(true);
        let everyone = u32::try_from(CLIENTS).expect("a small number");
        let _ = tokio::time::timeout(LAST_WORDS, self.clients.acquire_many(everyone)).await;
    }
}

async fn accept(
    listener: UnixListener,
    calls: mpsc::Sender<Call>,
    closing: watch::Receiver<bool>,
    clients: Arc<Semaphore>,
    stats: Arc<Stats>,
) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, as a rule: trying again at once would spin.
                tracing::warn!("control socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&clients).try_acquire_owned() else {
            stats.control_busy.add();
            let message = format!("there are {CLIENTS} clients already");
            let line = Response::Error { kind: ErrorKind::Busy, message }.to_line();
            // One try: the buffer of a new socket takes a line, and nobody waits for this client.
            let _ = stream.into_std().and_then(|mut stream| stream.write(&line));
            continue;
        };
        stats.control_clients.add();
        let (calls, closing, stats) = (calls.clone(), closing.clone(), Arc::clone(&stats));
        tokio::spawn(async move {
            let _permit = permit;
            // A client that goes away is no concern of ours.
            let _ = serve(stream, &calls, closing, &stats).await;
        });
    }
}

/// Serves one client until it leaves, is too slow, or the peer ends.
async fn serve(
    stream: UnixStream,
    calls: &mpsc::Sender<Call>,
    mut closing: watch::Receiver<bool>,
    stats: &Stats,
) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut line = Vec::new();
    loop {
        line.clear();
        // One octet more than allowed tells "too long" from "just fits".
        let mut limited = (&mut reading).take(MAX_REQUEST as u64 + 1);
        let read = tokio::time::timeout(PATIENCE, limited.read_until(b'\n', &mut line));
        let len = tokio::select! {
            read = read => match read {
                Ok(len) => len?,
                Err(_) => {
                    stats.control_timeouts.add();
                    return Ok(());
                }
            },
            _ = closing.wait_for(|closing| *closing) => return Ok(()),
        };
        if len == 0 {
            return Ok(());
        }
        let too_long = len > MAX_REQUEST;
        let response = if too_long {
            stats.control_bad_requests.add();
            Response::Error { kind: ErrorKind::TooLong, message: format!("a request has at most {MAX_REQUEST} octets") }
        } else {
            match Request::parse(line.trim_ascii_end()) {
                Ok(request) => ask(calls, request).await,
                Err(message) => {
                    stats.control_bad_requests.add();
                    Response::Error { kind: ErrorKind::BadRequest, message }
                }
            }
        };
        // A hub's cache is megabytes of JSON: not on the node's thread.
        let line = tokio::task::spawn_blocking(move || response.to_line()).await.map_err(io::Error::other)?;
        if tokio::time::timeout(PATIENCE, writing.write_all(&line)).await.is_err() {
            stats.control_timeouts.add();
            return Ok(());
        }
        // What is left of an overlong line would be taken for requests.
        if too_long {
            return Ok(());
        }
    }
}

async fn ask(calls: &mpsc::Sender<Call>, request: Request) -> Response {
    let stopping = || Response::Error { kind: ErrorKind::Stopping, message: "the peer is going down".into() };
    let (reply, answer) = oneshot::channel();
    if calls.send(Call { request, reply }).await.is_err() {
        return stopping();
    }
    answer.await.unwrap_or_else(|_| stopping())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn exchange(stream: &mut BufReader<UnixStream>, request: &[u8]) -> String {
        stream.get_mut().write_all(request).await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        line
    }

    #[tokio::test]
    async fn clients_are_bounded_in_number_line_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let stats = Arc::new(Stats::default());
        let (server, mut calls) = Server::start(&path, Arc::clone(&stats)).await.unwrap();
        tokio::spawn(async move {
            while let Some(call) = calls.recv().await {
                let _ = call.reply.send(Response::Cleared { bindings: 3 });
            }
        });
        let connect = async || BufReader::new(UnixStream::connect(&path).await.unwrap());

        let mut good = connect().await;
        assert_eq!(exchange(&mut good, b"{\"clear\":\"nhrp\"}\n").await, "{\"cleared\":{\"bindings\":3}}\n");
        assert!(exchange(&mut good, b"nonsense\n").await.contains("bad_request"));
        assert!(exchange(&mut good, b"{\"clear\":\"nhrp\"}\r\n").await.contains("cleared"));

        let mut long = connect().await;
        assert!(exchange(&mut long, &[b'x'; MAX_REQUEST + 1]).await.contains("too_long"));
        assert_eq!(long.read_line(&mut String::new()).await.unwrap_or(0), 0, "closed");

        let mut silent = Vec::new();
        while stats.control_busy.value() == 0 {
            silent.push(connect().await);
            tokio::task::yield_now().await;
        }
        // The one that was sent away reads why.
        let mut line = String::new();
        silent.last_mut().unwrap().read_line(&mut line).await.unwrap();
        assert!(line.contains("busy"), "{line}");
        // Those that are in are still served while the silent ones sit there.
        assert!(exchange(&mut good, b"{\"clear\":\"nhrp\"}\n").await.contains("cleared"));

        server.finish().await;
        assert!(!path.exists());
        assert_eq!(good.read_line(&mut String::new()).await.unwrap(), 0);
    }
}
