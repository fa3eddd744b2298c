//! What `cargo barecall` prints as JSON is what docs/json.md and docs/schema say.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::fs;
use std::process::Command;

use serde_json::Value;
use testkit::alone::name_of;
use testkit::schema;

fn json(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-barecall"))
        .args(arguments)
        .args(["--format", "json"])
        .output()
        .expect("it runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{arguments:?}: {error}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// This test's own image has calls of every kind.
fn image() -> String {
    let image = std::env::current_exe().expect("the test's own image");
    image.to_str().expect("UTF-8").to_owned()
}

#[test]
fn calls_check_and_listings() {
    let image = image();
    let calls = json(&["calls", "--file", &image, "--to", "^(write|memcpy)$"]);
    schema::assert_describes("calls", &calls);
    let first = calls["calls"][0]["from_mangled"]
        .as_str()
        .expect("a call from a function with a name");
    schema::assert_describes("listing", &json(&["show", "--file", &image, first]));
    let mut planted = calls.clone();
    planted["calls"][0]["route"] = "teleport".into();
    let problems = schema::problems("calls", &planted);
    assert!(problems[0].contains("/calls/0/route"), "{problems:?}");
    let checked = json(&[
        "check",
        "--file",
        &image,
        "--to",
        "^write$",
        "--deny",
        "got,register,direct",
    ]);
    assert_eq!(checked["holds"], false, "something must be listed");
    schema::assert_describes("check", &checked);
}

#[test]
fn diff() {
    let folder = tempfile::tempdir().expect("a folder");
    let snapshots = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../asm-snapshots/x86_64-unknown-linux-gnu"
    );
    let [old, new] = [("old", "O0"), ("new", "O3")].map(|(name, level)| {
        let file = folder.path().join(name);
        fs::copy(format!("{snapshots}/say.rust.{level}.snap"), &file).expect("a copy");
        file.to_str().expect("UTF-8").to_owned()
    });
    schema::assert_describes("diff", &json(&["diff", &old, &new]));
}

/// The program that is walked.
#[test]
fn acted() {
    if std::env::var_os("BARECALL_SCHEMAS_ACT").is_some() {
        std::hint::black_box(says(std::hint::black_box(c"")));
    }
}

#[inline(never)]
fn says(text: &std::ffi::CStr) -> usize {
    // SAFETY: the text ends in a NUL; `strlen` only reads it.
    unsafe { libc::strlen(std::hint::black_box(text.as_ptr())) }
}

#[test]
fn walk() {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-barecall"))
        .args([
            "walk",
            "--format",
            "json",
            "--from",
            "schemas::says",
            "--to",
            "strlen",
            "--",
            &image(),
        ])
        .args([name_of(&acted), "--exact", "--nocapture"])
        .env("BARECALL_SCHEMAS_ACT", "1")
        .output()
        .expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let Some(document) = stdout
        .find("{\n")
        .and_then(|start| stdout.get(start..=stdout.rfind('}')?))
    else {
        assert!(stderr.contains("forbids"), "{stdout}{stderr}");
        return testkit::missing("ptrace", &stderr);
    };
    schema::assert_describes("walk", &serde_json::from_str(document).expect("JSON"));
}
