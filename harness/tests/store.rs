//! A router's root made on this machine itself, with no container engine: from the distribution's packages to a system
//! that has its daemon. Takes about half a minute.

use std::{env, fs, os::unix::fs::MetadataExt, path::Path};

use assert_cmd::Command;

/// Whether a program can be found.
fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[test]
fn a_root_is_bootstrapped_without_an_engine() {
    if !has("mmdebstrap") {
        assert!(env::var("DMVPN_LAB_DENY_SKIPS").as_deref() != Ok("1"), "skips are denied, and there is no mmdebstrap");
        println!("skip: mmdebstrap.missing mmdebstrap is not installed");
        return;
    }
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let lab = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmvpn-lab"));
        command.current_dir(checkout).args(arguments);
        command.env("DOCKER_HOST", "unix:///nonexistent").env("XDG_CACHE_HOME", cache.path());
        let output = command.output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    // The kernel takes minutes, and how it is made has tests of its own.
    let (_, list, _) = lab(&["images", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let kernel = Path::new(list["assets"][0]["path"].as_str().unwrap());
    fs::create_dir_all(kernel).unwrap();
    fs::write(kernel.join("version"), "0").unwrap();
    fs::copy("/bin/true", kernel.join("linux")).unwrap();

    let (code, out, err) = lab(&["images", "build", "frr:10.3", "--driver", "guest"]);
    if code == Some(4) && err.contains("root.network") | err.contains("root.unprivileged") {
        assert!(env::var("DMVPN_LAB_DENY_SKIPS").as_deref() != Ok("1"), "skips are denied: {err}");
        println!("skip: {err}");
        return;
    }
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(out, "1 built, 1 up to date\n");
    let (_, list, _) = lab(&["images", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let root = list["assets"].as_array().unwrap().iter().find(|asset| asset["name"] == "frr:10.3").unwrap();
    assert_eq!(root["state"], "current");
    let fs_of = Path::new(root["path"].as_str().unwrap()).join("fs");
    let daemon = fs::metadata(fs_of.join("usr/lib/frr/nhrpd")).unwrap();
    assert_eq!((daemon.mode() & 0o111, daemon.uid()), (0o111, fs::metadata(cache.path()).unwrap().uid()));
    assert!(!fs_of.join("dev/null").exists() && !fs_of.join("usr/share/man/man8").exists());
    assert_eq!(fs::read_dir(cache.path().join("dmvpn-lab/making")).unwrap().count(), 0);

    assert_eq!(lab(&["images", "build", "frr:10.3", "--driver", "guest"]).1, "0 built, 2 up to date\n");
    let (code, out, _) = lab(&["images", "remove", "frr:10.3"]);
    assert_eq!((code, out.as_str()), (Some(0), "removed frr:10.3 for guests\n"));
    assert!(!fs_of.exists());
}
