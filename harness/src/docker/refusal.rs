//! Why an engine can not be used, and exactly what to do about it.

use std::{
    env, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::errors::Error;

use crate::world::LabError;

/// The cause for machines where no engine answers.
const UNREACHABLE: &str = "docker.unreachable";

/// How a connection failed.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no such socket.
    Absent,
    /// The socket is there, and the engine behind it gone.
    Deaf,
    /// The socket is not for this user. The group that may use it, if it is for one.
    Denied { group: Option<u32> },
    /// It did not answer in time.
    Silent(Duration),
    /// The kind of address is not known here.
    Scheme,
    /// Something answers that is not an engine.
    Strange(String),
    /// The engine's API is too old.
    TooOld { has: (usize, usize), needs: (usize, usize) },
    /// Anything else.
    Other(String),
}

impl Refusal {
    /// From an attempt to connect to a socket of this machine.
    pub(super) fn of_socket(path: &Path, error: &io::Error) -> Refusal {
        match error.kind() {
            io::ErrorKind::NotFound => Refusal::Absent,
            io::ErrorKind::ConnectionRefused => Refusal::Deaf,
            io::ErrorKind::PermissionDenied => {
                let group = fs::metadata(path).ok().filter(|meta| meta.mode() & 0o020 != 0).map(|meta| meta.gid());
                Refusal::Denied { group }
            }
            _ => Refusal::Other(error.to_string()),
        }
    }

    /// From what the client says.
    pub(super) fn of_client(error: &Error) -> Refusal {
        match error {
            Error::RequestTimeoutError => Refusal::Silent(super::PATIENCE),
            Error::JsonDataError { .. } | Error::JsonSerdeError { .. } | Error::APIVersionParseError { .. } => {
                Refusal::Strange("its answer can not be read".to_owned())
            }
            Error::DockerResponseServerError { status_code, message } => {
                Refusal::Strange(format!("status {status_code}: {}", message.trim()))
            }
            _ => match io_cause(error) {
                Some(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => Refusal::Deaf,
                Some(cause) => Refusal::Other(cause.to_string()),
                None => Refusal::Other(innermost(error)),
            },
        }
    }

    /// What to tell the user. `named`: the address is from `DOCKER_HOST`.
    pub(super) fn explain(&self, host: &str, named: bool, machine: &Machine) -> LabError {
        let problem = |what: &str| format!("no container engine answers at {host}: {what}");
        let alternative = "; world `sim` needs none: `cargo lab run --world sim`";
        let start = || machine.start(host, named) + alternative;
        match self {
            Refusal::Absent => LabError::environment(UNREACHABLE, problem("there is no such socket"), start()),
            Refusal::Deaf if host.starts_with("unix://") => {
                LabError::environment(UNREACHABLE, problem("the socket is there, but nobody listens on it"), start())
            }
            Refusal::Deaf => LabError::environment(UNREACHABLE, problem("the connection is refused"), start()),
            Refusal::Silent(patience) => {
                let what = format!("it said nothing for {} s", patience.as_secs());
                LabError::environment(UNREACHABLE, problem(&what), start())
            }
            Refusal::Other(what) => LabError::environment(UNREACHABLE, problem(what), start()),
            Refusal::Strange(what) => LabError::environment(
                UNREACHABLE,
                format!("what answers at {host} answers not as a container engine does: {what}"),
                "let DOCKER_HOST name the socket or port of a Docker Engine (19.03 or later)",
            ),
            Refusal::Denied { group } => LabError::environment(
                "docker.permission",
                format!("{} may not use the container engine at {host}", machine.user_words()),
                machine.permit(*group),
            ),
            Refusal::Scheme => LabError::environment(
                UNREACHABLE,
                format!(
                    "the engine's address {host} is of a kind that the lab does not speak (unix:// or plain tcp://)"
                ),
                detour(host),
            ),
            Refusal::TooOld { has, needs } => LabError::environment(
                "docker.too-old",
                format!(
                    "the container engine at {host} speaks version {}.{} of its API, the lab needs {}.{}",
                    has.0, has.1, needs.0, needs.1
                ),
                "install Docker Engine 19.03 or later, `sudo apt-get install docker.io` on Debian and Ubuntu",
            ),
        }
    }
}

/// An error of the engine in the middle of the work. `what` was being done, as in "the image x can not be removed".
pub fn trouble(what: &str, error: &Error) -> LabError {
    match error {
        Error::DockerResponseServerError { message, .. } => {
            LabError::environment("docker.refused", format!("{what}: {}", message.trim()), LOG)
        }
        Error::DockerStreamError { error } => {
            LabError::environment("docker.refused", format!("{what}: {}", error.trim()), LOG)
        }
        Error::RequestTimeoutError => {
            LabError::environment("docker.timeout", format!("{what}: the engine takes too long"), LOG)
        }
        other => LabError::environment(UNREACHABLE, format!("{what}: {}", innermost(other)), LOG),
    }
}

/// Where the engine says more.
const LOG: &str = "look into the engine's log: `journalctl -u docker` or `/var/log/docker.log`";

/// What can be tunnelled, and how.
fn detour(host: &str) -> String {
    match host.strip_prefix("ssh://") {
        Some(there) => format!(
            "`ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock {there} &`, then `export DOCKER_HOST=unix:///tmp/docker.sock`"
        ),
        None => "with TLS, reach the engine through `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST &` and \
                 `export DOCKER_HOST=unix:///tmp/docker.sock; unset DOCKER_TLS_VERIFY`"
            .to_owned(),
    }
}

fn io_cause(error: &Error) -> Option<&io::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return Some(cause);
        }
        source = cause.source();
    }
    None
}

