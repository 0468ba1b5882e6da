use super::*;

fn report(engine_ok: bool) -> Report {
    let engine = match engine_ok {
        true => Check::met("engine", "Docker 28.0", "routers run in containers"),
        false => Check::failed(
            "engine",
            LabError::environment("docker.unreachable", "no container engine answers", "start it: `sudo x`"),
            "no routers in containers",
        ),
    };
    let checks = vec![machine("linux", "x86_64"), engine];
    let worlds = worlds(&checks);
    Report { schema: 1, checks, worlds }
}

#[test]
fn people_see_what_is_missing_and_what_to_do() {
    let expected = "\
CHECK        FOUND                        MEANS
machine  ok  linux x86_64                 everything can run
engine   --  no container engine answers  no routers in containers

WORLD                BECAUSE
sim             yes  everything in this process, under a virtual clock
real/container  no   engine: no container engine answers
real/guest      yes  routers in one process of yours, under a virtual clock

What to do:
  engine: start it: `sudo x`
";
    assert_eq!(report(false).text_in(100), expected);
    assert!(!report(true).text_in(100).contains("What to do"));
}

#[test]
fn a_narrow_terminal_wraps_and_loses_nothing() {
    let text = report(false).text_in(50);
    let expected = "\
CHECK        FOUND           MEANS
machine  ok  linux x86_64    everything can
                             run
engine   --  no container    no routers in
             engine answers  containers
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.lines().take_while(|line| !line.is_empty()).all(|line| line.chars().count() <= 50), "{text}");
    assert_eq!(wrapped("a /very/long/path b", 5), "a\n/very/long/path\nb");
}

#[test]
fn programs_get_the_same() {
    let json: serde_json::Value = serde_json::from_str(&report(false).json()).unwrap();
    assert_eq!(json["checks"][1]["remedy"], "start it: `sudo x`");
    assert_eq!(json["worlds"][1]["can"], false);
}

#[test]
fn other_machines_have_the_simulator() {
    let checks = [machine("linux", "aarch64")];
    assert!(!checks[0].ok);
    let worlds = worlds(&checks);
    assert!(worlds[0].can && !worlds[1].can && !worlds[2].can);
    assert!(checks[0].remedy.as_ref().is_some_and(|remedy| remedy.contains("world `sim`")));
    assert_eq!(worlds[1].because, "machine: linux aarch64");
}

#[test]
fn the_kernel_is_known_by_its_modules_or_its_functions() {
    let none = || String::new();
    let modules = "kernel/net/ipv4/ip_gre.ko: kernel/x.ko\nkernel/net/ipv4/esp4.ko.xz:\n";
    assert_eq!(kernel_check(modules, || panic!("not needed")).means, "routers can use this machine's kernel");
    assert_eq!(kernel_check("", none).means, "routers boot the lab's own kernel");
    let symbols = || "0 t ipgre_rcv\n0 T esp_input\n0 T other [x]\n".to_owned();
    assert_eq!(kernel_check("", symbols).means, "routers can use this machine's kernel");
    assert_eq!(kernel_check("kernel/ip_gre.ko:", none).found, "GRE: has; ESP: has not, as far as can be seen");
}

#[test]
fn capabilities_are_read_bit_by_bit() {
    assert!(capabilities("Name:\tx\nCapEff:\t0000000000003000\n").ok);
    assert_eq!(capabilities("CapEff:\t0000000000001000\n").found, "CAP_NET_RAW not held");
    assert_eq!(capabilities("").found, "CAP_NET_ADMIN, CAP_NET_RAW not held");
}

#[test]
fn a_full_disk_is_seen_before_the_build() {
    assert!(disk(DISK_NEEDED, "/x").ok);
    let check = disk(500_000_000, "/x");
    assert_eq!(check.found, "0.5 GB free");
    assert!(check.remedy.unwrap().contains("/x"));
}

#[test]
fn static_files_ask_for_no_interpreter() {
    let mut elf = vec![0_u8; 0x40 + 2 * 0x38];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[0x20] = 0x40;
    elf[0x36] = 0x38;
    elf[0x38] = 2;
    elf[0x40] = 1;
    assert_eq!(is_static(&elf), Some(true));
    elf[0x40 + 0x38] = 3;
    assert_eq!(is_static(&elf), Some(false));
    assert_eq!(is_static(b"#!/bin/sh"), None);
    assert_eq!(is_static(b"\x7fELF\x02\x01"), None);
}

#[tokio::test]
async fn this_machine_is_examined_without_an_error() {
    let report = examine(None).await.unwrap();
    for name in ["engine", "memory", "system-calls", "cache", "guests"] {
        assert!(report.checks.iter().any(|check| check.name == name), "{name}: {report:?}");
    }
    assert!(report.worlds[0].can, "{report:?}");
}
