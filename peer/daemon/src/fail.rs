//! How a command ends: its exit code, what is said, and what helps.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use miette::Diagnostic;

use crate::control::client::ClientError;
use crate::control::path::BindError;
use crate::underlay::OpenError;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// Exit code 1: there is no such thing, or the peer refused.
    Refused(String),
    /// Exit code 2: the configuration.
    Config(dmvpn_config::Error),
    /// Exit code 4: this machine, with the remedy.
    Environment {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
}

impl Failure {
    /// The exit code: 1 not found or refused, 2 usage or configuration, 4 environment.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) => 1,
            Self::Config(_) => 2,
            Self::Environment { .. } => 4,
        })
    }

    /// A fault of this machine.
    pub fn environment(message: impl fmt::Display, help: impl Into<String>) -> Self {
        Self::Environment { message: message.to_string(), help: help.into() }
    }

    /// A capture that can not be made.
    pub fn capture(path: &Path, error: &io::Error) -> Self {
        let message = format!("no capture file {}: {error}", path.display());
        Self::environment(message, "give a path in a directory that exists and that this user may write to")
    }

    /// A state file that can not be used.
    pub fn state(path: &Path, error: &io::Error) -> Self {
        let message = format!("no state file {}: {error}", path.display());
        let help = match error.kind() {
            io::ErrorKind::InvalidData => {
                "`state` names a file that is not one of this program's: remove it, or name another"
            }
            _ => "`state` must be in a directory that exists and that this user may write to",
        };
        Self::environment(message, help)
    }

    /// Report for people on standard error.
    pub fn report(self) -> miette::Report {
        match self {
            Self::Config(error) => error.into(),
            other => Said(other).into(),
        }
    }
}

impl From<dmvpn_config::Error> for Failure {
    fn from(error: dmvpn_config::Error) -> Self {
        Self::Config(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let program = std::env::current_exe().map_or_else(|_| "dmvpn-peer".into(), |path| path.display().to_string());
        let help = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("raw sockets need CAP_NET_RAW: run it as root, or once `sudo setcap cap_net_raw+ep {program}`")
            }
            io::ErrorKind::AddrNotAvailable => format!(
                "`nbma` must be an address of this machine: `ip address` lists them, `ip address add {}/24 dev eth0` adds one",
                error.local()
            ),
            _ => {
                "this kernel does not give raw sockets of that family: `sysctl net.ipv6.conf.all.disable_ipv6` for IPv6"
                    .into()
            }
        };
        Self::environment(error, help)
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        let help = match &error {
            BindError::InUse(path) => {
                format!("end that one with `dmvpn-peer stop --control {}`, or give this one another --control", path.display())
            }
            BindError::NotASocket(_) => "give another --control; nothing was touched".into(),
            BindError::Io { .. } => {
                "give --control a path of at most 107 octets, in a directory that exists and that this user may write to"
                    .into()
            }
        };
        Self::environment(error, help)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let help = match &error {
            ClientError::NoPeer { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "only the user that runs the peer, and root, may talk to it"
            }
            ClientError::NoPeer { .. } => {
                "start one with `dmvpn-peer up --config FILE`, or give the --control that it has"
            }
            ClientError::Broken { .. } => "it may just be stopping: look at its log",
            ClientError::NotAnAnswer { .. } => "use the program that the peer was started with",
        };
        Self::environment(&error, help)
    }
}

/// A failure without a place in a file.
struct Said(Failure);

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Refused(message) | Failure::Environment { message, .. } => f.write_str(message),
            Failure::Config(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for Said {}

impl Diagnostic for Said {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match &self.0 {
            Failure::Environment { help, .. } => Some(Box::new(help)),
            _ => None,
        }
    }
}
