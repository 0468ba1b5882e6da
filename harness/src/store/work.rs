//! What goes on outside while something is made, and how it is stopped: a program, a container, a thread that unpacks.

use std::{
    io::{self, Read},
    path::Path,
    process::ExitStatus,
};

use bollard::{
    Docker,
    models::ContainerCreateBody,
    query_parameters::{CreateContainerOptions, RemoveContainerOptionsBuilder},
};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::{ChildStderr, ChildStdout},
    sync::mpsc,
    task::JoinHandle,
};

use super::{
    Failed, trouble,
    unpack::{self, Unpacked},
};
use crate::{
    docker,
    images::{Program, Transcript},
    world::LabError,
};

/// How many pieces of an archive wait to be unpacked.
const WAITING: usize = 16;

/// A program's output is taken in pieces of this size.
const PIECE: usize = 256 * 1024;

/// What goes on. Kept outside of the future that does the work, which is dropped when the user interrupts.
#[derive(Default)]
pub(super) struct Work {
    program: Option<Program>,
    container: Option<(Docker, String)>,
    unpacking: Option<JoinHandle<io::Result<Unpacked>>>,
}

impl Work {
    /// Ends what still goes on, and waits for it: afterwards nobody writes into the store any more.
    pub(super) async fn stop(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.stop().await;
        }
        if let Some((docker, id)) = self.container.take() {
            let forced = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            let _ = docker.remove_container(&id, Some(forced)).await;
        }
        if let Some(unpacking) = self.unpacking.take() {
            let _ = unpacking.await;
        }
    }

    /// Unpacks the file system of an image into a folder.
    pub(super) async fn export(&mut self, docker: &Docker, image: &str, into: &Path) -> Result<Unpacked, Failed> {
        let refused = |error| docker::trouble(&format!("{image} can not be taken out of the engine"), &error);
        // Never started: only a container can be exported, and one must have a command.
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: Some(vec!["/none".to_owned()]),
            labels: Some(docker::owned()),
            network_disabled: Some(true),
            ..Default::default()
        };
        let container = docker.create_container(None::<CreateContainerOptions>, body).await.map_err(refused)?.id;
        self.container = Some((docker.clone(), container.clone()));
        let pieces = self.unpack(into);
        let mut stream = std::pin::pin!(docker.export_container(&container));
        while let Some(piece) = stream.next().await {
            // Nobody takes it any more: the thread has ended, and says why.
            if pieces.send(piece.map_err(refused)?.to_vec()).await.is_err() {
                break;
            }
        }
        drop(pieces);
        self.unpacked(into).await
    }

    /// Unpacks the archive that a program puts out, and passes on its words.
    pub(super) async fn unpack_output(
        &mut self,
        (program, stdout, stderr): (Program, ChildStdout, ChildStderr),
        into: &Path,
        transcript: &mut Transcript<'_>,
    ) -> Result<(Unpacked, ExitStatus), Failed> {
        self.program = Some(program);
        let pieces = self.unpack(into);
        let (passed, ()) = tokio::join!(pass_on(stdout, pieces), tell(stderr, transcript));
        let status = self.ended().await?;
        // A program that failed explains itself, and its archive is cut off besides.
        let unpacked = match status.success() {
            true => self.unpacked(into).await?,
            false => Unpacked::default(),
        };
        passed.map_err(|error| Failed::Words(format!("its output can not be read: {error}")))?;
        Ok((unpacked, status))
    }

    /// Runs a program, and passes on its words.
    pub(super) async fn run(
        &mut self,
        (program, stdout, stderr): (Program, ChildStdout, ChildStderr),
        transcript: &mut Transcript<'_>,
    ) -> Result<ExitStatus, Failed> {
        self.program = Some(program);
        tell(stdout, transcript).await;
        tell(stderr, transcript).await;
        self.ended().await
    }

    async fn ended(&mut self) -> Result<ExitStatus, Failed> {
        let Some(program) = &mut self.program else { return Err(Failed::Words("no program".to_owned())) };
        let status = program.wait().await.map_err(|error| Failed::Words(error.to_string()))?;
        self.program = None;
        Ok(status)
    }

    /// Starts a thread that unpacks what is sent to it.
    fn unpack(&mut self, into: &Path) -> mpsc::Sender<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let into = into.to_owned();
        self.unpacking = Some(tokio::task::spawn_blocking(move || {
            unpack::unpack(Pieces { receiver, piece: Vec::new(), at: 0 }, &into)
        }));
        sender
    }

    async fn unpacked(&mut self, into: &Path) -> Result<Unpacked, Failed> {
        let Some(unpacking) = &mut self.unpacking else { return Err(Failed::Words("nothing unpacks".to_owned())) };
        let outcome = unpacking.await;
        self.unpacking = None;
        match outcome {
            Ok(unpacked) => Ok(unpacked.map_err(|error| not_unpacked(into, &error))?),
            Err(error) => Err(LabError::internal(format!("unpacking ended: {error}")).into()),
        }
    }
}

fn not_unpacked(into: &Path, error: &io::Error) -> LabError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::PermissionDenied => {
            trouble(into, error)
        }
        _ => {
            // The archive's reader says in which file, and the reason behind it only if asked.
            let mut words = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                words += &format!(": {cause}");
                source = cause.source();
            }
            LabError::environment(
                "root.archive",
                format!("the system can not be unpacked: {words}"),
                "an archive that is cut off or not a system's is refused whole: try again, and remove the image if it came \
                 out of one (`cargo lab images remove --driver container`)",
            )
        }
    }
}

async fn pass_on(mut stdout: ChildStdout, pieces: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    let mut lost = false;
    loop {
        let mut piece = vec![0; PIECE];
        let len = stdout.read(&mut piece).await?;
        if len == 0 {
            return Ok(());
        }
        piece.truncate(len);
        // Read to the end all the same, or the program would say that its reader is gone instead of what is wrong.
        lost = lost || pieces.send(piece).await.is_err();
    }
}

async fn tell(words: impl AsyncRead + Unpin, transcript: &mut Transcript<'_>) {
    let mut lines = BufReader::new(words).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        transcript.line(String::from_utf8_lossy(&line).trim_end());
    }
}

/// What is sent to a thread, as something that can be read there. It ends when the sender is gone.
struct Pieces {
    receiver: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.receiver.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return Ok(0),
            }
        }
        let len = into.len().min(self.piece.len() - self.at);
        into[..len].copy_from_slice(&self.piece[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}
