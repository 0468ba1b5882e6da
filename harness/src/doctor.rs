//! What this machine can run, what is missing, and exactly how to get it.
//!
//! Every check looks and changes nothing. A check that is not met is no error: it takes away a world, or makes
//! something slower, and says which.

mod guest;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bollard::Docker;
use serde::Serialize;
use tabled::{
    builder::Builder,
    settings::{Padding, Style},
};

use crate::{
    docker::{self, find_program},
    images::{self, ImageStatus, State, Wanted},
    place, prune,
    report::{ColorChoice, Terminal},
    subject,
    world::LabError,
};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name, for people and machines: `engine`.
    pub name: &'static str,
    /// Whether it is as it is best.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What follows from that.
    pub means: String,
    /// What to do about it, if it is not.
    pub remedy: Option<String>,
}

/// Whether a world can be used here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ability {
    /// As suites call it: `sim`, `real`.
    pub world: &'static str,
    /// The driver, where a world has several.
    pub driver: Option<&'static str>,
    /// Whether it can.
    pub can: bool,
    /// Why, or why not.
    pub because: String,
}

/// All that was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of this form, 1.
    pub schema: u32,
    /// The checks.
    pub checks: Vec<Check>,
    /// The worlds.
    pub worlds: Vec<Ability>,
}

/// Looks at this machine. `root`: the option `--root`.
///
/// # Errors
/// None so far: whatever is missing stands in the report.
pub async fn examine(root: Option<&Path>) -> Result<Report, LabError> {
    let (checkout, root) = checkout(root);
    let (engine, docker) = engine().await;
    let mut checks = vec![machine(std::env::consts::OS, std::env::consts::ARCH), checkout, engine];
    let wanted = root.as_ref().map(|root| wanted(root));
    if let Some(docker) = &docker {
        checks.extend(engine_disk(docker).await);
        checks.push(match (&root, &wanted) {
            (Some(root), Some(Ok(wanted))) => routers(docker, root, wanted).await,
            (_, Some(Err(check))) => check.clone(),
            _ => Check::unmet("images", "not known without the checkout", "no router can be started", None),
        });
        checks.push(bases(docker).await);
        checks.push(leftovers(docker).await);
    }
    checks.extend([guest::memory(), guest::system_calls(), guest::cache()]);
    if let (Some(root), Some(Ok(wanted))) = (&root, &wanted) {
        checks.push(guest::assets(root, wanted, docker.is_some()));
    }
    checks.extend([host_kernel(), executable(), raw_sockets(), tshark()]);
    let worlds = worlds(&checks);
    Ok(Report { schema: 1, checks, worlds })
}

impl Check {
    fn met(name: &'static str, found: impl Into<String>, means: impl Into<String>) -> Check {
        Check { name, ok: true, found: found.into(), means: means.into(), remedy: None }
    }

    fn unmet(name: &'static str, found: impl Into<String>, means: impl Into<String>, remedy: Option<String>) -> Check {
        Check { name, ok: false, found: found.into(), means: means.into(), remedy }
    }

    /// From an error that has a remedy.
    fn failed(name: &'static str, error: LabError, means: &str) -> Check {
        match error {
            LabError::Environment { problem, remedy, .. } => Check::unmet(name, problem, means, Some(remedy)),
            other => Check::unmet(name, other.to_string(), means, None),
        }
    }
}

fn machine(os: &str, arch: &str) -> Check {
    let found = format!("{os} {arch}");
    match (os, arch) {
        ("linux", "x86_64") => Check::met("machine", found, "everything can run"),
        _ => Check::unmet(
            "machine",
            found,
            "the lab's kernel is for x86_64 Linux: no routers under test",
            Some(
                "use world `sim`, which runs everywhere; for routers an engine on an x86_64 Linux machine (DOCKER_HOST)"
                    .to_owned(),
            ),
        ),
    }
}

fn checkout(explicit: Option<&Path>) -> (Check, Option<PathBuf>) {
    match place::root(explicit) {
        Ok(root) => {
            (Check::met("checkout", root.display().to_string(), "suites and recipes are read from there"), Some(root))
        }
        Err(error) => (Check::failed("checkout", error, "no suites and no recipes"), None),
    }
}

