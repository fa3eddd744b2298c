//! Recognising code that only passes control on, the same for every architecture.

use crate::ir::CallTarget;

/// What one instruction does in code that may only pass control on.
pub(super) enum Passing {
    /// It prepares: sets up a frame, moves an argument, makes a part of the target's address.
    Prepares,
    Jumps(CallTarget),
    Calls(CallTarget),
    Returns,
    /// It does something else.
    Other,
}

/// The slot that code jumps through, if it does nothing else, and how many instructions it executes up to there.
pub(super) fn slot(code: impl Iterator<Item = Passing>) -> Option<(u64, u32)> {
    match target(code)? {
        (CallTarget::Slot(slot), count) => Some((slot, count)),
        _ => None,
    }
}

/// Where code passes control on to, if it does nothing else, and how many instructions it executes up to there.
pub(super) fn target(code: impl Iterator<Item = Passing>) -> Option<(CallTarget, u32)> {
    let mut called = None;
    let mut count = 0;
    // Not zipped: a decoder is large to move.
    for instruction in code {
        count += 1;
        match (instruction, called) {
            (Passing::Prepares, _) => {}
            (Passing::Jumps(to), None) => return Some((to, count)),
            (Passing::Calls(to), None) => called = Some((to, count)),
            (Passing::Returns, _) => return called,
            _ => return None,
        }
    }
    None
}
