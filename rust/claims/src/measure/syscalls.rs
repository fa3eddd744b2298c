//! Counts of system calls, by name, and why there are none.

use std::collections::BTreeMap;
use std::io;

use super::missing::MissingTool;

/// System calls by name: `read`, `epoll_wait`, …
pub type SyscallCounts = BTreeMap<String, SyscallCount>;

/// How often one was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyscallCount {
    pub made: i64,
    /// Those of them that failed with `EAGAIN`.
    pub again: i64,
}

/// What a longer run calls more often than a shorter one, and how much more often. Start-up and end cancel out.
pub fn more(longer: &SyscallCounts, shorter: &SyscallCounts) -> SyscallCounts {
    let of = |counts: &SyscallCounts, name| counts.get(name).copied().unwrap_or_default();
    longer
        .keys()
        .chain(shorter.keys())
        .map(|name| {
            let (longer, shorter) = (of(longer, name), of(shorter, name));
            let calls = SyscallCount {
                made: longer.made - shorter.made,
                again: longer.again - shorter.again,
            };
            (name.clone(), calls)
        })
        .filter(|(_, calls)| *calls != SyscallCount::default())
        .collect()
}

#[derive(Debug, thiserror::Error)]
pub enum NotCounted {
    #[error(
        "the system forbids to count system calls ({0}): it takes ptrace (in a container `--cap-add=SYS_PTRACE`; \
         otherwise /proc/sys/kernel/yama/ptrace_scope must be below 3)"
    )]
    Forbidden(io::Error),
    #[error("system calls are counted on x86-64 Linux only")]
    Unsupported,
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("the program that was counted {0}")]
    Failed(String),
}

impl MissingTool for NotCounted {
    fn missing_tool(&self) -> Option<&'static str> {
        matches!(self, Self::Forbidden(_) | Self::Unsupported).then_some("ptrace")
    }
}