async fn engine() -> (Check, Option<Docker>) {
    let docker = match docker::connect().await {
        Ok(docker) => docker,
        Err(error) => return (Check::failed("engine", error, "no routers in containers"), None),
    };
    let version = docker.version().await.ok();
    let words = |word: Option<String>| word.unwrap_or_else(|| "?".to_owned());
    let (version, api) = version.map_or((None, None), |version| (version.version, version.api_version));
    let driver = docker.info().await.ok().and_then(|info| info.driver);
    let found = format!("Docker {}, API {}, storage {}", words(version), words(api), words(driver));
    (Check::met("engine", found, "routers run in containers"), Some(docker))
}

/// What building everything takes, with the sources of the kernel.
const DISK_NEEDED: u64 = 4_000_000_000;

/// The engine's disk, if it is on this machine and can be looked at.
async fn engine_disk(docker: &Docker) -> Option<Check> {
    let folder = docker.info().await.ok()?.docker_root_dir?;
    let stat = nix::sys::statvfs::statvfs(folder.as_str()).ok()?;
    Some(disk(stat.blocks_available() * stat.fragment_size(), &folder))
}

fn disk(free: u64, folder: &str) -> Check {
    let found = format!("{:.1} GB free", free as f64 / 1e9);
    if free >= DISK_NEEDED {
        return Check::met("disk", found, "enough to build all images");
    }
    let remedy = format!("make room in {folder}: `cargo lab prune`, `docker system prune`");
    Check::unmet("disk", found, "too little to build the kernel, which needs 4 GB", Some(remedy))
}

/// All versions of all implementations that the checkout describes.
fn wanted(root: &Path) -> Result<Vec<Wanted>, Check> {
    let known = subject::find_all(&root.join("suites/impls")).map_err(|report| {
        let remedy = "`cargo lab check` tells more".to_owned();
        Check::unmet("images", report.to_string(), "no implementation can be tested", Some(remedy))
    })?;
    let versions = known
        .iter()
        .flat_map(|one| one.versions.iter().map(|it| Wanted::new(&one.image.recipe, &it.version, &it.suite)));
    Ok(versions.collect())
}

/// Their images.
async fn routers(docker: &Docker, root: &Path, wanted: &[Wanted]) -> Check {
    match images::plan(docker, root, wanted).await {
        Ok(images) => image_check(&images),
        Err(error) => Check::failed("images", error, "no implementation can be tested"),
    }
}

fn image_check(images: &[ImageStatus]) -> Check {
    let needed = images.iter().filter(|image| image.state != State::Unused);
    let missing: Vec<&ImageStatus> = needed.clone().filter(|image| image.state.wants_building()).collect();
    let total = needed.count();
    let found = format!("{} of {total} up to date", total - missing.len());
    if missing.is_empty() {
        return Check::met("images", found, "routers start at once");
    }
    let time = images::roughly(missing.iter().map(|image| image.estimate()).sum());
    Check::unmet(
        "images",
        found,
        format!("what a run needs is built first ({time} for all)"),
        Some("`cargo lab images build`".to_owned()),
    )
}

/// Where bases come from. No registry is asked: where there is none, that takes long.
async fn bases(docker: &Docker) -> Check {
    let bootstrap = images::can_bootstrap();
    let suites = ["trixie", "bookworm"];
    let mut there = Vec::new();
    for suite in suites {
        if docker.inspect_image(&format!("debian:{suite}-slim")).await.is_ok() {
            there.push(suite);
        }
    }
    match bootstrap {
        Ok(()) => Check::met("bases", "mmdebstrap is installed", "images can be built without a registry"),
        Err(_) if there.len() == suites.len() => {
            Check::met("bases", "debian:*-slim are there", "images can be built without a registry")
        }
        Err(_) => Check::unmet(
            "bases",
            "mmdebstrap is not installed",
            "images can be built only where an image registry answers",
            Some("`sudo apt-get install mmdebstrap`".to_owned()),
        ),
    }
}

