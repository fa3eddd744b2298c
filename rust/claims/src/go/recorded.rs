//! What is known of the program in Go: found now, or recorded where it cannot be built or walked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::goroutines;
use super::program::Program;
use crate::baseline::{self, File, Record};
use crate::measure::process;
use crate::report::{Evidence, Missing, Walked};

/// The folder of the listings and the facts, from the root of the repository.
pub const FOLDER: &str = "asm-snapshots/cgo/x86_64-unknown-linux-gnu";

/// The walks, and what else could run while calls waited in C.
pub const WALKS: File = File {
    path: "asm-snapshots/cgo/x86_64-unknown-linux-gnu/walks.json",
    schema: 2,
    command: "INSTA_UPDATE=always cargo test -p claims --test all cgo",
};

/// Everything on file that a verdict can rest on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoFacts {
    pub blocked: Blocked,
    /// Names carry no hash: `_cgo_HASH_Cfunc_puts`.
    pub walks: Vec<Walked>,
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

/// Where the walks are on file.
#[must_use]
pub fn walks() -> PathBuf {
    baseline::root().join(WALKS.path)
}

/// What a claim rests on of the program in Go, and where that is from.
pub struct GoEvidence<T> {
    pub evidence: Evidence,
    pub found: T,
    pub provenance: BTreeMap<String, String>,
    /// What was missing to find it now.
    pub missing: Vec<Missing>,
    /// What went wrong.
    pub findings: Vec<String>,
}

impl<T: Default> GoEvidence<T> {
    /// To be found by running this program.
    pub fn live(program: &Program) -> Self {
        let compiler = program.toolchain.made_by().join(", ");
        Self {
            evidence: Evidence::Live,
            found: T::default(),
            provenance: provenance(
                ("image", program.path.display().to_string()),
                compiler,
                crate::today(),
            ),
            missing: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// What that file has, since `what` is missing.
    pub fn recorded(
        file: &Path,
        what: &str,
        why: impl fmt::Display,
        of: impl FnOnce(GoFacts) -> T,
    ) -> Self {
        let mut gone = Self {
            evidence: Evidence::Recorded,
            found: T::default(),
            provenance: BTreeMap::new(),
            missing: vec![Missing::new(what, why)],
            findings: Vec::new(),
        };
        match Record::<GoFacts>::read_from(file, WALKS.schema, WALKS.command) {
            Ok(record) => {
                let from = ("file", WALKS.path.to_owned());
                gone.provenance = provenance(from, record.made_by.join(", "), record.recorded);
                gone.found = of(record.facts);
            }
            // Not against the claim: there is nothing that it could rest on.
            Err(error) => gone.missing.push(Missing::new(what, error)),
        }
        gone
    }
}

fn provenance(
    (what, from): (&str, String),
    compiler: String,
    date: String,
) -> BTreeMap<String, String> {
    [
        (what, from),
        ("compiler", compiler),
        ("target", baseline::TARGET.to_owned()),
        ("date", date),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Has that many goroutines wait in C at once, on one processor.
///
/// # Errors
/// What the program said, or that it said nothing in time.
pub fn blocked(program: &Program, calls: u64) -> Result<Blocked, goroutines::Error> {
    const LIMIT: Duration = Duration::from_secs(30);
    let mut command = program.command("blocked");
    // Preemption as usual: nothing is counted here.
    command.env_remove("GODEBUG").arg(calls.to_string());
    let stdout = process::stdout(&mut command, LIMIT)?;
    Ok(serde_json::from_str(&stdout)?)
}
