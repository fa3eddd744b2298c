//! What the judge prints as JSON is what docs/json.md and docs/schema say.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "support/limited.rs"]
mod limited;
#[path = "support/schema.rs"]
mod schema;

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

fn json(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claims"));
    command
        .args(arguments)
        .args(["--format", "json"])
        .env_remove("BARECALL_REQUIRE");
    let output = limited::run(&mut command, Duration::from_secs(60));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

#[test]
fn prove_list_and_cite() {
    let proved = json(&["prove"]);
    schema::assert_describes("prove", &proved);
    schema::assert_describes("list", &json(&["list"]));
    schema::assert_describes("cite", &json(&["cite", "callbacks-too"]));
    let mut planted = proved.clone();
    planted["claims"][0]["verdict"] = "probably holds".into();
    let problems = schema::problems("prove", &planted);
    assert!(problems[0].contains("/claims/0/verdict"), "{problems:?}");
    let mut planted = proved;
    planted["claims"][0]["figures"]["exhibits"]["value"] = (-1).into();
    assert_ne!(schema::problems("prove", &planted), Vec::<String>::new());
}

#[test]
fn show_and_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_claims"));
    command.arg("report").arg("--out").arg(folder.path());
    assert!(
        limited::run(&mut command, Duration::from_secs(60))
            .status
            .success()
    );
    let text = fs::read_to_string(folder.path().join("data.json")).expect("it is there");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    schema::assert_describes("report", &report);
    // What `show` prints, of every claim.
    for claim in report["claims"].as_array().expect("claims") {
        schema::assert_describes("show", claim);
    }
    assert_eq!(
        json(&["show", "callbacks-too"])["claim"]["id"],
        "callbacks-too"
    );
}
