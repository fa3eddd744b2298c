//! The walk on x86-64 Linux: start the program, let it arrive, step it.

mod address_space;
mod code;
mod failure;
mod images;
mod insn;
mod precheck;
mod program;
mod recorder;
mod stepping;
mod tracee;

use std::sync::mpsc;
use std::{panic, thread};

use self::images::ImageCache;
use self::program::Program;
use self::tracee::{Deadline, Gate};
use super::error::WalkError;
use super::record::{Repeats, Walk};
use super::walker::Walker;

/// Takes the walk, as often as asked.
pub(super) fn run(mut walker: Walker) -> Result<Walk, WalkError> {
    precheck::check(&walker.command)?;
    let deadline = Deadline::default();
    let limit = walker.timeout;
    // The walks have a thread of their own: ptrace works from one thread only,
    // waits for that thread's own children only, and kills them with it.
    thread::scope(|scope| {
        let (running, over) = mpsc::channel::<()>();
        let walks = scope.spawn(|| {
            let _running = running;
            repeat(&mut walker, &deadline)
        });
        if over.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            deadline.pass();
        }
        walks
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

/// Takes the walk again and again, each time in a new process.
fn repeat(walker: &mut Walker, deadline: &Deadline) -> Result<Walk, WalkError> {
    let gate = Gate::before(&mut walker.command);
    let mut images = ImageCache::default();
    let mut once = |walker: &mut Walker| {
        let mut program = Program::start(walker, &gate, deadline, &mut images)?;
        let arrival = program.arrive(walker, deadline)?;
        stepping::walk(&mut program, walker, deadline, arrival)
    };
    let first = once(walker)?;
    let mut identical = 1;
    for _ in 1..walker.repeat {
        identical += u64::from(once(walker)? == first);
    }
    let walks = walker.repeat;
    Ok(Walk {
        repeats: Repeats { walks, identical },
        ..first
    })
}
