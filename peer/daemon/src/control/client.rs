//! The other side of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::proto::{Request, Response};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer, octets: the cache of a hub with half a million bindings.
const MAX_RESPONSE: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody serves the path.
    #[error("no peer answers on {path}: {source}")]
    NoPeer {
        /// Which path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the peer on {path} did not answer: {source}")]
    Broken {
        /// Which path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The answer is none.
    #[error("what answers on {path} is not a peer of this version: {source}")]
    NotAnAnswer {
        /// Which path.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// Asks the peer behind `path`. After [`Request::Stop`] this returns when the peer is down.
///
/// # Errors
/// Why there is no answer.
pub fn ask(path: &Path, request: &Request) -> Result<Response, ClientError> {
    let name = || path.display().to_string();
    let stream = UnixStream::connect(path).map_err(|source| ClientError::NoPeer { path: name(), source })?;
    let talk = || -> io::Result<Vec<u8>> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        (&stream).write_all(&request.to_line())?;
        let mut reader = BufReader::new((&stream).take(MAX_RESPONSE));
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if *request == Request::Stop {
            // End of file is the end of the peer; a second answer can not come.
            reader.read_to_end(&mut Vec::new())?;
        }
        Ok(line)
    };
    let line = talk().map_err(|source| ClientError::Broken { path: name(), source })?;
    serde_json::from_slice(&line).map_err(|source| ClientError::NotAnAnswer { path: name(), source })
}
