//! What a build says, line by line, and what a failed one means.

use std::{
    collections::VecDeque,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use crate::{
    progress::{Job, Progress},
    world::LabError,
};

/// How many of the last lines are shown when a build fails.
const SHOWN: usize = 30;

/// A recipe's own words begin so, with its name behind: `containers/kernel: compiling on 2 cores`.
const OWN_WORDS: &str = "containers/";

/// What is being made. Its word stands in front of causes: `image.disk-full`, `kernel.disk-full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Making {
    /// An image, in an engine.
    Image,
    /// The kernel, on this machine.
    Kernel,
    /// A router's root, on this machine.
    Root,
}

impl Making {
    /// The word for causes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Making::Image => "image",
            Making::Kernel => "kernel",
            Making::Root => "root",
        }
    }
}

/// Takes in what a build says, shows how it is going, and keeps all of it in a file.
pub(crate) struct Transcript<'a> {
    making: Making,
    tag: String,
    /// What stands before each line on a terminal, short enough for the line to be seen.
    head: String,
    progress: &'a Progress,
    job: Option<Job<'a>>,
    file: Option<File>,
    path: PathBuf,
    unfinished: String,
    last: VecDeque<String>,
    /// The container in which a step runs, so that it can be removed if the engine does not.
    pub(crate) container: Option<String>,
}

impl<'a> Transcript<'a> {
    /// Of the building of `tag`; `note` is shown with it, as how long it takes.
    pub(crate) fn begin(making: Making, tag: &str, note: &str, cache: &Path, progress: &'a Progress) -> Transcript<'a> {
        let folder = cache.join("logs");
        let path = folder.join(format!("{}.log", tag.replace(['/', ':', ' '], "-")));
        // Without the file everything still works but looking things up later.
        let file = std::fs::create_dir_all(&folder).and_then(|()| File::create(&path)).ok();
        let job = Some(progress.job("Building", &format!("{tag} ({note}, once)")));
        let name = tag.rsplit('/').next().unwrap_or(tag);
        // A hash behind the name helps nobody who waits.
        let name = name.split_once(':').filter(|(_, version)| version.len() >= 12).map_or(name, |(name, _)| name);
        Transcript {
            making,
            tag: tag.to_owned(),
            head: format!("{name} ({note}): "),
            progress,
            job,
            file,
            path,
            unfinished: String::new(),
            last: VecDeque::new(),
            container: None,
        }
    }

    /// Takes text as it comes, lines broken anywhere.
    pub(crate) fn text(&mut self, text: &str) {
        for piece in text.split_inclusive(['\n', '\r']) {
            self.unfinished.push_str(piece);
            if piece.ends_with(['\n', '\r']) {
                let line = std::mem::take(&mut self.unfinished);
                self.line(line.trim_end());
            }
        }
    }

    /// Takes a line.
    pub(crate) fn line(&mut self, line: &str) {
        let line = plain(line);
        if line.trim().is_empty() {
            return;
        }
        if let Some(file) = &mut self.file {
            let _ = writeln!(file, "{line}");
        }
        if let Some(id) = line.trim().strip_prefix("---> Running in ") {
            self.container = Some(id.to_owned());
        } else if let Some(words) = own_words(&line) {
            // A step of minutes is worth a line of its own, in a log too.
            self.progress.phase("", words);
        }
        if let Some(job) = &self.job {
            job.describe(&format!("{}{}", self.head, own_words(&line).unwrap_or(line.trim())));
        }
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Takes the live line away.
    pub(crate) fn quiet(&mut self) {
        self.job = None;
    }

    /// Shows the last lines, and tells why it failed. `error`: the engine's or the program's last word.
    pub(crate) fn fail(mut self, error: &str) -> LabError {
        self.text("\n");
        self.quiet();
        let lines = mask(&self.last.into_iter().collect::<Vec<_>>());
        let shown: String = lines.iter().map(|line| format!("    | {}\n", clipped(line))).collect();
        self.progress.print(&shown);
        let error = mask(&[plain(error.trim())]).concat();
        explain(self.making, &self.tag, &lines, &error, self.file.is_some().then_some(&self.path))
    }
}

fn own_words(line: &str) -> Option<&str> {
    let (name, words) = line.trim().strip_prefix(OWN_WORDS)?.split_once(": ")?;
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))).then_some(words)
}

/// Without colours, which the engine gives to what a step writes to its standard error, and other control characters.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // `ESC [`, parameters, a letter.
            if chars.next() == Some('[') {
                chars.by_ref().find(char::is_ascii_alphabetic);
            }
        } else if !c.is_control() || c == '\t' {
            text.push(c);
        }
    }
    text
}

