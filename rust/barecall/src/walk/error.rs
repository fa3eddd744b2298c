//! Why a walk could not be taken, and what to do next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a walk could not be taken. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// Not x86-64 Linux.
    #[error(
        "walks are not supported here: they single-step programs on x86-64 Linux; \
         `cargo barecall calls` reads a call's route from the file on any system"
    )]
    Unsupported,

    /// There is no such program.
    #[error("{}: no such program; give a path (./prog), or a name that is on PATH", path.display())]
    ProgramMissing {
        /// What was asked for.
        path: PathBuf,
    },

    /// The file may not be executed.
    #[error("{}: not executable; `chmod +x` it, or name the program itself", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What the system said, if it was the system.
        source: Option<io::Error>,
    },

    /// The file is no program in ELF format.
    #[error("{}: neither an ELF program nor a script; name the linked program, not a source or an archive", path.display())]
    NotAProgram {
        /// The file.
        path: PathBuf,
    },

    /// The program is for another processor.
    #[error("{}: built for {architecture}, and only x86-64 programs can be walked here; build it with --target x86_64-unknown-linux-gnu", path.display())]
    OtherArchitecture {
        /// The file.
        path: PathBuf,
        /// What it was built for.
        architecture: String,
    },

    /// The program would run with another user's or group's rights.
    #[error("{}: is setuid or setgid, and Linux drops those rights under ptrace, so another run would be walked than the real one; walk a copy without the bit (`cp` drops it)", path.display())]
    SetUserId {
        /// The file.
        path: PathBuf,
    },

    /// The program has no symbols at all.
    #[error("{}: has no symbols to find `{query}` by; link it without `-s`, do not `strip` it (Cargo: profile.release.strip = \"none\")", path.display())]
    NoSymbols {
        /// The file.
        path: PathBuf,
        /// The name looked for.
        query: String,
    },

    /// No function of that name.
    #[error(
        "no function `{query}` in {}{}; if it exists in the source it may have been inlined: mark it #[inline(never)] (C: __attribute__((noinline)))",
        files.join(", "),
        near_names(near)
    )]
    NoSuchSymbol {
        /// The name looked for.
        query: String,
        /// Names like it.
        near: Vec<String>,
        /// Where it was looked for.
        files: Vec<String>,
    },

    /// Several functions of that name.
    #[error(
        "`{query}` is the name of several functions; say which one:{}",
        listed(candidates)
    )]
    Ambiguous {
        /// The name looked for.
        query: String,
        /// For each function, a text that names it alone, and its full name.
        candidates: Vec<(String, String)>,
    },

    /// An IFUNC whose choice is not known yet.
    #[error(
        "`{symbol}` is chosen when the program is loaded, from several implementations (an IFUNC), and `{from}` is not yet bound to one; try --warmup 1, or run with LD_BIND_NOW=1"
    )]
    NotYetChosen {
        /// The function.
        symbol: String,
        /// The caller.
        from: String,
    },

    /// The system forbids to trace.
    #[error("the system forbids to trace a program (ptrace: {source}): {setting}")]
    Forbidden {
        /// The setting that forbids it, and how to change it.
        setting: String,
        /// What the system said.
        source: io::Error,
    },

    /// `from` was not reached, or not often enough.
    #[error("`{from}` was {}: {ending}{}", times(*arrivals), not_reached_advice(*arrivals, *warmup))]
    FromNotReached {
        /// The caller.
        from: String,
        /// How often it was reached.
        arrivals: u64,
        /// How many arrivals were to go by.
        warmup: u64,
        /// How the wait ended.
        ending: Ending,
    },

    /// `from` returned and had not reached `to`.
    #[error(
        "`{from}` returned after {steps} instructions and had not reached `{to}`; if a later call of it does, skip this one with --warmup"
    )]
    Returned {
        /// The caller.
        from: String,
        /// The callee.
        to: String,
        /// Instructions stepped through.
        steps: u64,
    },

    /// `to` was left by other means than its return.
    #[error(
        "`{to}` was left without returning (longjmp, or unwinding): `{from}` went on at {at}; only calls that return can be walked back"
    )]
    LeftWithoutReturn {
        /// The caller.
        from: String,
        /// The callee.
        to: String,
        /// Where the caller went on.
        at: String,
    },

    /// The step limit passed.
    #[error("{} within {} steps; the last one was at {}; raise --max-steps, or name a --from nearer to --to", lost.wanted, lost.steps, lost.at)]
    StepLimit {
        /// Where the walk was.
        lost: Box<Lost>,
    },

    /// The time limit passed in mid-walk.
    #[error("{} within {} s ({} steps); the last one was at {}; raise --timeout, or name a --from nearer to --to", lost.wanted, limit.as_secs_f32(), lost.steps, lost.at)]
    TimeLimit {
        /// Where the walk was.
        lost: Box<Lost>,
        /// The limit.
        limit: Duration,
    },

    /// The time limit passed while a system call had not returned.
    #[error("{}: after {} steps it waits in system call {syscall} at {}, for the whole time limit of {} s; every other thread is stopped during a walk, so waiting for one never ends: walk a call that does not block", lost.wanted, lost.steps, lost.at, limit.as_secs_f32())]
    Blocked {
        /// Where the walk was.
        lost: Box<Lost>,
        /// The system call: its number, and its name where known.
        syscall: String,
        /// The limit.
        limit: Duration,
    },

    /// The program ended in mid-walk.
    #[error("{}: the program exited with {code} after {} steps, at {}; only calls that return can be walked back", lost.wanted, lost.steps, lost.at)]
    Exited {
        /// Where the walk was.
        lost: Box<Lost>,
        /// Its exit code.
        code: i32,
    },

    /// The thread ended in mid-walk.
    #[error("{}: the thread ended after {} steps, at {}; only calls that return can be walked back", lost.wanted, lost.steps, lost.at)]
    ThreadExited {
        /// Where the walk was.
        lost: Box<Lost>,
    },

    /// A signal killed the program in mid-walk.
    #[error("{}: {signal} killed the program after {} steps, at {}; does it without the walk? (`gdb --args …`)", lost.wanted, lost.steps, lost.at)]
    Crashed {
        /// Where the walk was.
        lost: Box<Lost>,
        /// The signal's name.
        signal: String,
    },

    /// The thread forked in mid-walk.
    #[error("{}: it started a new process (fork, vfork) after {} steps, at {}, and the walk cannot follow two; walk the child's program by itself", lost.wanted, lost.steps, lost.at)]
    Forked {
        /// Where the walk was.
        lost: Box<Lost>,
    },

    /// The program was replaced in mid-walk.
    #[error("{}: the program replaced itself with another (exec) after {} steps, at {}; walk that program by itself", lost.wanted, lost.steps, lost.at)]
    Execed {
        /// Where the walk was.
        lost: Box<Lost>,
    },

    /// Anything else that the system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Where a walk was when it ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// What it was on the way to.
    pub wanted: Wanted,
    /// Instructions stepped through until then.
    pub steps: u64,
    /// The last place, as text: `puts+0x1a in libc.so.6`.
    pub at: String,
}

