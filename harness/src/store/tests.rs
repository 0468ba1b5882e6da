use std::os::unix::fs::{PermissionsExt, symlink};

use tar::EntryType::{Directory, Regular, Symlink};

use super::*;
use crate::images::State;

/// A checkout with a router `routed`, and an empty cache.
fn place() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join("containers").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("kernel/Dockerfile", "FROM scratch\n");
    write("routed/Dockerfile", "FROM scratch\n");
    write("routed/packages", "# what\niproute2\nrouted\n");
    write("routed/needs", "# where\n/usr/sbin/routed\n/sbin/ip\n");
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).unwrap();
    let store = Store::at(folder.path(), &cache);
    (folder, store)
}

fn wanted() -> Wanted {
    Wanted::new("routed", "1.2", "trixie")
}

fn said(error: LabError) -> (String, String, String) {
    match error {
        LabError::Environment { cause, problem, remedy } => (cause, problem, remedy),
        other => panic!("{other:?}"),
    }
}

const STATUS: &str =
    "Package: iproute2\nVersion: 6.1-3\n\nPackage: routed\nStatus: install ok installed\nVersion: 1:1.2-3+deb1\n";

/// Unpacks a small system into the folder where a root is made, and keeps it if it is good.
fn make(store: &Store, status: &str) -> Result<PathBuf, LabError> {
    let order = root::Order::load(&store.checkout, &wanted())?;
    let part = store.cache.join(MAKING).join("r");
    discard(&part)?;
    private_folder(&part.join("fs"))?;
    let system = unpack::tests::archive(&[
        (Directory, "./usr/sbin/", 0o755, ""),
        (Regular, "./usr/sbin/routed", 0o755, "program"),
        (Regular, "./usr/sbin/ip.real", 0o755, "ip"),
        (Symlink, "./sbin", 0o777, "/usr/sbin"),
        (Symlink, "./usr/sbin/ip", 0o777, "/etc/alternatives/ip"),
        (Symlink, "./etc/alternatives/ip", 0o777, "../../sbin/ip.real"),
        (Regular, "./var/lib/dpkg/status", 0o644, status),
        (Regular, "./usr/lib/dmvpn-lab/linux", 0o755, "a kernel"),
        (Regular, "./etc/hostname", 0o644, "here"),
    ]);
    let unpacked = unpack::unpack(system.as_slice(), &part.join("fs")).unwrap();
    root::finish(&order, &part, unpacked, "image")?;
    let goal = root::folder(&store.cache, &order);
    fs::create_dir_all(goal.parent().unwrap()).unwrap();
    fs::rename(&part, &goal).unwrap();
    Ok(goal)
}

fn states(store: &Store) -> Vec<(String, State)> {
    let name = |asset: &Asset| asset.name.split(':').next().unwrap().to_owned();
    store.list(&[wanted()]).unwrap().iter().map(|asset| (name(asset), asset.state)).collect()
}

fn is(name: &str, state: State) -> (String, State) {
    (name.to_owned(), state)
}

#[tokio::test]
async fn a_root_that_is_there_is_found_and_its_list_tells_about_it() {
    let (_folder, store) = place();
    assert_eq!(states(&store), [is("kernel", State::Missing), is("routed", State::Missing)]);
    let goal = make(&store, STATUS).unwrap();
    let progress = Progress::new(Box::new(io::sink()), crate::report::Terminal::FILE, crate::report::Verbosity::Quiet);
    let root = store.root(&wanted(), &progress).await.unwrap();
    assert_eq!((root.path.clone(), root.recipe.as_str(), root.version.as_str()), (goal.join("fs"), "routed", "1.2"));
    assert!(goal.ends_with(format!("routed-1.2-{}", root.content)), "{}", goal.display());
    assert!(!root.path.join("usr/lib/dmvpn-lab/linux").exists(), "guests have their kernel outside");
    assert!(!root.path.join("etc/hostname").exists(), "a router is not this machine");
    let assets = store.list(&[wanted()]).unwrap();
    assert_eq!((assets[1].name.as_str(), assets[1].state), ("routed:1.2", State::Current));
    assert_eq!(assets[1].package.as_deref(), Some("1:1.2-3+deb1"));
    assert_eq!(assets[1].octets, Some(9 + STATUS.len() as u64));

    // Another recipe is another root; what was there is not touched.
    fs::write(store.checkout.join("containers/routed/packages"), "routed\n").unwrap();
    assert_eq!(
        states(&store),
        [is("kernel", State::Missing), is("routed", State::Outdated), is("routed", State::Unused)]
    );
    let removed = store.remove(&store.list(&[wanted()]).unwrap()).unwrap();
    assert_eq!(removed, ["routed:1.2"]);
    assert_eq!(states(&store), [is("kernel", State::Missing), is("routed", State::Missing)]);
}

