//! The report as a user meets it: its page, its JSON, and the citations that come from it.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod cite;
mod folder;
mod numbers;
mod schemas;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use testkit::{browser, limited};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// One report, which every test looks at.
struct Report {
    folder: PathBuf,
    page: String,
    data: Value,
}

static REPORT: LazyLock<Report> = LazyLock::new(|| {
    let folder = testkit::scratch::shared("report", |folder| {
        let out = folder.join("report");
        let output = run(&["report", "--out", out.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    })
    .join("report");
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("it is there");
    Report {
        page: read("index.html"),
        data: serde_json::from_str(&read("data.json")).expect("JSON"),
        folder,
    }
});

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claims"));
    command.args(arguments).env_remove("BARECALL_REQUIRE");
    limited::run(&mut command, Duration::from_secs(60))
}

#[test]
#[ignore = "slow: starts a browser"]
fn it_works_in_a_browser() {
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    browser::check(&REPORT.folder, &screenshots, browser::Plants::Without);
}
