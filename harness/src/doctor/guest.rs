//! What guests take: a kernel that is an ordinary process, its memory in /dev/shm, and what it boots from.

use std::{fs, path::Path};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::Check;
use crate::{
    docker::find_program,
    images::{self, State, Wanted},
    place,
    store::{self, Asset, Store},
};

/// Where guests have their memory: a file that is unlinked at once, and executed.
const MEMORY: &str = "/dev/shm";

/// A guest with a handful of routers.
const MEMORY_NEEDED: u64 = 600_000_000;

/// What the cache takes with a kernel and all roots, the sources of the kernel while it is built included.
const CACHE_NEEDED: u64 = 4_000_000_000;

/// What the store's roots take if nothing has to be compiled.
const CACHE_LEAST: u64 = 1_000_000_000;

pub(super) fn memory() -> Check {
    match statvfs(MEMORY) {
        Ok(stat) => {
            let free = stat.blocks_available() * stat.fragment_size();
            memory_check(free, stat.flags().contains(FsFlags::ST_NOEXEC))
        }
        Err(error) => Check::unmet(
            "memory",
            format!("{MEMORY}: {error}"),
            "guests can not have their memory",
            Some(format!("`sudo mkdir -p {MEMORY} && sudo mount -t tmpfs -o mode=1777 tmpfs {MEMORY}`")),
        ),
    }
}

fn memory_check(free: u64, noexec: bool) -> Check {
    let found = format!("{:.1} GB free in {MEMORY}", free as f64 / 1e9);
    if noexec {
        let remedy = format!("`sudo mount -o remount,exec {MEMORY}`");
        return Check::unmet("memory", format!("{MEMORY} is mounted noexec"), "no guest can boot", Some(remedy));
    }
    if free < MEMORY_NEEDED {
        let remedy = format!("`sudo mount -o remount,size=1g {MEMORY}`, or remove what fills it");
        return Check::unmet("memory", found, "too little for a guest, which needs 0.6 GB", Some(remedy));
    }
    Check::met("memory", found, "guests have room for their memory")
}

/// Whether a guest's system calls can be caught. One way is enough; the first is faster.
pub(super) fn system_calls() -> Check {
    let read = |path: &str| fs::read_to_string(path).ok();
    let status = read("/proc/self/status").unwrap_or_default();
    let actions = read("/proc/sys/kernel/seccomp/actions_avail");
    let scope = read("/proc/sys/kernel/yama/ptrace_scope");
    system_calls_check(&status, actions.as_deref(), scope.as_deref())
}

/// `status`: of this process; `actions`: what seccomp can do, where the kernel tells; `scope`: Yama's limit on ptrace.
fn system_calls_check(status: &str, actions: Option<&str>, scope: Option<&str>) -> Check {
    // The line is there where the kernel has seccomp, whatever it says: filters stack.
    let filters = status.lines().any(|line| line.starts_with("Seccomp:"));
    let traps = actions.is_none_or(|actions| actions.split_whitespace().any(|action| action == "trap"));
    if filters && traps {
        return Check::met("system-calls", "seccomp", "guests run at full speed");
    }
    // 3 forbids it to everybody until the next boot; less restricts only tracing of strangers.
    if scope.is_some_and(|scope| scope.trim() == "3") {
        let remedy = "boot with another value of kernel.yama.ptrace_scope than 3, or a kernel with seccomp filters";
        let found = "no seccomp, and ptrace is forbidden (kernel.yama.ptrace_scope is 3)";
        return Check::unmet("system-calls", found, "no guest can boot", Some(remedy.to_owned()));
    }
    Check::met("system-calls", "ptrace, without seccomp", "guests run, a third slower")
}

/// Whether what guests boot from is there, and if not whether it can be had. `engine`: one answers.
pub(super) fn assets(root: &Path, wanted: &[Wanted], engine: bool) -> Check {
    let listed = Store::open(root).and_then(|store| store.list(wanted));
    match listed {
        Ok(assets) => {
            let bootstrap = images::can_bootstrap().is_ok();
            assets_check(&assets, &store::missing_tools(), bootstrap, unprivileged(), engine)
        }
        Err(error) => Check::failed("guests", error, "guests have nothing to boot from"),
    }
}

/// Why `mmdebstrap` would not do for this user, if it would not.
fn unprivileged() -> Option<&'static str> {
    let root = nix::unistd::geteuid().is_root();
    let maps = ["newuidmap", "newgidmap"].iter().all(|program| find_program(program).is_some());
    let fakes = ["fakechroot", "fakeroot"].iter().all(|program| find_program(program).is_some());
    (!root && !maps && !fakes).then_some("uidmap")
}