#[tokio::test]
async fn a_root_without_its_daemon_is_refused_when_made_and_when_used() {
    let (_folder, store) = place();
    fs::write(store.checkout.join("containers/routed/needs"), "/usr/sbin/routed\n/usr/sbin/other\n").unwrap();
    let (cause, problem, remedy) = said(make(&store, STATUS).unwrap_err());
    assert_eq!(cause, "root.incomplete");
    assert_eq!(problem, "the root of routed:1.2 has no /usr/sbin/other");
    assert!(remedy.contains("containers/routed/"), "{remedy}");

    let (_folder, store) = place();
    let goal = make(&store, STATUS).unwrap();
    fs::remove_file(goal.join("fs/usr/sbin/ip.real")).unwrap();
    let progress = Progress::new(Box::new(io::sink()), crate::report::Terminal::FILE, crate::report::Verbosity::Quiet);
    let (cause, problem, remedy) = said(store.root(&wanted(), &progress).await.unwrap_err());
    assert_eq!(cause, "root.incomplete");
    assert_eq!(problem, "the root of routed:1.2 has no /sbin/ip");
    assert!(remedy.contains("cargo lab images remove routed:1.2"), "{remedy}");
    assert_eq!(states(&store)[1], is("routed", State::Incomplete));
}

#[test]
fn what_is_removed_from_a_root_is_in_the_root() {
    let (folder, store) = place();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("hostname"), "of this machine").unwrap();
    let order = root::Order::load(&store.checkout, &wanted()).unwrap();
    let part = store.cache.join("part");
    let system = unpack::tests::archive(&[
        (Symlink, "./etc", 0o777, outside.to_str().unwrap()),
        (Regular, "./var/lib/dpkg/status", 0o644, STATUS),
    ]);
    private_folder(&part.join("fs")).unwrap();
    let unpacked = unpack::unpack(system.as_slice(), &part.join("fs")).unwrap();
    assert!(root::finish(&order, &part, unpacked, "image").is_err(), "there is no daemon in it");
    assert_eq!(fs::read_to_string(outside.join("hostname")).unwrap(), "of this machine");
}

#[test]
fn the_version_must_be_the_promised_one() {
    for (status, wanted) in [
        (STATUS.replace("1:1.2-3", "1.20-1"), "trixie has routed 1.20-1+deb1, not 1.2"),
        ("Package: other\nVersion: 1.2\n".to_owned(), "routed is not installed in what was made of trixie"),
    ] {
        let (_folder, store) = place();
        let (cause, problem, remedy) = said(make(&store, &status).unwrap_err());
        assert_eq!((cause.as_str(), problem.as_str()), ("root.version", wanted));
        assert!(remedy.contains("suites/impls/"), "{remedy}");
        make(&store, &STATUS.replace("1:1.2-3", "1.2.7")).unwrap();
    }
    // What does not come as a package has no version of a package.
    let (_folder, store) = place();
    fs::write(store.checkout.join("containers/routed/packages"), "iproute2\n").unwrap();
    make(&store, STATUS).unwrap();
    assert_eq!(store.list(&[wanted()]).unwrap()[1].package, None);
}

