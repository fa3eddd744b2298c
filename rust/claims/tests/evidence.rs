//! EVIDENCE.md and docs/ladder.svg say what the optimised judge finds. To accept a change:
//! `cargo run --release -- evidence --accept`.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "support/limited.rs"]
mod limited;

use std::process::Command;
use std::time::Duration;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn what_is_on_file_is_what_is_found() {
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
            "evidence",
        ])
        .current_dir(ROOT);
    // It may have to be compiled first.
    let output = limited::run(&mut command, Duration::from_secs(540));
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
