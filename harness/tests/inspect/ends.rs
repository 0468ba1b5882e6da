//! How it ends: exit codes, and what goes where.

use crate::{folder, inspect, lab};

#[test]
fn every_end_has_its_code() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("empty.pcap"), []).unwrap();
    std::fs::write(path.join("text.pcap"), "no capture at all").unwrap();
    std::fs::write(path.join("keys"), "nonsense,").unwrap();
    let whole = std::fs::read(path.join("all.pcap")).unwrap();
    std::fs::write(path.join("cut.pcap"), &whole[..whole.len() - 3]).unwrap();
    let all = ["--exchanges", "--packets", "--ladder", "--json", "--tree=1"];
    for mode in all {
        assert_eq!(inspect(path, &["all.pcap", mode]).code, 0, "{mode}");
    }
    for (arguments, code, says) in [
        (&["cut.pcap"][..], 1, "packet 31, offset"),
        (&["cut.pcap", "--json"], 1, "packet 31, offset"),
        (&["cut.pcap", "--ladder"], 1, "packet 31, offset"),
        (&["empty.pcap"], 1, "the file is empty"),
        (&["text.pcap"], 1, "not a capture file"),
        (&["empty.pcap", "all.pcap"], 1, "the file is empty"),
        (&["nothing.pcap"], 2, "No such file"),
        (&[], 2, "required"),
        (&["all.pcap", "--filter", "gre.kee == 1"], 2, "did you mean `gre.key`"),
        (&["all.pcap", "--tree", "0"], 2, "0"),
        (&["all.pcap", "--ladder", "--json"], 2, "cannot be used with"),
        (&["all.pcap", "--tree", "1", "--exchanges"], 2, "cannot be used with"),
        (&["all.pcap", "--keys", "keys"], 2, "keys:1"),
        (&["all.pcap", "all.pcap", "--diff", "all.pcap"], 2, "--diff takes one FILE"),
        (&["--follow", "no-such-one"], 2, "there is no interface `no-such-one`"),
        (&["all.pcap", "--html", "/proc/no/such/place.html"], 4, "inspect.write"),
        (&["."], 4, "inspect.read"),
    ] {
        let said = inspect(path, arguments);
        assert_eq!(said.code, code, "{arguments:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(says), "{arguments:?}: {}", said.err);
    }
}

#[test]
fn colours_are_for_those_who_want_them() {
    let folder = folder();
    assert!(!inspect(folder.path(), &["all.pcap"]).out.contains('\x1b'));
    let colored = lab(folder.path()).args(["all.pcap", "--color", "always"]).output().unwrap();
    assert!(String::from_utf8(colored.stdout).unwrap().contains("\x1b[1;31m"));
    let plain = lab(folder.path()).args(["all.pcap"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!String::from_utf8(plain.stdout).unwrap().contains('\x1b'));
}

#[test]
fn the_standard_input_is_a_file_as_well() {
    let folder = folder();
    let file = std::fs::File::open(folder.path().join("all.pcap")).unwrap();
    let piped = lab(folder.path()).args(["-", "--exchanges"]).stdin(file).output().unwrap();
    assert_eq!(piped.status.code(), Some(0));
    assert_eq!(String::from_utf8(piped.stdout).unwrap(), inspect(folder.path(), &["all.pcap", "--exchanges"]).out);
}

#[test]
fn help_has_examples() {
    let folder = folder();
    let said = inspect(folder.path(), &["--help"]);
    assert_eq!(said.code, 0);
    assert!(said.out.contains("Examples:") && said.out.contains("Exit codes:"), "{}", said.out);
}
