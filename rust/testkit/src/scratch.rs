//! Folders for what tests build, below the target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// Returns the folder of that name in the target folder's `tmp`, where Cargo has tests put their files.
///
/// # Panics
/// When it cannot be created.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    // target/PROFILE/deps/PROGRAM
    let program = std::env::current_exe().expect("the test's own path");
    let target = program.ancestors().nth(3).expect("a target folder");
    let folder = target.join("tmp").join(name);
    fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

/// Returns a folder that `make` fills once in a run of the tests, however many threads and processes ask for it:
/// `cargo nextest` runs each test in a process of its own.
///
/// # Panics
/// When the folder cannot be written, and when `make` panics.
pub fn shared(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let folder = folder(name);
    let lock = File::create(folder.with_extension("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let stamp = folder.join("run");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == run()) {
        return folder;
    }
    fs::remove_dir_all(&folder).expect("what an earlier run made is removed");
    fs::create_dir(&folder).expect("a folder");
    make(&folder);
    fs::write(stamp, run()).expect("the target folder is writable");
    folder
}

/// What tells this run of the tests from every other: nextest's word for it, or this process.
fn run() -> &'static str {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| {
        std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            format!(
                "{}-{}",
                std::process::id(),
                now.unwrap_or_default().as_nanos()
            )
        })
    })
}
