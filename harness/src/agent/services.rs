//! Carries out requests where the router's daemons run: in the guest, or in the container itself.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;

use super::children::{Children, signal_group};
use super::outbox::Outbox;
use super::programs::Programs;
use super::protocol::{Action, Event, Message, Outcome, Request, Response, Status};
use super::{sys, vty};

/// Requests carried out at the same time; more are a mistake of the harness.
const MAX_AT_ONCE: usize = 32;
/// What is reported of a program's output.
const MAX_OUTPUT: u64 = 1024 * 1024;
/// A program that prints more is killed: what it prints is kept in memory.
const MAX_PRINTED: u64 = 16 * 1024 * 1024;
/// How often a running program's output is measured.
const MEASURE_EVERY: Duration = Duration::from_millis(100);
/// How long a program is waited for that is to print a certain line.
const LINE_PATIENCE: Duration = Duration::from_secs(10);
/// The longest line of a log that is passed on in one piece.
const MAX_LINE: u64 = 4096;

/// What an agent does for the harness.
pub(super) struct Services {
    /// Programs that somebody talks with.
    pub(super) programs: Programs,
    outbox: Outbox,
    children: Arc<Children>,
    daemons: Mutex<BTreeMap<String, Arc<Daemon>>>,
    at_once: AtomicUsize,
    /// Ends the router, after the answer to the request is on its way.
    end: Box<dyn Fn() + Send + Sync>,
}

/// A spawned program.
struct Daemon {
    pid: i32,
    state: Mutex<State>,
    /// Told when the state changes.
    changed: Condvar,
}

/// How far a spawned program is.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// It has printed the line that was waited for.
    line_seen: bool,
    /// Its end, once that has been told.
    status: Option<Status>,
}

impl Services {
    pub(super) fn new(outbox: Outbox, children: Arc<Children>, end: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let programs = Programs::new(outbox.clone(), Arc::clone(&children));
        let (daemons, at_once) = (Mutex::default(), AtomicUsize::new(0));
        Arc::new(Self { programs, outbox, children, daemons, at_once, end: Box::new(end) })
    }

    /// Takes a request as it arrived and sees to its response. Returns at once.
    pub(super) fn take(self: &Arc<Self>, payload: &[u8]) {
        let request: Request = match serde_json::from_slice(payload) {
            Ok(request) => request,
            Err(error) => return self.refuse(payload, &error),
        };
        if self.at_once.fetch_add(1, Ordering::AcqRel) >= MAX_AT_ONCE {
            self.at_once.fetch_sub(1, Ordering::AcqRel);
            let reason = format!("more than {MAX_AT_ONCE} requests at once");
            return self.answer(request.id, Outcome::Failed { reason });
        }
        let id = request.id;
        let services = Arc::clone(self);
        let started = thread::Builder::new().spawn(move || {
            let outcome = services.act(&request.action);
            let ends = asks_to_end(&request.action);
            services.answer(request.id, outcome);
            services.at_once.fetch_sub(1, Ordering::AcqRel);
            if ends {
                (services.end)();
            }
        });
        if let Err(error) = started {
            self.at_once.fetch_sub(1, Ordering::AcqRel);
            self.answer(id, failed("thread", error));
        }
    }

    fn refuse(&self, payload: &[u8], error: &serde_json::Error) {
        let reason = format!("request cannot be read: {error}");
        let id = serde_json::from_slice::<serde_json::Value>(payload).ok().and_then(|value| value.get("id")?.as_u64());
        match id {
            Some(id) => self.answer(id, Outcome::Failed { reason }),
            None => self.outbox.tell(Event::Refused { reason }),
        }
    }

    fn answer(&self, id: u64, outcome: Outcome) {
        if let Err(error) = self.outbox.send(&Message::Response(Response { id, outcome })) {
            // Too long to be sent, most likely; when nobody listens, this is lost too and does not matter.
            let outcome = failed("response", error);
            let _ = self.outbox.send(&Message::Response(Response { id, outcome }));
        }
    }

