//! Ways into a topology that is up: `cargo lab up` keeps a door open, and `cargo lab shell` comes in by it.
//!
//! ```text
//!  terminal == cargo lab shell ==unix socket== cargo lab up ==agent's streams== agent == terminal of the program
//! ```
//!
//! On the socket the agent's own messages travel: a request (a [`Call`]), a response (an [`Answer`]), then the words of a
//! session. Nothing on the way keeps what its next one does not take, so that a reader who stops stops the program.

pub mod client;
pub mod desk;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::agent::protocol::{Decoder, Envelope, Kind};
use crate::agent::session::{Say, Session, Size};
use crate::place;
use crate::world::LabError;

/// What somebody who comes in wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Into which router.
    pub node: String,
    /// Program and arguments; what the router has for people when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// The caller's terminal: its size, and its kind as in the variable TERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<(Size, String)>,
}

/// What comes of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A session begins.
    Open,
    /// There is no way in.
    Refused {
        /// Why.
        problem: String,
        /// What to do instead.
        help: String,
    },
}

/// The one session on a socket.
const ONLY: u32 = 0;

/// One end of a socket, for reading.
#[derive(Debug)]
struct Ear {
    stream: UnixStream,
    decoder: Decoder,
}

impl Ear {
    fn new(stream: UnixStream) -> Self {
        Self { stream, decoder: Decoder::new() }
    }

    /// The next message, or nothing at the end.
    fn next(&mut self) -> io::Result<Option<Envelope>> {
        let mut octets = [0; 16 * 1024];
        loop {
            if let Some(envelope) = self.decoder.next_envelope().map_err(io::Error::other)? {
                return Ok(Some(envelope));
            }
            match self.stream.read(&mut octets) {
                Ok(0) => return Ok(None),
                Ok(len) => self.decoder.push(&octets[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next message, which has to be a JSON document of this kind.
    fn document<T: serde::de::DeserializeOwned>(&mut self, kind: Kind) -> io::Result<T> {
        match self.next()? {
            Some(envelope) if envelope.kind == kind => serde_json::from_slice(&envelope.payload).map_err(Into::into),
            Some(_) => Err(io::Error::other("something else was said")),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The next word of the session, or nothing at the end.
    fn word(&mut self) -> io::Result<Option<Say>> {
        let Some(envelope) = self.next()? else { return Ok(None) };
        if envelope.kind != Kind::Session {
            return Err(io::Error::other("something else was said"));
        }
        Ok(Some(Session::read(&envelope.payload).map_err(io::Error::other)?.say))
    }
}

fn send(mut stream: &UnixStream, kind: Kind, payload: Vec<u8>) -> io::Result<()> {
    let mut octets = Vec::new();
    Envelope { kind, payload }.encode(&mut octets).map_err(io::Error::other)?;
    stream.write_all(&octets)
}

fn send_document(stream: &UnixStream, kind: Kind, document: &impl Serialize) -> io::Result<()> {
    send(stream, kind, serde_json::to_vec(document)?)
}

fn send_word(stream: &UnixStream, say: Say) -> io::Result<()> {
    send(stream, Kind::Session, Session { id: ONLY, say }.payload().map_err(io::Error::other)?)
}

/// Where the door of a topology is, by the name that it was brought up under.
#[derive(Clone, Debug)]
pub struct Place {
    name: String,
    folder: PathBuf,
}

impl Place {
    /// The place of this name: in the folder for sockets of the user's session if there is one, else in the cache.
    ///
    /// # Errors
    /// `cache.unusable` if there is no folder that can be written.
    pub fn of(name: &str) -> Result<Self, LabError> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = match runtime.filter(|path| path.is_dir()) {
            Some(runtime) => runtime.join("dmvpn-lab"),
            None => place::cache()?.join("up"),
        };
        // Nobody else may come in.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        let made = made.and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(0o700)));
        made.map_err(|error| {
            LabError::environment(
                "cache.unusable",
                format!("{} can not be made: {error}", folder.display()),
                "set XDG_RUNTIME_DIR or XDG_CACHE_HOME to a folder that you may write to",
            )
        })?;
        Ok(Self { name: name.to_owned(), folder })
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(format!("{}.sock", self.name))
    }

    /// Takes the place: nobody else has it as long as the returned value lives, however that ends.
    ///
    /// # Errors
    /// `up.running` if somebody has it.
    pub fn reserve(&self) -> Result<Reserved, LabError> {
        let path = self.folder.join(format!("{}.lock", self.name));
        let trouble = |error: io::Error| unusable(&path, &error);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(trouble)?;
        match lock.try_lock() {
            Ok(()) => Ok(Reserved { place: self.clone(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(LabError::environment(
                "up.running",
                format!("a topology of the name `{}` is up already", self.name),
                "come in with `cargo lab shell`, end it with Ctrl-C where it runs, or give this one another name with `--name`",
            )),
            Err(TryLockError::Error(error)) => Err(trouble(error)),
        }
    }
}

/// A place that is ours.
#[derive(Debug)]
pub struct Reserved {
    place: Place,
    _lock: File,
}

impl Reserved {
    /// Opens the door.
    fn listen(&self) -> Result<UnixListener, LabError> {
        let path = self.place.socket();
        // Whoever has left it there is gone: the place is ours.
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path);
        let listener = listener.and_then(|listener| {
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        });
        listener.map_err(|error| unusable(&path, &error))
    }
}

fn unusable(path: &Path, error: &io::Error) -> LabError {
    LabError::environment(
        "up.door",
        format!("{} can not be used: {error}", path.display()),
        "set XDG_RUNTIME_DIR to a folder that you may write to, with a short name",
    )
}
