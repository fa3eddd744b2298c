//! The judge as a user meets it: exit codes, JSON, and a verdict that turns with the image.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::io::Read as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const CLAIMS: &str = env!("CARGO_BIN_EXE_claims");

fn run(arguments: &[&str]) -> Output {
    Command::new(CLAIMS)
        .args(arguments)
        .env_remove("BARECALL_REQUIRE")
        .output()
        .expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn every_claim_holds_here() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(
        stdout(&output).contains("4 of 4 claims hold"),
        "{}",
        stdout(&output)
    );
    assert_eq!(stdout(&output), stdout(&run(&["prove"])));
    assert!(
        !stdout(&output).contains('\u{1b}'),
        "colour, though this is no terminal"
    );
}

#[test]
fn json_has_the_same_facts() {
    let output = run(&["--format", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["schema"], 1);
    let claims = document["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), 4);
    for claim in claims {
        for field in [
            "id",
            "says",
            "verdict",
            "conditions",
            "talk",
            "evidence",
            "figures",
            "provenance",
            "reproduce",
        ] {
            assert!(!claim[field].is_null(), "{field} is missing in {claim}");
        }
        assert!(!claim["talk"]["quote"].as_str().expect("a quote").is_empty());
        for figure in claim["figures"].as_object().expect("figures").values() {
            assert!(
                figure["value"].is_u64() && figure["unit"].is_string(),
                "{figure}"
            );
        }
    }
    let one = &claims[0];
    assert_eq!(
        (one["id"].as_str(), one["verdict"].as_str()),
        (Some("one-instruction"), Some("holds"))
    );
    let two = &claims[2]["figures"];
    assert_eq!(two["to puts from Rust"]["value"], 1);
    assert_eq!(two["to puts from C"]["value"], 2);
}

#[test]
fn the_quotes_are_the_talks() {
    let document: Value = serde_json::from_slice(&run(&["--format", "json"]).stdout).expect("JSON");
    for claim in document["claims"].as_array().expect("claims") {
        let quote = claim["talk"]["quote"].as_str().expect("a quote");
        assert!(quote.len() < 80, "quoted briefly: {quote}");
        let assessment = claim["talk"]["assessment"].as_str();
        assert!(
            matches!(assessment, Some("as said" | "simplified")),
            "{assessment:?}"
        );
    }
}

#[test]
fn one_claim_and_its_evidence() {
    assert!(
        stdout(&run(&["list"]))
            .lines()
            .any(|line| line.starts_with("from-a-task "))
    );
    let shown = stdout(&run(&["show", "one-instruction"]));
    for expected in [
        "unsafe { libc::puts(\"Hello\\0\".as_ptr().cast()) };",
        "// c/callers.c",
        "conditions",
        "> ",
    ] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
    let document: Value =
        serde_json::from_slice(&run(&["show", "from-a-task", "--format", "json"]).stdout)
            .expect("JSON");
    let calls = document["exhibits"][0]["rust"]
        .as_array()
        .expect("a listing");
    assert!(calls.iter().any(|line| {
        line["call"]
            .as_str()
            .is_some_and(|call| call.contains("to puts"))
    }));
}

#[test]
fn what_is_asked_wrongly_is_said() {
    let output = run(&["prove", "no-such-claim"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("the claims are: one-instruction, every-opt-level")
    );
    assert_eq!(run(&["--no-such-flag"]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

/// A reader that closes early is no error.
#[test]
fn a_broken_pipe_is_no_error() {
    let mut child = Command::new(CLAIMS)
        .args(["show", "one-instruction"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut stderr)
        .expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{stderr}");
    assert_eq!(stderr, "");
}

/// The judge reads its own image: without names there is nothing to judge, and it says so.
#[test]
fn stripped_it_judges_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let stripped = folder.path().join("claims");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(CLAIMS)
        .status()
        .expect("binutils come with gcc");
    assert!(strip.success());
    let output = Command::new(&stripped).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("stripped") && stderr.contains("strip = \"none\""),
        "{stderr}"
    );
}