/// Steps are shown by their beginning: a script of twenty lines hides what it has said.
fn clipped(line: &str) -> String {
    const ROOM: usize = 100;
    match is_step(line) && line.chars().count() > ROOM {
        true => line.chars().take(ROOM - 3).chain("...".chars()).collect(),
        false => line.to_owned(),
    }
}

/// The engine's announcement of a step: the recipe's text, which says what may go wrong and not what has.
fn is_step(line: &str) -> bool {
    line.starts_with("Step ") && line.contains(" : ")
}

/// The engine's last word without the whole text of the step in it.
fn last_word(error: &str) -> String {
    match error.rsplit_once("returned a non-zero code: ") {
        Some((_, code)) => format!("a step ended with code {code}"),
        None => error.to_owned(),
    }
}

/// Without the names of machines: which mirror a site uses is nobody's business who reads a log.
fn mask(lines: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = lines.iter().flat_map(|line| hosts(line)).collect();
    // The longest first, as one name may be a part of another.
    hosts.sort_by_key(|host| std::cmp::Reverse(host.len()));
    hosts.dedup();
    lines.iter().map(|line| hosts.iter().fold(line.clone(), |line, host| line.replace(host, "(mirror)"))).collect()
}

/// Names of machines in a line: those in addresses, and those that could not be looked up.
fn hosts(line: &str) -> Vec<String> {
    let end = |c: char| c.is_whitespace() || "/'\"<>()[],:".contains(c);
    let behind = |mark: &'static str| {
        line.match_indices(mark).filter_map(move |(at, _)| line[at + mark.len()..].split(end).next().map(str::to_owned))
    };
    let mut found: Vec<String> =
        behind("://").chain(behind("resolve '")).chain(behind("lookup ")).chain(behind("connect to ")).collect();
    found.retain(|host| host.contains('.'));
    found
}

/// A way to fail, and what to do about it.
struct Known {
    /// What tells it from others, in any line.
    marks: &'static [&'static str],
    /// The cause without the kind of thing in front.
    cause: &'static str,
    /// What to do where an image is built.
    image: &'static str,
    /// What to do where something is made on this machine itself; the same if there is nothing here.
    here: &'static str,
}

/// How failures show themselves. The first that fits counts, so that reasons stand before what follows from them.
const KNOWN: [Known; 13] = [
    Known {
        marks: &["No space left on device", "unpacked (disk full", "ENOSPC", "not enough free space", "MiB free, and"],
        cause: "disk-full",
        image: "make room on the engine's disk: `docker system df` tells what takes it, `cargo lab prune` and `docker \
                system prune` give some back; the kernel needs 3 GB while it is built",
        here: "make room for the cache, or set XDG_CACHE_HOME to a folder on another disk: the kernel needs 3 GB while \
               it is built, a router's root 300 MB, and as much in TMPDIR",
    },
    Known {
        marks: &["User Mode Linux runs on x86_64 only"],
        cause: "architecture",
        image: "use an x86_64 machine, or an engine on one (DOCKER_HOST)",
        here: "use world `sim`, or an engine on an x86_64 machine (DOCKER_HOST) with driver `container`",
    },
    Known {
        marks: &["unable to pick chroot mode", "newuidmap", "newgidmap"],
        cause: "unprivileged",
        image: "`sudo apt-get install uidmap`, and let /etc/subuid and /etc/subgid have a line for this user",
        here: "`sudo apt-get install uidmap` and `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \
               $USER`, or `sudo apt-get install fakechroot fakeroot`",
    },
    Known {
        marks: &[
            "Temporary failure resolving",
            "Could not resolve",
            "Could not connect to",
            "Unable to connect to",
            "Network is unreachable",
            "Connection timed out",
        ],
        cause: "network",
        image: "let the engine's containers reach the distribution's packages (name service, proxy, firewall), then try again",
        here: "let this machine reach the distribution's packages (name service, proxy, firewall), then try again",
    },
    Known {
        marks: &["is not a Debian release", "this machine has no apt-get"],
        cause: "distribution",
        image: "build on a base that is a Debian",
        here: "use a container engine, which builds it in a Debian of its own, or copy a kernel folder from the cache of a \
               Debian machine",
    },
    Known {
        marks: &["containers/kernel: missing:", "cannot link a static program"],
        cause: "compiler",
        image: "remove the base with `cargo lab images remove base` and build again",
        here: "`sudo apt-get install bc bison flex gcc libc6-dev make python3-minimal xz-utils`",
    },
    Known {
        marks: &[
            "package lists cannot be fetched",
            "package lists of",
            "Release file",
            "404  Not Found",
            "no longer valid",
        ],
        cause: "packages",
        image: "the mirror does not have this release as the base expects it: remove the base with `cargo lab images remove \
                base` and build again",
        here: "the mirror does not have this release as it says: `sudo apt-get update`, and try again",
    },
    Known {
        marks: &["the base has FRR", "not in the base"],
        cause: "version",
        image: "the distribution's release has moved on: write its version in the implementation's file under `suites/impls/`",
        here: "",
    },
    Known {
        marks: &[
            "no package linux-source",
            "is not where the base image's own suite",
            "cannot be downloaded",
            "apt has no source for",
        ],
        cause: "kernel-source",
        image: "name a kernel source package that the release has as SOURCE in containers/kernel/Dockerfile",
        here: "name a kernel source package that the release has in containers/kernel/build, and let apt have a source for \
               this machine's release",
    },
    Known {
        marks: &["compiler's packages cannot be installed"],
        cause: "compiler",
        image: "remove the base with `cargo lab images remove base` and build again: its package lists and its packages differ",
        here: "",
    },
    Known {
        marks: &["options that did not survive", "has changed: nothing selects", "the kernel does not compile"],
        cause: "kernel",
        image: "containers/kernel/ does not fit this kernel source: correct uml.config or build, or go back to a source that \
                it fits",
        here: "",
    },
    Known {
        marks: &["Unable to locate package", "packages cannot be installed", "has no installation candidate"],
        cause: "packages",
        image: "correct the recipe's list of packages for this release of the distribution",
        here: "",
    },
    Known {
        marks: &["NO_PUBKEY"],
        cause: "keyring",
        image: "`sudo apt-get install debian-archive-keyring`, which releases are verified with",
        here: "",
    },
];

