//! Labels: what is the lab's, whose it is, and what it was made from.

use std::{collections::HashMap, fmt, fs, os::unix::fs::MetadataExt, path::Path, str::FromStr};

/// On everything that the lab makes; the value is `1`.
pub const LAB: &str = "dmvpn-lab";

/// On containers and networks: the process that made them, an [`Owner`].
pub const OWNER: &str = "dmvpn-lab.owner";

/// On images: the hash of all that they are made from.
pub const CONTENT: &str = "dmvpn-lab.content";

/// The process namespace that a machine starts with has this number in every Linux kernel.
const FIRST_NAMESPACE: u64 = 0xEFFF_FFFC;

/// A process that made something: `<pid>@<boot id>`, with `+<namespace>` behind it if process numbers are those of a
/// container and so mean nothing outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pid: u32,
    place: String,
}

/// Whether an owner lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Alive,
    /// It does not.
    Dead,
    /// It lived before this machine booted, or on another machine, or in a container.
    Unknown,
}

impl Owner {
    /// This process.
    pub fn here() -> Owner {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim();
        let place = match fs::metadata("/proc/self/ns/pid").map(|meta| meta.ino()) {
            Ok(namespace) if namespace != FIRST_NAMESPACE => format!("{boot}+{namespace}"),
            _ => boot.to_owned(),
        };
        Owner { pid: std::process::id(), place }
    }

    /// Whether it lives, seen from this process.
    pub fn life(&self) -> Life {
        self.life_seen_from(&Owner::here().place, |pid| Path::new(&format!("/proc/{pid}")).exists())
    }

    fn life_seen_from(&self, place: &str, exists: impl Fn(u32) -> bool) -> Life {
        match self.place == place && !place.is_empty() {
            false => Life::Unknown,
            true if exists(self.pid) => Life::Alive,
            true => Life::Dead,
        }
    }

    /// Its number, as its own machine counts.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.place)
    }
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Owner, String> {
        let parts = text.split_once('@').and_then(|(pid, place)| Some((pid.parse().ok()?, place)));
        let (pid, place) = parts.ok_or_else(|| format!("`{text}` is no owner: <pid>@<boot id>"))?;
        Ok(Owner { pid, place: place.to_owned() })
    }
}

/// The labels of a container or network that this process makes.
pub fn owned() -> HashMap<String, String> {
    HashMap::from([(LAB.to_owned(), "1".to_owned()), (OWNER.to_owned(), Owner::here().to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_survives_its_label() {
        let me = Owner::here();
        assert_eq!(me.to_string().parse(), Ok(me.clone()));
        assert_eq!(me.life(), Life::Alive);
        assert_eq!(owned()[OWNER], me.to_string());
        assert!("me".parse::<Owner>().is_err() && "x@y".parse::<Owner>().is_err());
    }

    #[test]
    fn numbers_mean_something_only_where_they_were_given() {
        let owner: Owner = "7@boot-a".parse().unwrap();
        assert_eq!(owner.life_seen_from("boot-a", |pid| pid == 7), Life::Alive);
        assert_eq!(owner.life_seen_from("boot-a", |_| false), Life::Dead);
        assert_eq!(owner.life_seen_from("boot-b", |_| true), Life::Unknown);
        assert_eq!(owner.life_seen_from("boot-a+4026532000", |_| true), Life::Unknown);
        let nowhere: Owner = "7@".parse().unwrap();
        assert_eq!(nowhere.life_seen_from("", |_| true), Life::Unknown);
    }
}