async fn leftovers(docker: &Docker) -> Check {
    match prune::find(docker, false).await {
        Ok(found) if found.leftovers.is_empty() => {
            Check::met("leftovers", format!("none; {} in use", found.kept.len()), "earlier runs have cleaned up")
        }
        Ok(found) => Check::unmet(
            "leftovers",
            format!("{} of dead runs", found.leftovers.len()),
            "they take room and names",
            Some("`cargo lab prune`".to_owned()),
        ),
        Err(error) => Check::failed("leftovers", error, "not known"),
    }
}

/// Whether the kernel has GRE and ESP. Either way is good: this only tells which kernel routers will use.
fn host_kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = Path::new("/lib/modules").join(release.trim());
    let listed =
        ["modules.builtin", "modules.dep"].map(|name| fs::read_to_string(modules.join(name)).unwrap_or_default());
    // Where there are no modules, the names of the kernel's own functions tell; they are not always to be had.
    let symbols = || fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    kernel_check(&listed.concat(), symbols)
}

fn kernel_check(modules: &str, symbols: impl FnOnce() -> String) -> Check {
    let listed = |name: &str| modules.contains(&format!("/{name}.ko"));
    let (gre, esp) = match listed("ip_gre") && listed("esp4") {
        true => (true, true),
        false => {
            let symbols = symbols();
            let has = |name: &str| symbols.lines().any(|line| line.split(' ').nth(2).is_some_and(|it| it == name));
            (listed("ip_gre") || has("ipgre_rcv"), listed("esp4") || has("esp_input"))
        }
    };
    let word = |has| if has { "has" } else { "has not, as far as can be seen" };
    let found = format!("GRE: {}; ESP: {}", word(gre), word(esp));
    let means = match gre && esp {
        true => "routers can use this machine's kernel",
        false => "routers boot the lab's own kernel",
    };
    Check::met("kernel", found, means)
}

/// The executable is put into containers whose C library is another.
fn executable() -> Check {
    let octets = std::env::current_exe().and_then(fs::read).unwrap_or_default();
    match is_static(&octets) {
        Some(true) => Check::met("executable", "linked statically", "it runs inside any router"),
        Some(false) => Check::unmet(
            "executable",
            "linked dynamically",
            "inside routers it runs only if their C library is as new as this machine's",
            Some("start the lab with `cargo lab` from the checkout".to_owned()),
        ),
        None => Check::unmet("executable", "can not be read", "it can not be put into routers", None),
    }
}