/// The last of the chain says what happened; those before it only through how many hands it went.
fn innermost(error: &Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// What remedies depend on, collected so that tests can make it up.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// The user's name, if it has one.
    pub(super) user: Option<String>,
    /// The user's number.
    pub(super) uid: u32,
    /// `/etc/group`.
    pub(super) groups: String,
    /// The engine's program is installed.
    pub(super) has_engine: bool,
    /// Packages come by apt.
    pub(super) has_apt: bool,
    /// Services are started by systemd.
    pub(super) has_systemd: bool,
    /// Sockets of engines that people run without root.
    pub(super) other_sockets: Vec<PathBuf>,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Machine {
        let uid = nix::unistd::getuid().as_raw();
        // Read from the files: the C library's look-ups do not work in a statically linked program.
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let folder = |name| env::var_os(name).map(PathBuf::from);
        let candidates = [
            folder("XDG_RUNTIME_DIR").map(|at| at.join("docker.sock")),
            folder("HOME").map(|at| at.join(".docker/run/docker.sock")),
            folder("XDG_RUNTIME_DIR").map(|at| at.join("podman/podman.sock")),
        ];
        Machine {
            user: entry(&passwd, 2, uid).map(|fields| fields[0].to_owned()),
            uid,
            groups: fs::read_to_string("/etc/group").unwrap_or_default(),
            has_engine: find_program("dockerd").is_some(),
            has_apt: find_program("apt-get").is_some(),
            has_systemd: Path::new("/run/systemd/system").is_dir(),
            other_sockets: candidates.into_iter().flatten().filter(|path| path.exists()).collect(),
        }
    }

    fn user_words(&self) -> String {
        self.user.as_ref().map_or_else(|| format!("user {}", self.uid), |name| format!("user `{name}`"))
    }

    /// How an engine comes to be there.
    fn start(&self, host: &str, named: bool) -> String {
        let local = host.starts_with("unix://");
        if named && (!local || host != super::USUAL_HOST) {
            let usual = "or `unset DOCKER_HOST` to use the one of this machine";
            return match local {
                true => format!("DOCKER_HOST names it: start the engine that listens there, {usual}"),
                false => {
                    format!("DOCKER_HOST names it: start the engine there and let it listen on that port, {usual}")
                }
            };
        }
        if let Some(socket) = self.other_sockets.first() {
            return format!("another one seems to be there: `export DOCKER_HOST=unix://{}`", socket.display());
        }
        let run =
            if self.has_systemd { "sudo systemctl start docker" } else { "sudo dockerd >/tmp/dockerd.log 2>&1 &" };
        match (self.has_engine, self.has_apt) {
            (true, _) => format!("start it: `{run}`"),
            (false, true) => format!("install it: `sudo apt-get install docker.io`, and start it: `{run}`"),
            (false, false) => format!("install Docker Engine, and start it: `{run}`"),
        }
    }

    /// How this user comes to be permitted.
    fn permit(&self, group: Option<u32>) -> String {
        // A group of root's own is no group to put people into.
        let named = group.filter(|gid| *gid != 0).and_then(|gid| entry(&self.groups, 2, gid));
        match (named, &self.user) {
            (Some(fields), Some(user)) => {
                let name = fields[0];
                let member = fields.get(3).is_some_and(|members| members.split(',').any(|member| member == user));
                match member {
                    true => format!(
                        "group `{name}` has `{user}` already, this session not yet: `newgrp {name}`, or log in again"
                    ),
                    false => format!("`sudo usermod -aG {name} {user}`, then `newgrp {name}` or log in again"),
                }
            }
            _ => "run it with `sudo`, or let DOCKER_HOST name an engine of your own".to_owned(),
        }
    }
}

