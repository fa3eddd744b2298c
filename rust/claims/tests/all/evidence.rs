//! EVIDENCE.md and docs/ladder.svg say what the optimised judge finds. To accept a change:
//! `cargo run --release -- evidence --accept`.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use testkit::digits::{numbers, numbers_in};
use testkit::limited;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The optimised judge, which may have to be compiled first.
fn judge(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "run",
            "--release",
            "--quiet",
            "--locked",
            "-p",
            "claims",
            "--",
        ])
        .args(arguments)
        .current_dir(ROOT);
    limited::run(&mut command, Duration::from_secs(540))
}

#[test]
#[ignore = "slow: compiles the optimised judge"]
fn what_is_on_file_is_what_is_found() {
    let output = judge(&["evidence"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}{stderr}",
        String::from_utf8_lossy(&output.stdout)
    );
    for line in stderr
        .lines()
        .filter(|line| line.starts_with("not checked: "))
    {
        eprintln!("{line}");
    }
}

/// What is not optimised has other listings, and is not compared.
#[cfg(debug_assertions)]
#[test]
fn an_image_that_is_not_optimised_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claims"));
    let output = limited::run(command.arg("evidence"), Duration::from_secs(60));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cargo run --release -- evidence"));
}

#[test]
#[ignore = "slow: compiles the optimised judge"]
fn every_number_in_evidence_is_in_the_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = judge(&["report", "--out", folder.path().to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(folder.path().join("data.json")).expect("it is there");
    let data: Value = serde_json::from_str(&text).expect("JSON");
    let evidence = fs::read_to_string(Path::new(ROOT).join("EVIDENCE.md")).expect("EVIDENCE.md");
    let invented = |evidence: &str, claim: &Value| -> BTreeSet<String> {
        let id = claim["id"].as_str().expect("an id");
        let (_, section) = evidence
            .split_once(&format!("\n## {id}\n"))
            .expect("its section");
        let section = section.split("\n## ").next().unwrap_or_default();
        // By whom it was recorded is of that day; listings are on file themselves.
        let section = section.split("\nRecorded ").next().unwrap_or_default();
        let prose: Vec<&str> = section
            .split("\n```asm\n")
            .enumerate()
            .map(|(index, part)| match index {
                0 => part,
                _ => part.split_once("\n```\n").expect("a listing ends").1,
            })
            .collect();
        let prose: Vec<&str> = prose
            .iter()
            .flat_map(|part| part.lines())
            .filter(|line| !line.starts_with("The code, from"))
            .collect();
        numbers(&prose.join("\n"))
            .difference(&numbers_in(claim))
            .cloned()
            .collect()
    };
    for claim in data["claims"].as_array().expect("claims") {
        // What was not checked here has no figures to compare with.
        if claim["missing"].is_array() {
            eprintln!(
                "not checked: {} in EVIDENCE.md: {}",
                claim["id"], claim["missing"]
            );
            continue;
        }
        assert_eq!(
            invented(&evidence, claim),
            BTreeSet::new(),
            "{}",
            claim["id"]
        );
    }
    let planted = evidence.replacen("| exhibits | 10 |", "| exhibits | 31337 |", 1);
    assert_eq!(
        invented(&planted, &data["claims"][0]),
        BTreeSet::from(["31337".to_owned()])
    );
}
