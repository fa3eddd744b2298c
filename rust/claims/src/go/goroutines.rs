//! Goroutines asleep, for comparison: counted by `cgo/tasks` where there is Go, else on file.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::baseline::{self, File, Record};
use crate::go::toolchain::{self, NoGo, Toolchain};
use crate::measure::process;

/// What so many goroutines took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goroutines {
    /// `go1.27.3 linux/amd64`
    pub go: String,
    pub count: u64,
    pub asleep: u64,
    /// What Go's heap reserved for their stacks, in bytes.
    pub stack_bytes: u64,
    /// Bytes of resident memory until all were asleep.
    pub resident: u64,
    /// Seconds until then.
    pub asleep_after: f64,
}

/// The evidence on file.
pub const FILE: File = File {
    path: "asm-snapshots/goroutines/x86_64-unknown-linux-gnu.json",
    schema: 2,
    command: "cargo run --release -- prove million-tasks --record --tasks 1000000",
};

/// Why nothing was counted here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    NoGo(#[from] NoGo),
    #[error("the program in Go could not be built or run: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error("the program in Go printed something unexpected: {0}")]
    Json(#[from] serde_json::Error),
}

/// What is on file.
///
/// # Errors
/// When there is no such file, or it is damaged or of another version.
pub fn on_file() -> Result<Record<Vec<Goroutines>>, baseline::Error> {
    Record::read(&FILE)
}

/// Puts it on file.
///
/// # Errors
/// When the file cannot be written.
pub fn record(taken: &[Goroutines]) -> Result<(), baseline::Error> {
    let made_by = taken.first().map(|taken| taken.go.clone());
    Record::new(&FILE, made_by.into_iter().collect(), taken.to_vec()).write(&FILE)
}

/// Builds `cgo/tasks`, and has so many goroutines asleep, for each of these numbers.
///
/// # Errors
/// When there is no Go, or it fails.
pub fn live(counts: &[u64]) -> Result<Vec<Goroutines>, Error> {
    let go = Toolchain::find()?.go;
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("tasks");
    build(&go, &program)?;
    let run = |&count: &u64| {
        let limit = Duration::from_secs(20 + count / 10_000);
        let text = process::stdout(Command::new(&program).arg(count.to_string()), limit)?;
        Ok(serde_json::from_str(&text)?)
    };
    counts.iter().map(run).collect()
}

fn build(go: &OsString, program: &Path) -> Result<(), Error> {
    // One file of the standard library alone: no module, nothing to fetch.
    let built = process::stdout(
        toolchain::command(go)
            .args(["build", "-trimpath", "-o"])
            .arg(program)
            .arg("main.go")
            .current_dir(baseline::root().join("cgo/tasks"))
            .env("GO111MODULE", "off"),
        Duration::from_secs(120),
    );
    Ok(built.map(drop)?)
}
