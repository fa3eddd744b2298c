//! The walks, and what each of their instructions is for.

use std::collections::BTreeMap;

use barecall::walk::Walk;
use serde::{Deserialize, Serialize};

use super::verdict::Evidence;

/// One language's call in the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The language: `Rust`.
    pub language: String,
    /// Whose walk it is, in [`Claim::walks`](super::Claim::walks).
    pub side: Side,
    /// Which call, likewise.
    pub name: String,
    /// Instructions out and back together, the callee's excluded.
    pub instructions: u64,
    /// Stack switches out and back together.
    pub stack_switches: u64,
    /// The same instructions by what they are for.
    pub phases: BTreeMap<String, u64>,
}

words! {
    /// Who makes a call that is walked.
    pub enum Side {
        /// The exhibit, in Rust.
        Rust = "rust",
        /// Its twin in C.
        C = "c",
        /// Its twin in Go.
        Go = "go",
        /// The exhibit, polled as a task of tokio's current-thread runtime.
        CurrentThread = "current_thread",
        /// The exhibit, polled as a task of tokio's multi-thread runtime.
        MultiThread = "multi_thread",
        /// What only a walk tells from a bare call.
        Control = "control",
    }
}

/// One walk, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walked {
    /// Who makes the call.
    pub side: Side,
    /// Which call: an exhibit's name, or a control's.
    pub name: String,
    /// Whether it was taken now or is recorded.
    pub evidence: Evidence,
    /// What each step is for, where a call is more than itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// The walk itself.
    #[serde(flatten)]
    pub walk: Walk,
}

impl Walked {
    /// `rust/say`, `go/add_one`, `multi_thread/say_ready`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/{}", self.side.as_str(), self.name)
    }
}

words! {
    /// What a stretch of instructions in one function is for.
    pub enum Phase {
        /// The caller's own instruction.
        Call = "call",
        /// The linker's stub.
        Stub = "stub",
        /// Moving arguments and results between a struct and the registers, and the care for pointers among them.
        Packing = "argument packing",
        /// Telling the scheduler that this goroutine leaves its reach, and that it is back.
        Scheduler = "scheduler",
        /// From the goroutine's small stack to the thread's, and back.
        StackSwitch = "stack switch",
        /// Compiled C that takes the arguments out of the struct, or puts them in for a callback.
        CSide = "C side",
    }
}

impl Phase {
    /// Every phase, in the order of a call out.
    pub const ALL: [Self; 6] = [
        Self::Call,
        Self::Stub,
        Self::Packing,
        Self::Scheduler,
        Self::StackSwitch,
        Self::CSide,
    ];
}

/// The phase of each step of a walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Beside the walk's steps out.
    pub out: Vec<Phase>,
    /// Beside its steps back.
    pub back: Vec<Phase>,
}

/// A symbol without what differs from build to build: cgo's hash of what it compiled.
#[must_use]
pub fn without_hash(symbol: &str) -> String {
    let hash = symbol.strip_prefix("_cgo_").and_then(|rest| rest.get(..12));
    match hash {
        Some(hash) if hash.chars().all(|char| char.is_ascii_hexdigit()) => {
            symbol.replacen(hash, "HASH", 1)
        }
        _ => symbol.to_owned(),
    }
}