/// Whether a 64-bit ELF file asks for no interpreter.
fn is_static(elf: &[u8]) -> Option<bool> {
    const INTERPRETER: u32 = 3;
    let number = |at: usize, len: usize| {
        let mut octets = [0; 8];
        octets[..len].copy_from_slice(elf.get(at..at.checked_add(len)?)?);
        usize::try_from(u64::from_le_bytes(octets)).ok()
    };
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    // Program headers: where they begin, how long each is, how many there are.
    let (begin, len, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let mut kinds = (0..count).map(|index| number(begin.checked_add(index * len)?, 4));
    Some(!kinds.any(|kind| kind == Some(INTERPRETER as usize)))
}

/// `CAP_NET_ADMIN` and `CAP_NET_RAW`, for peers on this machine's own network.
fn raw_sockets() -> Check {
    capabilities(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn capabilities(status: &str) -> Check {
    const NEEDED: [(&str, u32); 2] = [("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13)];
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|word| u64::from_str_radix(word.trim(), 16).ok()).unwrap_or(0);
    let lacking: Vec<&str> =
        NEEDED.iter().filter(|(_, bit)| effective >> bit & 1 == 0).map(|(name, _)| *name).collect();
    if lacking.is_empty() {
        return Check::met("raw-sockets", "permitted", "`dmvpn-peer` can use this machine's network");
    }
    Check::unmet(
        "raw-sockets",
        format!("{} not held", lacking.join(", ")),
        "`dmvpn-peer` can not use this machine's network; no suite needs that",
        Some(
            "for `dmvpn-peer`: `sudo setcap cap_net_admin,cap_net_raw+ep $(command -v dmvpn-peer)`, or `sudo`"
                .to_owned(),
        ),
    )
}

/// Only for people who look into captures.
fn tshark() -> Check {
    let version = find_program("tshark").and_then(|program| Command::new(program).arg("--version").output().ok());
    let version = version.and_then(|output| String::from_utf8(output.stdout).ok());
    match version.as_deref().and_then(|text| text.lines().next()) {
        Some(line) => {
            let words: Vec<&str> = line.split(' ').take(3).collect();
            Check::met("tshark", words.join(" "), "captures can be read with it")
        }
        None => Check::unmet(
            "tshark",
            "not installed",
            "captures are written all the same, and `cargo lab inspect` reads them",
            Some("`sudo apt-get install tshark`".to_owned()),
        ),
    }
}

/// What follows for worlds.
fn worlds(checks: &[Check]) -> Vec<Ability> {
    // What is merely not built yet takes time and no world away.
    let stops = |check: &&Check| !check.ok && !guest::can_be_built(check);
    let broken =
        |names: &[&str]| names.iter().find_map(|name| checks.iter().find(|check| check.name == *name).filter(stops));
    let ability = |world, driver, names: &[&str], because: &str| match broken(names) {
        None => Ability { world, driver, can: true, because: because.to_owned() },
        Some(check) => Ability { world, driver, can: false, because: format!("{}: {}", check.name, check.found) },
    };
    vec![
        ability("sim", None, &["checkout"], "everything in this process, under a virtual clock"),
        ability(
            "real",
            Some("container"),
            &["machine", "checkout", "executable", "engine", "cache"],
            "routers in containers, in real time",
        ),
        ability(
            "real",
            Some("guest"),
            &["machine", "checkout", "executable", "cache", "memory", "system-calls", "guests"],
            "routers in one process of yours, under a virtual clock",
        ),
    ]
}

impl Report {
    /// For people: checks, worlds, and what to do, as wide as the terminal.
    pub fn text(&self) -> String {
        self.text_in(Terminal::stdout(ColorChoice::Auto).width)
    }

    fn text_in(&self, width: usize) -> String {
        let mut checks = Builder::default();
        checks.push_record(["CHECK", "", "FOUND", "MEANS"]);
        // What the names and marks leave, shared by the two texts.
        let names = self.checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        let half = width.saturating_sub(names + 2 + 4 + 2 + 2) / 2;
        for check in &self.checks {
            let mark = if check.ok { "ok" } else { "--" };
            checks.push_record([check.name, mark, &wrapped(&check.found, half), &wrapped(&check.means, half)]);
        }
        let mut worlds = Builder::default();
        worlds.push_record(["WORLD", "", "BECAUSE"]);
        for ability in &self.worlds {
            let name = ability.driver.map_or(ability.world.to_owned(), |driver| format!("{}/{driver}", ability.world));
            worlds.push_record([name.as_str(), if ability.can { "yes" } else { "no" }, &ability.because]);
        }
        let mut text = drawn(checks) + "\n" + &drawn(worlds);
        let remedies = self.checks.iter().filter_map(|check| Some((check.name, check.remedy.as_ref()?)));
        for (number, (name, remedy)) in remedies.enumerate() {
            text += if number == 0 { "\nWhat to do:\n" } else { "" };
            text += &format!("  {name}: {remedy}\n");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        // Strings, numbers and lists of them can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// Broken between words, and within none: a path or a command is to be copied whole.
fn wrapped(text: &str, width: usize) -> String {
    let (mut lines, mut room) = (String::new(), width);
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if lines.is_empty() {
            room = width.saturating_sub(len);
        } else if len < room {
            lines.push(' ');
            room -= len + 1;
        } else {
            lines.push('\n');
            room = width.saturating_sub(len);
        }
        lines.push_str(word);
    }
    lines
}

fn drawn(rows: Builder) -> String {
    let mut table = rows.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    table.to_string().lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests;
