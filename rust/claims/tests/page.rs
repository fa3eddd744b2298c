//! The report in a real browser: links, copying, marks, widths and accessibility. See tests/page/check.mjs.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "support/browser.rs"]
mod browser;
#[path = "support/limited.rs"]
mod limited;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn the_report_in_a_browser() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let report = folder.join("report");
    let mut command = Command::new(env!("CARGO_BIN_EXE_claims"));
    command.arg("report").arg("--out").arg(&report);
    let output = limited::run(&mut command, Duration::from_secs(60));
    assert!(output.status.success(), "{output:?}");
    browser::check(
        &report,
        &folder.join("screenshots"),
        browser::Plants::Without,
    );
}