/// The line of a file like `/etc/passwd` that has this number in this field.
fn entry(file: &str, field: usize, number: u32) -> Option<Vec<&str>> {
    let number = number.to_string();
    file.lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(field) == Some(&number.as_str()))
}

/// A program on the path, or where administrators' programs lie, which is not on everybody's.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| fs::metadata(program).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: LabError) -> (String, String, String) {
        match error {
            LabError::Environment { cause, problem, remedy } => (cause, problem, remedy),
            other => panic!("{other:?}"),
        }
    }

    const USUAL: &str = super::super::USUAL_HOST;

    #[test]
    fn who_may_not_is_told_which_group_to_join() {
        let groups = "root:x:0:\ndocker:x:105:ann\n".to_owned();
        let bob = Machine { user: Some("bob".into()), uid: 1001, groups: groups.clone(), ..Machine::default() };
        let (cause, problem, remedy) = said(Refusal::Denied { group: Some(105) }.explain(USUAL, false, &bob));
        assert_eq!(cause, "docker.permission");
        assert_eq!(problem, "user `bob` may not use the container engine at unix:///var/run/docker.sock");
        assert_eq!(remedy, "`sudo usermod -aG docker bob`, then `newgrp docker` or log in again");

        let ann = Machine { user: Some("ann".into()), groups, ..Machine::default() };
        let (_, _, remedy) = said(Refusal::Denied { group: Some(105) }.explain(USUAL, false, &ann));
        assert!(
            remedy.starts_with("group `docker` has `ann` already, this session not yet: `newgrp docker`"),
            "{remedy}"
        );
        for group in [Some(0), Some(999), None] {
            let (_, _, remedy) = said(Refusal::Denied { group }.explain(USUAL, false, &ann));
            assert!(remedy.contains("`sudo`"), "{remedy}");
        }
    }

    #[test]
    fn an_engine_is_found_started_or_installed() {
        let remedy = |machine: &Machine| said(Refusal::Absent.explain(USUAL, false, machine)).2;
        let mut machine = Machine { has_apt: true, has_systemd: true, ..Machine::default() };
        assert!(
            remedy(&machine).starts_with("install it: `sudo apt-get install docker.io`, and start it: `sudo systemctl")
        );
        machine.has_engine = true;
        assert!(remedy(&machine).starts_with("start it: `sudo systemctl start docker`; world `sim` needs none"));
        machine.has_systemd = false;
        assert!(remedy(&machine).starts_with("start it: `sudo dockerd "));
        machine.other_sockets.push("/run/user/1000/docker.sock".into());
        assert!(remedy(&machine).contains("`export DOCKER_HOST=unix:///run/user/1000/docker.sock`"));
    }

    #[test]
    fn errors_in_the_middle_of_the_work_say_what_was_being_done() {
        let error = Error::DockerResponseServerError { status_code: 409, message: "image is in use\n".into() };
        let (cause, problem, _) = said(trouble("the image x can not be removed", &error));
        assert_eq!(
            (cause.as_str(), problem.as_str()),
            ("docker.refused", "the image x can not be removed: image is in use")
        );
        let error = Error::IOError { err: io::Error::new(io::ErrorKind::BrokenPipe, "broken pipe") };
        assert_eq!(said(trouble("x", &error)).0, UNREACHABLE);
    }
}
