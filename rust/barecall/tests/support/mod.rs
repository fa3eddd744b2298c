//! What several tests need, the workspace's as well: to say aloud what was not checked.

use std::io::Write as _;

/// Reports that `what` (`libclang`, `clang`, `go` …) is not to be had, so that a
/// check cannot run: on stderr, in every case.
///
/// # Panics
/// When `BARECALL_REQUIRE`, a list with commas, names `what`, or is `all`.
#[allow(dead_code, reason = "each test uses what it needs")]
pub fn missing(what: &str, why: &str) {
    let required = std::env::var("BARECALL_REQUIRE").unwrap_or_default();
    assert!(
        !requires(&required, what),
        "BARECALL_REQUIRE={required} asks for {what}, which is missing: {why}"
    );
    // Not eprintln!, which the test harness keeps to itself when a test passes.
    // Nothing to be done about a stderr that cannot be written.
    let _ = writeln!(std::io::stderr(), "not checked: {what}: {why}");
}

/// Whether that value of `BARECALL_REQUIRE` names `what`.
#[allow(dead_code, reason = "each test uses what it needs")]
pub fn requires(list: &str, what: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|name| name == "all" || name == what)
}
