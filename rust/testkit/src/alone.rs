//! A test in a process of its own: it counts what the whole process does, or takes something away from it.

use std::any::type_name;
use std::process::Command;

/// The variable that names the test that a process was started for.
pub const ALONE: &str = "TEST_ALONE";

/// Runs `test`, the body of the calling test, in a process of its own.
///
/// `test` must be a closure written in the test function itself: the test's name is taken from its type.
///
/// # Panics
/// When the test fails there, with all that it wrote.
pub fn alone<F: FnOnce()>(test: F) {
    let name = name_of(&test);
    if std::env::var(ALONE).is_ok_and(|alone| alone == name) {
        return test();
    }
    let output = again(name).env(ALONE, name).output();
    let output = output.expect("the test's own program runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{name}: {}\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{stdout}");
}

/// Returns a command that runs this test program once more, with the test of that name only.
///
/// # Panics
/// When the path of this program is not known.
#[must_use]
pub fn again(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test's own path"));
    command.args(["--exact", name, "--nocapture", "--include-ignored"]);
    command
}

/// Returns the name by which the test harness knows a test function, or the one that a closure is written in:
/// its path, without the crate.
#[must_use]
pub fn name_of<T>(_: &T) -> &'static str {
    let path = type_name::<T>().trim_end_matches("::{{closure}}");
    path.split_once("::").map_or(path, |(_, name)| name)
}