    fn act(self: &Arc<Self>, action: &Action) -> Outcome {
        match action {
            Action::Exec { argv, stdin, timeout_ms } => self
                .exec(argv, stdin.as_deref(), Duration::from_millis(*timeout_ms))
                .unwrap_or_else(|error| failed(argv.first().map_or("exec", String::as_str), error)),
            Action::Spawn { name, argv, env, until, timeout_ms } => {
                let patience = timeout_ms.map_or(LINE_PATIENCE, Duration::from_millis);
                self.spawn(name, argv, env, until.as_deref(), patience).unwrap_or_else(|error| failed(name, error))
            }
            Action::Kill { name, signal, wait_ms } => {
                self.kill(name, *signal, Duration::from_millis(*wait_ms)).unwrap_or_else(|error| failed(name, error))
            }
            Action::Write { path, text, mode, owner } => {
                done(path, write(Path::new(path), text, *mode, owner.as_deref()))
            }
            Action::Mkdir { path, mode, owner } => done(path, mkdir(Path::new(path), *mode, owner.as_deref())),
            Action::Remove { paths } => {
                let result = paths.iter().try_for_each(|path| remove(Path::new(path)).map_err(|error| (path, error)));
                result.map_or_else(|(path, error)| failed(path, error), |()| Outcome::Done {})
            }
            Action::Read { path, from_offset } => {
                read(Path::new(path), *from_offset).unwrap_or_else(|error| failed(path, error))
            }
            Action::Vty { socket, commands, until, timeout_ms } => {
                let deadline = Instant::now() + Duration::from_millis(*timeout_ms);
                match vty::run(socket, commands, until.as_deref(), deadline) {
                    Ok(replies) => Outcome::Vty { replies },
                    Err(reason) => Outcome::Failed { reason },
                }
            }
            Action::Batch { actions, keep_going } => {
                let mut outcomes = Vec::with_capacity(actions.len());
                for action in actions {
                    outcomes.push(self.act(action));
                    if !keep_going && outcomes.last().is_some_and(Outcome::failed) {
                        break;
                    }
                }
                Outcome::Batch { outcomes }
            }
            Action::Ping {} => Outcome::Pong { monotonic_ns: sys::monotonic_ns() },
            Action::Shutdown {} => Outcome::ShuttingDown {},
        }
    }

    fn exec(&self, argv: &[String], stdin: Option<&str>, timeout: Duration) -> io::Result<Outcome> {
        let deadline = Instant::now() + timeout;
        // Files in memory instead of pipes: nobody has to read while the program runs, and a grandchild which keeps
        // the other end open does not keep anybody waiting.
        let (stdout, stderr) = (memory_file()?, memory_file()?);
        let mut command = command(argv)?;
        command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        match stdin {
            Some(text) => {
                let mut file = memory_file()?;
                file.write_all(text.as_bytes())?;
                file.rewind()?;
                command.stdin(file)
            }
            None => command.stdin(Stdio::null()),
        };
        let mut child = self.children.start(&mut command)?;
        let pid = child.id() as i32;
        let mut overrun = false;
        let status = loop {
            let measure_at = deadline.min(Instant::now() + MEASURE_EVERY);
            if let Some(status) = self.children.wait(&mut child, Some(measure_at))? {
                break status;
            }
            let printed = stdout.metadata()?.len() + stderr.metadata()?.len();
            if Instant::now() >= deadline || printed > MAX_PRINTED {
                overrun = true;
                signal_group(pid, Signal::SIGKILL);
            }
        };
        let (stdout, cut_out) = contents(&stdout)?;
        let (stderr, cut_err) = contents(&stderr)?;
        Ok(Outcome::Exec { status, overrun, stdout, stderr, truncated: cut_out || cut_err })
    }

