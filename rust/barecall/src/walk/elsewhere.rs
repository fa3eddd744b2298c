//! No walk: single-stepping is built for x86-64 Linux.

use super::{Walk, WalkError, Walker};

pub(super) fn run(walker: Walker) -> Result<Walk, WalkError> {
    let Walker {
        command,
        from,
        to,
        warmup,
        repeat,
        max_steps,
        step_all,
        timeout,
    } = walker;
    drop((
        command, from, to, warmup, repeat, max_steps, step_all, timeout,
    ));
    Err(WalkError::Unsupported)
}