fn explain(making: Making, tag: &str, lines: &[String], error: &str, log: Option<&PathBuf>) -> LabError {
    let error = &last_word(error);
    let lines: Vec<&String> = lines.iter().filter(|line| !is_step(line)).collect();
    // A recipe says itself what is wrong, and the distribution's programs mark what does.
    let words = lines.iter().rev().find_map(|line| own_words(line).or_else(|| line.strip_prefix("E: ")));
    let all = || lines.iter().map(|line| line.as_str()).chain([error.as_str()]);
    let known = KNOWN.iter().find(|known| all().any(|line| known.marks.iter().any(|mark| line.contains(mark))));
    let log = log.map_or(String::new(), |log| format!("; all it said is in {}", log.display()));
    // The recipe's words may be the last of a good step, and the error then be elsewhere.
    let (cause, problem, remedy) = match known {
        Some(known) => {
            let telling = |line: &&str| known.marks.iter().any(|mark| line.contains(mark));
            let said = words.filter(|words| telling(words)).or_else(|| all().find(telling)).unwrap_or(error);
            let said = own_words(said).unwrap_or(said);
            let here = making != Making::Image && !known.here.is_empty();
            (known.cause, said.trim(), if here { known.here } else { known.image })
        }
        None => ("build", words.unwrap_or(error), "the lines above tell more"),
    };
    let cause = format!("{}.{cause}", making.word());
    LabError::environment(cause, format!("{tag} can not be built: {problem}"), format!("{remedy}{log}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Terminal, Verbosity};
    use crate::shared_writer::Shared;

    fn said(error: LabError) -> (String, String, String) {
        match error {
            LabError::Environment { cause, problem, remedy } => (cause, problem, remedy),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_put_together_and_steps_shown() {
        let cache = tempfile::tempdir().unwrap();
        let shown = Shared::default();
        let progress = Progress::new(Box::new(shown.clone()), Terminal::FILE, Verbosity::Normal);
        let mut transcript =
            Transcript::begin(Making::Image, "dmvpn-lab/kernel:1", "about 7 min", cache.path(), &progress);
        transcript.text("Step 3/4 : RUN x\n ---> Running in 0a1b2c\ncontain");
        transcript.text("ers/kernel: compil\u{1b}[91ming\n  CC   a.o\n");
        assert_eq!(transcript.container.as_deref(), Some("0a1b2c"));
        for number in 0..40 {
            transcript.line(&format!("  CC   {number}.o"));
        }
        transcript.text("containers/kernel: the kernel does not compile\n");
        let (cause, problem, remedy) = said(transcript.fail("The command 'x' returned a non-zero code: 1"));
        assert_eq!(cause, "image.kernel");
        assert_eq!(problem, "dmvpn-lab/kernel:1 can not be built: the kernel does not compile");
        assert!(remedy.contains("uml.config") && remedy.contains("dmvpn-lab-kernel-1.log"), "{remedy}");
        let text = shown.text();
        let expected = "    Building dmvpn-lab/kernel:1 (about 7 min, once)\n             compiling\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("    | ")).count(), SHOWN);
        assert!(!text.contains(" 10.o") && text.contains(" 11.o"), "{text}");
        let log = std::fs::read_to_string(cache.path().join("logs/dmvpn-lab-kernel-1.log")).unwrap();
        assert!(log.starts_with("Step 3/4 : RUN x\n") && log.contains("  CC   0.o\n"), "{log}");
    }

    #[test]
    fn failures_have_names_and_remedies() {
        let table = [
            ("cc1: error: writing: No space left on device", "image.disk-full", "docker system df"),
            ("containers/kernel: the sources cannot be unpacked (disk full?)", "image.disk-full", "prune"),
            ("W: Failed to fetch  Temporary failure resolving 'x.example'", "image.network", "reach"),
            ("containers/frr: the package lists cannot be fetched", "image.packages", "remove base"),
            ("containers/frr: the base has FRR 10.3-3, not 8.4.4", "image.version", "suites/impls/"),
            ("containers/kernel: no package linux-source-9 in trixie, x or y", "image.kernel-source", "SOURCE"),
            ("containers/kernel: the compiler's packages cannot be installed", "image.compiler", "remove base"),
            ("containers/kernel: options that did not survive in x: CONFIG_A", "image.kernel", "uml.config"),
            ("E: Unable to locate package frrr", "image.packages", "list of packages"),
            ("something else", "image.build", "lines above"),
        ];
        for (line, wanted, hint) in table {
            let lines = ["Step 1/2 : FROM x".to_owned(), line.to_owned()];
            let (cause, problem, remedy) =
                said(explain(Making::Image, "dmvpn-lab/x:1", &lines, "returned a non-zero code: 1", None));
            assert_eq!(cause, wanted, "{line}: {problem}");
            assert!(remedy.contains(hint), "{line}: {remedy}");
        }
        let here = [
            (
                Making::Kernel,
                "containers/kernel: missing: flex bc; install bc flex",
                "kernel.compiler",
                "apt-get install bc",
            ),
            (
                Making::Kernel,
                "containers/kernel: /x has 7 MiB free, and compiling takes 2500",
                "kernel.disk-full",
                "cache",
            ),
            (
                Making::Kernel,
                "containers/kernel: the kernel does not compile (disk full?)",
                "kernel.kernel",
                "uml.config",
            ),
            (Making::Root, "E: unable to pick chroot mode automatically (use --mode)", "root.unprivileged", "uidmap"),
            (Making::Root, "E: Unable to locate package frrr", "root.packages", "list of packages"),
        ];
        for (making, line, wanted, hint) in here {
            let (cause, problem, remedy) = said(explain(making, "x", &[line.to_owned()], "it failed", None));
            assert_eq!(cause, wanted, "{line}: {problem}");
            assert!(remedy.contains(hint), "{line}: {remedy}");
            assert!(!problem.contains("containers/kernel:"), "{problem}");
        }
    }

    #[test]
    fn the_text_of_a_step_is_not_what_went_wrong() {
        let script = "RUN apt-get update || fail \"the package lists cannot be fetched\"; fail \"disk full\"";
        let coloured = "\u{1b}[91mE: Unable to locate package frrr";
        let lines = [
            format!("Step 7/11 : {script}"),
            plain(coloured),
            plain("\u{1b}[0mcontainers/frr: the packages cannot be installed"),
        ];
        let error = format!("The command '/bin/sh -c {script}' returned a non-zero code: 1");
        let (cause, problem, remedy) = said(explain(Making::Image, "x", &lines, &error, None));
        assert_eq!(cause, "image.packages");
        assert_eq!(problem, "x can not be built: the packages cannot be installed");
        assert!(remedy.contains("list of packages"), "{remedy}");
        let (_, problem, _) = said(explain(Making::Image, "x", &lines[..1], &error, None));
        assert_eq!(problem, "x can not be built: a step ended with code 1");
        assert!(clipped(&format!("{}{}", lines[0], "x".repeat(100))).ends_with("..."));
    }

    #[test]
    fn a_reason_goes_before_what_follows_from_it() {
        let lines = [
            "E: Failed to fetch: Could not resolve 'mirror.example.org'".to_owned(),
            "containers/frr: the package lists cannot be fetched".to_owned(),
        ];
        assert_eq!(said(explain(Making::Image, "x", &lines, "", None)).0, "image.network");
    }

    #[test]
    fn names_of_machines_are_not_shown() {
        let lines = [
            "Get:1 http://mirror.example.org:3128/debian trixie".to_owned(),
            "Could not resolve 'mirror.example.org', and example.org is down".to_owned(),
            "dial tcp: lookup registry.example on 192.0.2.1:53: no such host".to_owned(),
            "done in 0.5 s: https://example.org/x".to_owned(),
        ];
        let masked = mask(&lines).join("\n");
        assert!(!masked.contains("example"), "{masked}");
        assert!(masked.contains("http://(mirror):3128/debian trixie") && masked.contains("done in 0.5 s"), "{masked}");
    }
}
