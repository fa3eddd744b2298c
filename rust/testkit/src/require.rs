//! What a check needs and does not find is said aloud, and is a failure where it is required.

use std::io::Write as _;

/// Reports on stderr that `what` (`libclang`, `clang`, `go` …) is missing, so that a check cannot run.
///
/// # Panics
/// When `BARECALL_REQUIRE`, a list with commas, names `what`, or is `all`.
pub fn missing(what: &str, why: &str) {
    let required = std::env::var("BARECALL_REQUIRE").unwrap_or_default();
    assert!(
        !requires(&required, what),
        "BARECALL_REQUIRE={required} asks for {what}, which is missing: {why}"
    );
    // Not eprintln!, which the test harness captures when a test passes.
    // Nothing can be done about a stderr that cannot be written to.
    let _ = writeln!(std::io::stderr(), "not checked: {what}: {why}");
}

/// Returns whether that value of `BARECALL_REQUIRE` names `what`.
#[must_use]
pub fn requires(list: &str, what: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|name| name == "all" || name == what)
}
