//! A test in a process of its own: it counts what the whole process does, or takes
//! something away from it.

use std::process::Command;

/// Names the test that the process is for.
#[allow(dead_code, reason = "each test uses what it needs")]
pub const ALONE: &str = "TEST_ALONE";

/// Runs `test`, the body of the test of that name, in a process of its own, and
/// fails as it does.
#[allow(dead_code, reason = "each test uses what it needs")]
pub fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var(ALONE).is_ok_and(|alone| alone == name) {
        return test();
    }
    let output = Command::new(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env(ALONE, name)
        .output()
        .expect("the test's own program runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{name}: {}\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{stdout}");
}
