//! Programs to walk, and the proof that nothing is left of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use crate::{ROOT, missing, scratch};

/// Where the fixtures are built: a folder of this test process, so that two runs
/// do not overwrite each other's programs.
fn folder() -> PathBuf {
    let all = scratch::folder("walk");
    let folder = all.join(process::id().to_string());
    static SWEEP: Once = Once::new();
    SWEEP.call_once(|| sweep(&all));
    fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

/// Removes the folders of test processes that have ended.
fn sweep(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !Path::new("/proc").join(name).exists() {
            // Another test process may be sweeping too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Returns a path for a file of one test.
#[must_use]
pub fn scratch(name: &str) -> PathBuf {
    folder().join(name)
}

/// Builds a program from fixtures with gcc; `None`, said aloud, where there is none.
/// The name must differ from test to test: they run at the same time.
pub fn build(name: &str, sources: &[&str], flags: &[&str]) -> Option<PathBuf> {
    let fixtures = Path::new(ROOT).join("rust/barecall/tests/fixtures/walk");
    let program = folder().join(name);
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(&compiler)
        .args(["-O2", "-fno-ipa-icf", "-pthread", "-o"])
        .arg(&program)
        .args(sources.iter().map(|source| fixtures.join(source)))
        .args(flags)
        .output();
    match built {
        Ok(built) if built.status.success() => Some(program),
        Ok(built) => panic!(
            "{compiler} failed:\n{}",
            String::from_utf8_lossy(&built.stderr)
        ),
        Err(error) => {
            missing("cc", &format!("{compiler}: {error}"));
            None
        }
    }
}

/// The program that makes calls of every kind.
pub fn calls(name: &str, flags: &[&str]) -> Option<PathBuf> {
    build(name, &["calls.c", "switch.S"], flags)
}

/// A word on a command line by which all processes of one walk can be found.
pub struct Marker(String);

impl Marker {
    /// A word that no other walk has.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "no two are the same")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(format!(
            "marker-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ))
    }

    /// The command that starts `program` with this mark.
    pub fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.0).stdout(Stdio::null());
        command
    }

    /// The mark itself.
    pub fn word(&self) -> &str {
        &self.0
    }

    /// The marked processes that are there now.
    pub fn processes(&self) -> Vec<String> {
        let own = process::id().to_string();
        fs::read_dir("/proc")
            .expect("/proc is mounted")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|pid| *pid != own && pid.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line)
                    .split('\0')
                    .any(|word| word == self.0)
            })
            .collect()
    }

    /// Asserts that no marked process is left.
    ///
    /// # Panics
    /// When there is one.
    pub fn assert_gone(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "processes left behind: {left:?}");
    }
}
