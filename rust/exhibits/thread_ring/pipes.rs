//! The pipes between the stages, in a ring.

use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd, AsRawFd as _};
use std::time::{Duration, Instant};

use super::{Plan, Run, Switches};

/// A message.
pub(super) const MESSAGE: u8 = b'*';

/// The pipe ends of a stage: where messages come from, and where they go.
pub(super) type Ends = (PipeReader, PipeWriter);

/// Creates the ends of every stage. Stage `i` writes to the pipe from which stage
/// `i + 1` reads, and the last stage to the pipe from which the first reads.
pub(super) fn pipes(stages: usize) -> io::Result<Vec<Ends>> {
    let pipes = (0..stages)
        .map(|_| io::pipe())
        .collect::<io::Result<Vec<_>>>()?;
    let (readers, mut writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
    writers.rotate_left(1);
    Ok(readers.into_iter().zip(writers).collect())
}

/// Returns the stages before which a message lies at the start.
pub(super) fn starts(plan: &Plan) -> impl Iterator<Item = usize> {
    let (stages, in_flight) = (plan.stages, plan.in_flight);
    (0..in_flight).map(move |message| message * stages / in_flight)
}

/// Writes the first messages into the pipes.
pub(super) fn lay_messages(plan: &Plan, ring: &[Ends]) -> io::Result<()> {
    starts(plan).try_for_each(|stage| writer_to(ring, stage).write_all(&[MESSAGE]))
}

/// Returns the end that sends a message to a stage.
pub(super) fn writer_to(ring: &[Ends], stage: usize) -> &PipeWriter {
    &ring[(stage + ring.len() - 1) % ring.len()].1
}

/// Makes reads and writes fail with `EAGAIN` instead of blocking.
pub(super) fn set_nonblocking(end: impl AsFd) -> io::Result<()> {
    let fd = end.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open, and no memory is passed.
    let set = unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        flags >= 0 && libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) == 0
    };
    if set {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Runs `hops`, which makes all hops on this thread.
pub(super) fn on_this_thread(hops: impl FnOnce() -> io::Result<()>) -> io::Result<Run> {
    let (before, start) = (Switches::of_this_thread()?, Instant::now());
    hops()?;
    Ok(Run {
        elapsed: start.elapsed(),
        switches: Some(Switches::of_this_thread()? - before),
    })
}

/// What one of several threads reports about its stage.
pub(super) struct Done {
    pub(super) at: Instant,
    pub(super) switches: Switches,
}

/// Returns the result of the run of these stages.
pub(super) fn total(start: Instant, stages: &[Done]) -> Run {
    let end = stages.iter().map(|done| done.at).max();
    Run {
        elapsed: end.map_or(Duration::ZERO, |end| end.duration_since(start)),
        switches: Some(stages.iter().map(|done| done.switches).sum()),
    }
}