/// `tools`: those for the kernel that are missing; `bootstrap`: mmdebstrap is there; `package`: what it lacks besides.
fn assets_check(
    assets: &[Asset],
    tools: &[&str],
    bootstrap: bool,
    package: Option<&'static str>,
    engine: bool,
) -> Check {
    let needed: Vec<&Asset> = assets.iter().filter(|asset| asset.state != State::Unused).collect();
    let broken = needed.iter().find(|asset| asset.state == State::Incomplete);
    let missing: Vec<&&Asset> = needed.iter().filter(|asset| asset.state.wants_building()).collect();
    let found = format!("{} of {} up to date", needed.len() - missing.len(), needed.len());
    if let Some(asset) = broken {
        let remedy = format!("`cargo lab images remove {0} --driver guest`, then build it again", asset.name);
        let found = format!("{}, but {} is incomplete", found, asset.name);
        return Check::unmet("guests", found, "guests with it do not boot", Some(remedy));
    }
    if missing.is_empty() {
        return Check::met("guests", found, "guests boot at once");
    }
    let time = images::roughly(missing.iter().map(|asset| asset.estimate()).sum());

    let mut packages: Vec<&str> = Vec::new();
    if missing.iter().any(|asset| asset.kind == store::Kind::Kernel) {
        packages.extend(tools);
    }
    if missing.iter().any(|asset| asset.kind == store::Kind::Root) {
        packages.extend((!bootstrap).then_some("mmdebstrap"));
        packages.extend(package);
    }
    let build = "`cargo lab images build --driver guest`";
    if packages.is_empty() || engine {
        let means = format!("what a run needs is built first ({time} for all)");
        return Check::unmet("guests", found, means, Some(build.to_owned()));
    }
    Check {
        name: "guests",
        ok: false,
        found: format!("{found}, and this machine lacks {}", packages.join(", ")),
        means: "what is missing can not be built".to_owned(),
        remedy: Some(format!("`sudo apt-get install {}`, then {build}", debian(&packages).join(" "))),
    }
}

/// Packages that have these programs.
fn debian<'a>(programs: &[&'a str]) -> Vec<&'a str> {
    let package = |program: &&'a str| match *program {
        "python3" => "python3-minimal",
        "xz" => "xz-utils",
        other => other,
    };
    let mut packages: Vec<&str> = programs.iter().filter(|program| **program != "apt-get").map(package).collect();
    if packages.contains(&"gcc") {
        packages.push("libc6-dev");
    }
    packages
}

/// Whether guests can be had at all with what [`assets`] found.
pub(super) fn can_be_built(check: &Check) -> bool {
    check.ok || check.means.starts_with("what a run needs")
}

/// The cache and the room in it.
pub(super) fn cache() -> Check {
    match place::cache() {
        Ok(folder) => cache_check(&folder.display().to_string(), store::free(&folder)),
        Err(error) => Check::failed("cache", error, "nothing can be built"),
    }
}

fn cache_check(folder: &str, free: Option<u64>) -> Check {
    let room = free.map_or_else(String::new, |free| format!(", {:.1} GB free", free as f64 / 1e9));
    let found = format!("{folder}{room}");
    match free {
        Some(free) if free < CACHE_LEAST => Check::unmet(
            "cache",
            found,
            "too little for the roots of routers",
            Some(format!("make room in {folder}, or set XDG_CACHE_HOME to a folder on another disk")),
        ),
        Some(free) if free < CACHE_NEEDED => {
            Check::met("cache", found, "roots and logs are kept there; a kernel needs 4 GB while it is built")
        }
        _ => Check::met("cache", found, "kernel, roots and logs of builds are kept there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Kind;

    fn asset(kind: Kind, name: &str, state: State) -> Asset {
        Asset {
            kind,
            name: name.into(),
            state,
            path: "/x".into(),
            package: None,
            octets: None,
            created: None,
            estimate_s: if state.wants_building() { 420 } else { 0 },
        }
    }

    #[test]
    fn memory_has_to_be_there_large_enough_and_executable() {
        assert!(memory_check(MEMORY_NEEDED, false).ok);
        assert!(memory_check(MEMORY_NEEDED, true).remedy.unwrap().contains("remount,exec"));
        assert!(memory_check(64_000_000, false).found.starts_with("0.1 GB free"));
    }

    #[test]
    fn one_way_to_catch_system_calls_is_enough() {
        let status = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert_eq!(system_calls_check(status, Some("kill_process trap errno\n"), None).found, "seccomp");
        assert_eq!(system_calls_check(status, None, Some("3\n")).found, "seccomp");
        let slow = system_calls_check("Name:\tx\n", None, Some("1\n"));
        assert!(slow.ok && slow.found.starts_with("ptrace"), "{slow:?}");
        assert!(!system_calls_check(status, Some("kill_process errno\n"), Some("3\n")).ok);
    }

    #[test]
    fn what_is_missing_can_be_built_or_is_said_with_packages() {
        let there = [asset(Kind::Kernel, "kernel:1", State::Current), asset(Kind::Root, "frr:1", State::Current)];
        assert!(assets_check(&there, &["gcc"], false, None, false).ok, "nothing has to be built");
        let missing = [asset(Kind::Kernel, "kernel:1", State::Missing), asset(Kind::Root, "frr:1", State::Missing)];
        let check = assets_check(&missing, &[], true, None, false);
        assert!(!check.ok && can_be_built(&check), "{check:?}");
        assert_eq!(check.found, "0 of 2 up to date");
        let check = assets_check(&missing, &["gcc", "xz"], false, Some("uidmap"), false);
        assert!(!can_be_built(&check), "{check:?}");
        let remedy = check.remedy.unwrap();
        assert!(remedy.contains("apt-get install gcc xz-utils mmdebstrap uidmap libc6-dev`"), "{remedy}");
        assert!(can_be_built(&assets_check(&missing, &["gcc"], false, None, true)), "an engine does it");
        let broken = [asset(Kind::Root, "frr:1", State::Incomplete)];
        let check = assets_check(&broken, &[], true, None, true);
        assert!(!can_be_built(&check) && check.remedy.unwrap().contains("images remove frr:1"));
    }

    #[test]
    fn the_cache_tells_its_room() {
        assert_eq!(cache_check("/c", Some(9_000_000_000)).found, "/c, 9.0 GB free");
        assert!(cache_check("/c", Some(2_000_000_000)).means.contains("4 GB"));
        assert!(!cache_check("/c", Some(1_000)).ok);
        assert!(cache_check("/c", None).ok);
    }
}