/// What a walk was on the way to when it ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// Out: to the callee.
    Callee {
        /// The caller.
        from: String,
        /// The callee.
        to: String,
    },
    /// Through the callee, to its return.
    Return {
        /// The callee.
        to: String,
    },
    /// Back: to the caller.
    Caller {
        /// The caller.
        from: String,
        /// The callee.
        to: String,
    },
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Wanted::Callee { from, to } => write!(f, "`{to}` was not reached from `{from}`"),
            Wanted::Return { to } => write!(f, "`{to}` did not return"),
            Wanted::Caller { from, to } => {
                write!(f, "`{to}` returned, and `{from}` was not reached again")
            }
        }
    }
}

/// How a run ended before the walk began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The program exited with this code.
    Exited(i32),
    /// This signal killed the program.
    Killed(String),
    /// The time limit passed.
    TimeLimit(Duration),
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Exited(code) => write!(f, "the program exited with {code}"),
            Ending::Killed(signal) => write!(f, "{signal} killed the program"),
            Ending::TimeLimit(limit) => {
                write!(f, "the time limit of {} s passed", limit.as_secs_f32())
            }
        }
    }
}

fn near_names(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        format!(" (near: {})", near.join(", "))
    }
}

fn listed(candidates: &[(String, String)]) -> String {
    use std::fmt::Write as _;
    candidates
        .iter()
        .fold(String::new(), |mut text, (unique, name)| {
            let _ = write!(text, "\n  {unique}  {name}");
            text
        })
}

fn times(arrivals: u64) -> String {
    match arrivals {
        0 => "never reached".into(),
        1 => "reached once".into(),
        n => format!("reached {n} times"),
    }
}

fn not_reached_advice(arrivals: u64, warmup: u64) -> String {
    if arrivals > 0 {
        format!("; --warmup {warmup} lets the first {warmup} go by: give less than {arrivals}")
    } else {
        "; do its arguments lead there, and is it this process that calls it, not one it starts?"
            .into()
    }
}