#[tokio::test]
async fn a_kernel_is_found_by_the_hash_of_its_recipe() {
    let (_folder, store) = place();
    let recipe = Recipe::load(&store.checkout, "kernel").unwrap();
    let hash = kernel::hash(&recipe);
    let folder = kernel::folder(&store.cache, &hash);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("version"), "7.2-1\n").unwrap();
    assert_eq!(states(&store)[0], is("kernel", State::Missing));
    fs::write(folder.join("linux"), "elf").unwrap();
    assert_eq!(states(&store)[0], is("kernel", State::Missing), "it can not be executed");
    fs::set_permissions(folder.join("linux"), fs::Permissions::from_mode(0o755)).unwrap();
    let progress = Progress::new(Box::new(io::sink()), crate::report::Terminal::FILE, crate::report::Verbosity::Quiet);
    let kernel = store.kernel(&progress).await.unwrap();
    assert_eq!(kernel, Kernel { path: folder.join("linux"), version: "7.2-1".into(), hash, octets: 3 });
    fs::write(store.checkout.join("containers/kernel/uml.config"), "CONFIG_X=y\n").unwrap();
    assert_eq!(states(&store)[..2], [is("kernel", State::Missing), is("routed", State::Missing)]);
    assert_eq!(states(&store)[2], is("kernel", State::Unused));
}

#[test]
fn other_machines_are_told_what_works_there() {
    assert!(this_machine("linux", "x86_64").is_ok());
    let (cause, problem, remedy) = said(this_machine("linux", "aarch64").unwrap_err());
    assert_eq!(cause, "kernel.architecture");
    assert!(problem.contains("linux aarch64") && remedy.contains("--world sim"), "{problem} {remedy}");
}

#[test]
fn half_made_things_are_left_over_only_when_nobody_makes_any() {
    let (_folder, store) = place();
    let half = store.cache.join(MAKING).join("root-r-1.2");
    fs::create_dir_all(half.join("fs")).unwrap();
    symlink("/nowhere", half.join("fs/x")).unwrap();
    let lock = Lock::take(&lock_path(&store.cache)).unwrap().unwrap();
    assert!(remove_half_made(&store.cache).unwrap().is_empty());
    let (cause, ..) = said(store.remove(&[]).unwrap_err());
    assert_eq!(cause, "store.in-use");
    drop(lock);
    assert_eq!(remove_half_made(&store.cache).unwrap(), std::slice::from_ref(&half));
    assert!(!half.exists());
}

#[tokio::test]
async fn a_kernel_that_can_not_be_built_says_why_and_leaves_nothing() {
    let (_folder, store) = place();
    let script = store.checkout.join("containers/kernel/build");
    fs::write(
        &script,
        "echo 'containers/kernel: begun'; mkdir -p $OUT; echo 'containers/kernel: missing: flex' >&2; exit 1\n",
    )
    .unwrap();
    let progress = Progress::new(Box::new(io::sink()), crate::report::Terminal::FILE, crate::report::Verbosity::Quiet);
    let mut making = store.begin(Making::Kernel, "kernel:1", &progress).await.unwrap();
    let (part, goal) = (making.part.clone(), store.cache.join("kernel/1"));
    let build = async |transcript: &mut Transcript<'_>, work: &mut Work| {
        kernel::build(&store.checkout, &part, transcript, work).await
    };
    let (cause, problem, remedy) = said(making.run(Duration::ZERO, &goal, build).await.unwrap_err());
    assert_eq!((cause.as_str(), problem.as_str()), ("kernel.compiler", "kernel:1 can not be built: missing: flex"));
    assert!(remedy.contains("apt-get install") && remedy.contains("kernel-1.log"), "{remedy}");
    assert!(!part.exists() && !goal.exists());

    let good = "mkdir -p $OUT $WORK; for f in linux config; do echo $f > $OUT/$f; done; echo 7 > $OUT/version\n";
    fs::write(&script, good).unwrap();
    let build = async |transcript: &mut Transcript<'_>, work: &mut Work| {
        kernel::build(&store.checkout, &part, transcript, work).await
    };
    making.run(Duration::ZERO, &goal, build).await.unwrap();
    assert_eq!(kernel::find(&store.cache, "1").map(|kernel| kernel.version), Some("7".to_owned()));
    assert_eq!(fs::read_dir(&goal).unwrap().count(), 3);
    assert!(!part.exists());
}
