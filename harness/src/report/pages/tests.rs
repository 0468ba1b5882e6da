use std::collections::BTreeMap;

use super::*;
use crate::report::sample;
use crate::verdict::ImplRef;

const TIMELINE: &str = r#"{"at_ns":0,"kind":"step","text":"-- start hub (a.yaml:1)"}
{"at_ns":1500,"kind":"packet","text":"hub -> spoke  <b>NHRP","link":"wan","number":1,"from":"hub","to":"spoke","summary":"<b>NHRP","fate":"delivered"}
{"at_ns":2500,"kind":"packet","text":"hub -> spoke  NHRP","link":"wan","number":2,"from":"hub","to":"spoke","summary":"NHRP","fate":"lost"}
{"at_ns":
"#;

/// The sample run for two versions, with evidence of the case that fails.
fn run(folder: &Path) -> StoredRun {
    let mut run = sample::run();
    let mut other = run.cases.clone();
    for case in &mut other {
        case.subject = ImplRef::new("frr", "8.4.4");
    }
    run.cases.append(&mut other);
    let failed = folder.join("nhrp/registration/unique-conflict/default");
    for (name, text) in [
        ("wan.pcapng", ""),
        ("timeline.jsonl", TIMELINE),
        ("logs/hub one.log", ""),
        ("config/hub/frr.conf", ""),
        ("verdict.json", "{}"),
    ] {
        put(&failed.join(name), text).unwrap();
    }
    StoredRun { result: run, folder: folder.to_owned() }
}

/// All pages by their names.
fn pages(run: &StoredRun, out: &Path, copy: bool) -> BTreeMap<String, String> {
    let evidence = evidence_of(run);
    Pages { run: &run.result, evidence: &evidence, requirements: None, copy }.write(out).unwrap();
    let html = files(out).into_iter().filter(|path| path.extension().is_some_and(|end| end == "html"));
    html.map(|path| {
        let name = path.strip_prefix(out).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    })
    .collect()
}

/// The page without style and script, which have files of their own.
fn body(page: &str) -> String {
    let (_, rest) = page.split_once("</head>").unwrap();
    let (body, _) = rest.split_once("<script>").unwrap();
    body.to_owned()
}

#[test]
fn the_matrix_and_a_case_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&folder.path().join("run"));
    let pages = pages(&run, &folder.path().join("pages"), false);
    assert_eq!(pages.len(), 7);
    insta::assert_snapshot!("matrix", body(&pages["index.html"]));
    insta::assert_snapshot!("case", body(&pages["cases/nhrp-registration-unique-conflict.html"]));
}

#[test]
fn links_lead_to_the_evidence_where_it_is_or_to_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&folder.path().join("run"));
    for (copy, out) in [(false, "linked"), (true, "copied")] {
        let out = folder.path().join(out);
        let pages = pages(&run, &out, copy);
        let page = &pages["cases/nhrp-registration-unique-conflict.html"];
        let links: Vec<&str> = page
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| !link.starts_with('#'))
            .collect();
        assert!(links.iter().any(|link| link.ends_with("/logs/hub%20one.log")), "{links:?}");
        for link in links {
            assert!(!link.starts_with('/') && !link.contains(':'), "{link}");
            let path = out.join("cases").join(link.replace("%20", " "));
            assert!(path.exists(), "{link}");
            assert!(!copy || path.canonicalize().unwrap().starts_with(out.canonicalize().unwrap()), "{link}");
        }
    }
}

#[test]
fn no_text_becomes_markup_or_script() {
    let horrors = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ \"7 * 7 = \" ~ 7 * 7 }}\u{202e}\0";
    let folder = tempfile::tempdir().unwrap();
    let mut run = run(&folder.path().join("run"));
    run.result.visit_text(&mut |text| text.push_str(horrors), &mut |_| {});
    let pages = pages(&run, &folder.path().join("pages"), true);
    assert_eq!(pages.len(), 7);
    for (name, page) in pages {
        assert_eq!(page.matches("<script").count(), 1, "{name}");
        assert!(!page.contains("7 * 7 = 49") && !page.contains('\u{202e}') && !page.contains('\0'), "{name}");
        // Nothing is loaded, and no script runs but the page's own.
        let script = page.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        let digest = base64(&Sha256::digest(script.as_bytes()));
        assert!(page.contains(&format!("script-src &#39;sha256-{digest}&#39;")), "{name}: {page}");
        for loads in ["<img", "<link", "<iframe", "url(", "@import"] {
            assert!(!page.contains(loads), "{name} has {loads}");
        }
    }
}

#[test]
fn a_folder_of_something_else_is_left_alone_and_older_pages_go() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&folder.path().join("run"));
    let out = folder.path().join("pages");
    pages(&run, &out, true);
    fs::write(out.join("cases/old.html"), "").unwrap();
    pages(&run, &out, false);
    assert!(!out.join("cases/old.html").exists() && !out.join("evidence").exists());
    fs::write(out.join("index.html"), "mine").unwrap();
    let error = prepare(&out).unwrap_err().to_string();
    assert!(error.contains("not a folder of pages") && out.join("cases").exists(), "{error}");
}

#[test]
fn ways_are_relative_and_encoded() {
    assert_eq!(relative(Path::new("/a/b/cases"), Path::new("/a/runs/x y#1")), "../../runs/x%20y%231");
    assert_eq!(relative(Path::new("/a"), Path::new("/a/b")), "b");
    let mut taken = BTreeSet::new();
    let names: Vec<String> = ["a", "a", "", "a"].into_iter().map(|name| unique(name, &mut taken)).collect();
    assert_eq!(names, ["a", "a-2", "unnamed", "a-3"]);
}

#[test]
fn base64_is_that_of_the_rfc() {
    for (plain, coded) in
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
    {
        assert_eq!(base64(plain.as_bytes()), coded);
    }
}

#[test]
fn names_are_those_of_files() {
    assert_eq!(slug("frr-nhrp/**/unique*"), "frr-nhrp-unique");
    assert_eq!(slug("frr:10.3@guest"), "frr-10.3-guest");
}
