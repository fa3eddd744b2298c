//! What is on file of the Go side: the walks, and what else could run while calls waited in C.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barecall::walk::Walk;
use serde::{Deserialize, Serialize};

use super::program::Program;
use crate::go::phase::Phases;
use crate::measure::process;

/// The target that evidence is recorded for.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Everything on file that a verdict can rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub schema: u32,
    pub go: String,
    pub cc: String,
    pub target: String,
    /// The day.
    pub recorded: String,
    pub blocked: Blocked,
    pub walks: Vec<Recorded>,
}

/// A walk on file. Names carry no hash: `_cgo_HASH_Cfunc_puts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// `add_one`
    pub act: String,
    pub phases: Phases,
    #[serde(flatten)]
    pub walk: Walk,
}

/// What was found while calls waited in C, as the program in Go prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// How many goroutines may run Go code at once.
    pub processors: u64,
    pub calls: u64,
    /// Calls that were in C at the same time.
    pub in_c: u64,
    /// What another goroutine did meanwhile, of 1,000 asked for.
    pub ticks: u64,
    pub threads_before: u64,
    pub threads: u64,
}

/// The folder of what is on file.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../asm-snapshots/cgo")
        .join(TARGET)
}

impl Record {
    pub const FILE: &str = "walks.json";

    /// What is on file in that folder, or why it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(Self::FILE);
        let told = |error: String| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| told(error.to_string()))?;
        let record: Self = serde_json::from_str(&text).map_err(|error| told(error.to_string()))?;
        if record.schema != 1 {
            return Err(told(format!("schema {} is not known", record.schema)));
        }
        Ok(record)
    }
}

/// Has that many goroutines wait in C at once, on one processor.
///
/// # Errors
/// What the program said, or that it said nothing in time.
pub fn blocked(program: &Program, calls: u64) -> Result<Blocked, String> {
    const LIMIT: Duration = Duration::from_secs(30);
    let mut command = program.command("blocked");
    // Preemption as usual: nothing is counted here.
    command.env_remove("GODEBUG");
    command.arg(calls.to_string());
    let stdout = process::stdout(&mut command, LIMIT).map_err(|error| error.to_string())?;
    serde_json::from_str(&stdout).map_err(|error| error.to_string())
}
