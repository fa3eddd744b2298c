//! No walk: single-stepping is built for x86-64 Linux.

use super::{Walk, WalkError, Walker};

pub(super) fn run(walker: Walker) -> Result<Walk, WalkError> {
    let Walker {
        command: _,
        from: _,
        to: _,
        warmup: _,
        repeat: _,
        max_steps: _,
        step_all: _,
        timeout: _,
    } = walker;
    Err(WalkError::Unsupported)
}