    fn spawn(
        self: &Arc<Self>,
        name: &str,
        argv: &[String],
        env: &BTreeMap<String, String>,
        until: Option<&str>,
        patience: Duration,
    ) -> io::Result<Outcome> {
        let mut daemons = self.daemons();
        if daemons.get(name).is_some_and(|daemon| daemon.status().is_none()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "runs already"));
        }
        let (log, printed) = io::pipe()?;
        let mut command = command(argv)?;
        command.envs(env).stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(printed);
        let mut child = self.children.start(&mut command)?;
        // The command holds the pipe's other end: the log would never come to its end.
        drop(command);
        let pid = child.id() as i32;
        let daemon = Arc::new(Daemon { pid, state: Mutex::default(), changed: Condvar::new() });
        daemons.insert(name.to_owned(), Arc::clone(&daemon));
        // Others have to be able to kill it while its line is waited for.
        drop(daemons);

        let (services, owned, reading) = (Arc::clone(self), name.to_owned(), Arc::clone(&daemon));
        let line = until.map(str::to_owned);
        let reader = thread::Builder::new().spawn(move || services.pass_on(&owned, log, line.as_deref(), &reading))?;
        let (services, name, waiting) = (Arc::clone(self), name.to_owned(), Arc::clone(&daemon));
        thread::Builder::new().spawn(move || {
            let status = services.children.wait(&mut child, None).ok().flatten().unwrap_or(Status::Exited(-1));
            // The last lines come first: they say why it ended. What a grandchild still prints is not waited for.
            let until = Instant::now() + Duration::from_millis(200);
            while !reader.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            // Before anybody who waits for the end goes on: after the answer to a `kill` nothing more comes of it.
            services.outbox.tell(Event::Exited { name, status });
            waiting.change(|state| state.status = Some(status));
        })?;
        let Some(line) = until else { return Ok(Outcome::Spawned { pid }) };
        let state = daemon.wait(patience, |state| state.line_seen || state.status.is_some());
        match (state.line_seen, state.status) {
            (true, _) => Ok(Outcome::Spawned { pid }),
            (false, Some(status)) => Err(io::Error::other(format!("ended ({status:?}) without printing `{line}`"))),
            (false, None) => {
                let what = format!("did not print `{line}` within {patience:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, what))
            }
        }
    }

    /// Passes on what a program prints, and notes when `line` is in a line of it.
    fn pass_on(&self, name: &str, log: impl Read, line: Option<&str>, daemon: &Daemon) {
        let mut awaited = line;
        let mut log = BufReader::new(log);
        let mut octets = Vec::new();
        while let Ok(1..) = log.by_ref().take(MAX_LINE).read_until(b'\n', &mut octets) {
            let line = String::from_utf8_lossy(&octets).trim_end_matches(['\r', '\n']).to_owned();
            let seen = awaited.take_if(|awaited| line.contains(&**awaited)).is_some();
            self.outbox.tell(Event::Log { name: name.to_owned(), line });
            if seen {
                daemon.change(|state| state.line_seen = true);
            }
            octets.clear();
        }
    }

    fn kill(&self, name: &str, signal: i32, wait: Duration) -> io::Result<Outcome> {
        let signal = Signal::try_from(signal)?;
        let daemon = self.daemons().get(name).cloned();
        let daemon = daemon.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "never spawned"))?;
        // A process that was waited for may have passed its number on.
        if daemon.status().is_none() {
            signal_group(daemon.pid, signal);
        }
        Ok(Outcome::Killed { status: daemon.wait(wait, |state| state.status.is_some()).status })
    }

    fn daemons(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Daemon>>> {
        self.daemons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Daemon {
    fn status(&self) -> Option<Status> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).status
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until the state is as wanted, or the time is over; says how it is then.
    fn wait(&self, timeout: Duration, wanted: impl Fn(&State) -> bool) -> State {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, timeout, |state| !wanted(state));
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn asks_to_end(action: &Action) -> bool {
    match action {
        Action::Shutdown {} => true,
        Action::Batch { actions, .. } => actions.iter().any(asks_to_end),
        _ => false,
    }
}

fn failed(what: &str, error: impl std::fmt::Display) -> Outcome {
    Outcome::Failed { reason: format!("{what}: {error}") }
}

fn done(what: &str, result: io::Result<()>) -> Outcome {
    result.map_or_else(|error| failed(what, error), |()| Outcome::Done {})
}

pub(super) fn command(argv: &[String]) -> io::Result<Command> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is named"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn memory_file() -> io::Result<File> {
    Ok(File::from(memfd_create("output", MFdFlags::MFD_CLOEXEC)?))
}

fn contents(file: &File) -> io::Result<(String, bool)> {
    let len = file.metadata()?.len();
    let mut octets = vec![0; len.min(MAX_OUTPUT) as usize];
    file.read_exact_at(&mut octets, 0)?;
    Ok((String::from_utf8_lossy(&octets).into_owned(), len > MAX_OUTPUT))
}

fn write(path: &Path, text: &str, mode: u32, owner: Option<&str>) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    // Exactly this, whatever the mask says and even if the file was there. Asked first: the kernel's own files have
    // permissions that nobody may set, not even to what they are.
    if file.metadata()?.permissions().mode() & 0o7777 != mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    give(path, owner)
}

fn mkdir(path: &Path, mode: u32, owner: Option<&str>) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    give(path, owner)
}

fn remove(path: &Path) -> io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn read(path: &Path, from_offset: u64) -> io::Result<Outcome> {
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    file.seek(SeekFrom::Start(from_offset))?;
    let mut octets = Vec::new();
    file.take(MAX_OUTPUT).read_to_end(&mut octets)?;
    let next_offset = from_offset + octets.len() as u64;
    Ok(Outcome::Read { text: String::from_utf8_lossy(&octets).into_owned(), next_offset })
}

fn give(path: &Path, owner: Option<&str>) -> io::Result<()> {
    let Some(owner) = owner else { return Ok(()) };
    let (user, group) = match owner.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (owner, None),
    };
    let uid = number_of("/etc/passwd", user)?;
    let gid = group.map(|group| number_of("/etc/group", group)).transpose()?;
    lchown(path, Some(uid), gid)
}

/// Looks a name up in the system's own file: the C library's look-up cannot be linked into a static program.
fn number_of(database: &str, name: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = fs::read_to_string(database)?;
    let number = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1))?
    });
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{database} does not know \"{name}\"")))
}

#[cfg(test)]
#[path = "services_tests.rs"]
mod tests;
