//! What an error says of the machine rather than of the thing that was to be measured.

use barecall::walk::WalkError;

/// An error that may mean that this machine lacks something.
pub trait MissingTool {
    /// What it lacks, as `BARECALL_REQUIRE` names it: `ptrace`, `valgrind`, `clang`, `go`. The error's text says how to
    /// get it. `None` if the error is about something else.
    fn missing_tool(&self) -> Option<&'static str>;
}

impl MissingTool for WalkError {
    fn missing_tool(&self) -> Option<&'static str> {
        matches!(self, Self::Forbidden { .. } | Self::Unsupported).then_some("ptrace")
    }
}
